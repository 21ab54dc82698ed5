"""Parity of a written format with the Keras model; the format runs by its own runtime in a clean process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.artifacts.card import requested_kind
from zoo.artifacts.gate import ExportAnswers, Gate, Parity, compare_values, count_flips, difference
from zoo.artifacts.predictor import model_outputs
from zoo.errors import JobError
from zoo.files import atomic_folder, cache_folder
from zoo.formats.gate_inputs import GateInputs
from zoo.formats.process import LATENCY_BATCHES
from zoo.tasks.forms import FORMS, by_name, portable
from zoo.tasks.registry import task_of

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-4  # largest difference of a float format, in the units of `Task.units`
HALF = 2e-2  # largest difference of a model in half precision from itself in float32
MOST_LOST = 0.01  # accuracy, or R² of values, that an int8 model may lose
Answers = dict[str, np.ndarray]


class Expected(NamedTuple):
    """Expected outputs, of the Keras model: part -> its inputs, and part -> its outputs, each by name of a tensor."""

    inputs: dict[str, Answers]
    outputs: dict[str, Answers]


class Verdict(NamedTuple):
    """The result of the gate.

    Attributes:
        parity: differences of values and labels.
        labels_agree: share of the inputs with the same label; None without labels.
        measure: accuracy or r2; None if the targets are not known.
        model, format: the measure of the Keras model and of the format.
        int8: whether the measure decides instead of the tolerance.
    """

    parity: Parity
    labels_agree: float | None
    measure: str | None
    model: float | None
    format: float | None
    int8: bool

    @property
    def passed(self) -> bool:
        """Whether the format may be published."""
        if not self.int8:
            return self.parity.passed
        return bool(np.isfinite(self.parity.largest_difference)) and self.model - self.format <= MOST_LOST

    def reason(self) -> str:
        """Why the format may not be published, in numbers."""
        if self.int8:
            return f"{self.measure} {self.format:.4f} against {self.model:.4f} over {self.parity.files} inputs"
        return self.parity.reason()

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return {
            "passed": self.passed,
            "examples": self.parity.files,
            "largest_difference": self.parity.largest_difference,
            "tolerance": None if self.int8 else self.parity.tolerance,
            "label_differences": self.parity.label_differences,
            "labels_agree": self.labels_agree,
        }


def expected(model: keras.Model, gate_inputs: GateInputs, card: dict[str, Any]) -> Expected:
    """Outputs of `model` for raw inputs, and the inputs as tensors of numbers."""
    kind, task = requested_kind(card, model), task_of(card)
    inputs = kind.numbers(model, gate_inputs.inputs)
    takes, outputs = {"model": inputs}, {"model": model_outputs(task, model, gate_inputs.inputs, kind)}
    code: np.ndarray | None = None
    for name, (takes_inputs, function) in (model.parts() if hasattr(model, "parts") else {}).items():
        if not takes_inputs:
            takes[name], outputs[name] = {"code": code}, _applied(function, lambda codes: codes, code)
            continue
        takes[name], outputs[name] = inputs, _applied(function, model.prepared, gate_inputs.inputs)
        code = next(iter(outputs[name].values()))
    return Expected(takes, outputs)


def _applied(function: Any, before: Any, inputs: Any) -> Answers:
    """Outputs of `function`, by name, for `before` applied to `inputs`."""
    from zoo.arrays import apply

    return apply(lambda batch: function(before(batch)), inputs, 256)


def run_format(folder: Path, inputs: dict[str, Answers]) -> tuple[dict[str, Answers], dict[str, float]]:
    """Answers of the format in `folder` to the inputs of its parts, and its milliseconds by size of the batch.

    Raises:
        JobError: the process failed; the message has the last line of its output.
    """
    script = Path(__file__).with_name("process.py")
    with atomic_folder(cache_folder("gate")) as place:  # copies of the user's data, swept where this process is killed
        requests = []
        for part, values in inputs.items():
            paths = {name: str(place / f"{part}-{name}.npz") for name in ("inputs", "output")}
            np.savez(paths["inputs"], **values)
            requests.append({"part": part, **paths})
        request = json.dumps({"folder": str(folder.resolve()), "batch": 32, "requests": requests})
        # -I: neither this folder nor PYTHONPATH is on its path.
        command = [sys.executable, "-I", str(script)]
        finished = subprocess.run(command, input=request + "\n", capture_output=True, text=True)
        if finished.returncode:
            last = (finished.stderr.strip().splitlines() or ["?"])[-1]
            raise JobError(f"the format can't be run: {' '.join(last.split())[:300]}")
        outputs = {}
        for each in requests:
            with np.load(each["output"]) as arrays:
                outputs[each["part"]] = {name: arrays[name] for name in arrays.files}
        return outputs, json.loads(finished.stdout.strip().splitlines()[-1])["latency_ms"]


def run_saved_model(
    process: Gate, folder: Path, gate_inputs: GateInputs, card: dict[str, Any], names: Sequence[str]
) -> tuple[ExportAnswers, dict[str, float]]:
    """As `ask`, of the version itself, which takes raw inputs: of images the files, as it crops what it decodes.

    Raises:
        JobError: the process failed; with its last words.
    """
    inputs = gate_inputs.inputs if gate_inputs.files is None else gate_inputs.files
    answers = process.run(folder, inputs, requested_kind(card), names, LATENCY_BATCHES)()
    taken = answers.values.pop("latency_ms", np.zeros(0)).round(3).tolist()
    return answers, dict(zip(map(str, LATENCY_BATCHES), taken, strict=False))


def compare(
    expected: Expected,
    received: dict[str, Answers],
    gate_inputs: GateInputs,
    card: dict[str, Any],
    *,
    int8: bool,
    strings: bool = False,
    tolerance: float | None = None,
    request: Mapping[str, np.ndarray] | None = None,
) -> Verdict:
    """Compare the answers of a format with those of the Keras model.

    Args:
        expected: of the model.
        received: part -> its outputs, of the format.
        gate_inputs: has the targets.
        card: of the artifact.
        int8: whether the score decides instead of the differences.
        strings: whether the format has strings, and so must have every value of the task.
        tolerance: `TOLERANCE` if None.
        request: of the inputs, as `Kind.request` gives it; None if the format takes none.
    """
    tolerance, task = TOLERANCE if tolerance is None else tolerance, task_of(card)
    outputs, answers = expected.outputs["model"], received.get("model", {})
    values = task.values()
    compared = values if strings else portable(task) | {name: each for name, each in values.items() if name in answers}
    largest, flips = compare_values(task, outputs, answers, compared, tolerance, request)
    for part, wanted in expected.outputs.items():
        if part != "model":
            given = received.get(part, {})
            largest = max([largest, *(_difference(each, given.get(name)) for name, each in wanted.items())])
    agree = measure = before = after = None
    if np.isfinite(largest):
        for name in by_name(task):
            answer, other = (task.answer(each, {}, np) for each in (outputs, answers))
            labels = [FORMS[values[name].form].array(task.names, each.values[name]) for each in (answer, other)]
            agree = float((labels[0] == labels[1]).mean())
            if name not in answers:  # users of a format without strings compute this value themselves
                flips += count_flips(task, name, answer, labels[1], tolerance)
        if gate_inputs.targets is not None and task.quality is not None and set(outputs) <= set(answers):
            scores = [task.quality.score(task, gate_inputs.targets, each) for each in (outputs, answers)]
            measure, (before, after) = task.quality.name if np.isfinite(scores).all() else None, scores
    parity = Parity(len(gate_inputs), {}, largest, flips, tolerance)
    return Verdict(parity, agree, measure, before, after, int8)


def _difference(values: np.ndarray, received: np.ndarray | None) -> float:
    """Largest difference, in units of the largest value if that is over 1."""
    if received is None or received.shape != values.shape:
        return float("inf")
    return difference(values, received, None)
