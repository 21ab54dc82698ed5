"""The gate of a format: its file, run by its own runtime in a clean process, held to the Keras model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.artifacts.gate import Answered, Gate, Parity, units
from zoo.artifacts.predictor import outputs
from zoo.artifacts.warming import described
from zoo.data.dataset import label_text
from zoo.errors import JobError
from zoo.evaluation.measures import correct
from zoo.evaluation.scores import evaluate_values
from zoo.files import cache_folder, whole_folder
from zoo.formats import graphs
from zoo.formats.process import LATENCY_BATCHES
from zoo.formats.questions import Asked

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-4  # largest difference of a float format, in the unit that `zoo.artifacts.gate.units` says
HALF = 2e-2  # of a model that computes in half precision from itself in float32
MOST_LOST = 0.01  # accuracy, or R² of values, that an int8 model may lose
Answers = dict[str, np.ndarray]


class Expected(NamedTuple):
    """What the Keras model says: part -> its inputs, and part -> its outputs, each by the name of a tensor."""

    inputs: dict[str, Answers]
    outputs: dict[str, Answers]


class Verdict(NamedTuple):
    """What the gate found.

    Attributes:
        parity: differences and labels.
        labels_agree: share of the inputs with the same label; None where there are no labels.
        measure: accuracy or r2; None where the targets are not known.
        model, format: that of the Keras model and of the format.
        int8: held to the measure rather than to the tolerance.
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
        """Why not, in numbers."""
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


def expected(model: keras.Model, asked: Asked, card: dict[str, Any]) -> Expected:
    """What `model` says of raw inputs, and the tensors that stand for these."""
    inputs = graphs.numbers(model, asked.inputs, card)
    if card["task"] == "generation":
        from zoo.builders.adversarial_model import generated

        pixels = generated(model, inputs["code"], inputs.get("label"), len(card["classes"]))
        return Expected({"model": inputs}, {"model": {"pixels": pixels}})
    if card["task"] != "reconstruction":
        name = "prediction" if card["task"] in graphs.VALUES else "probabilities"
        said = outputs(model, asked.inputs, card["input"])
        return Expected({"model": inputs}, {"model": {name: said}})
    from zoo.arrays import apply

    score = model.score(asked.inputs)
    judged = {"reconstruction": model.reconstruct(asked.inputs), "score": score}
    judged["is_anomaly"] = score > float(model.threshold)
    variational = len(model.encoder.outputs) > 1
    names = ("mean", "log_variance") if variational else ("code",)
    encoded = {
        name: apply(lambda batch, at=at: _several(model.encoder(model.prepared(batch)))[at], asked.inputs, 256)
        for at, name in enumerate(names)
    }
    code = encoded[names[0]]
    return Expected(
        {"model": inputs, "encoder": inputs, "decoder": {"code": code}},
        {"model": judged, "encoder": encoded, "decoder": {"reconstruction": model.decode(code)}},
    )


def ask(folder: Path, inputs: dict[str, Answers]) -> tuple[dict[str, Answers], dict[str, float]]:
    """Answers of the format in `folder` to the inputs of its parts, and its milliseconds by size of the batch.

    Raises:
        JobError: the process failed; with its last words.
    """
    script = Path(__file__).with_name("process.py")
    with whole_folder(cache_folder("gate")) as place:  # copies of the user's data, swept where this process is killed
        asked = []
        for part, values in inputs.items():
            paths = {name: str(place / f"{part}-{name}.npz") for name in ("inputs", "output")}
            np.savez(paths["inputs"], **values)
            asked.append({"part": part, **paths})
        request = json.dumps({"folder": str(folder.resolve()), "batch": 32, "asked": asked})
        # -I: neither this folder nor PYTHONPATH is on its path.
        command = [sys.executable, "-I", str(script)]
        done = subprocess.run(command, input=request + "\n", capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["?"])[-1]
            raise JobError(f"the format can't be run: {' '.join(last.split())[:300]}")
        found = {}
        for each in asked:
            with np.load(each["output"]) as arrays:
                found[each["part"]] = {name: arrays[name] for name in arrays.files}
        return found, json.loads(done.stdout.strip().splitlines()[-1])["latency_ms"]


def ask_saved_model(
    process: Gate, folder: Path, asked: Asked, card: dict[str, Any], names: Sequence[str]
) -> tuple[Answered, dict[str, float]]:
    """As `ask`, of the version itself, which takes raw inputs: of images the files, as it crops what it decodes.

    Raises:
        JobError: the process failed; with its last words.
    """
    inputs, description = asked.inputs if asked.files is None else asked.files, described(card)
    if isinstance(inputs, dict) and "label" in inputs:
        inputs = inputs | {"label": np.array(card["classes"])[inputs["label"]]}
    answered = process.ask(folder, inputs, description, names, LATENCY_BATCHES)()
    taken = answered.values.pop("latency_ms", np.zeros(0)).round(3).tolist()
    return answered, dict(zip(map(str, LATENCY_BATCHES), taken, strict=False))


def compare(
    wanted: Expected,
    found: dict[str, Answers],
    asked: Asked,
    card: dict[str, Any],
    *,
    int8: bool,
    tolerance: float | None = None,
) -> Verdict:
    """Hold the answers of a format to those of the Keras model.

    Args:
        wanted: of the model.
        found: part -> its outputs, of the format.
        asked: brings the targets.
        card: of the artifact.
        int8: hold it to the score rather than to the differences.
        tolerance: `TOLERANCE` where None.
    """
    tolerance = TOLERANCE if tolerance is None else tolerance
    largest, flips = 0.0, 0
    for part, answers in wanted.outputs.items():
        for name, values in answers.items():
            received = found[part].get(name)
            if values.dtype == bool:
                flips += _flips(answers, found[part], card, tolerance)
            elif name == "score":  # a squared difference of nearly equal numbers has no digits to lose
                largest = max(largest, _difference(np.sqrt(values), received, root=True))
            else:
                unit = units(values, card.get("deviations")) if name == "prediction" else None
                largest = max(largest, _difference(values, received, unit))
    agree = measure = before = after = None
    name = next(iter(wanted.outputs["model"]))
    values, received = wanted.outputs["model"][name], found["model"].get(name)
    if np.isfinite(largest) and name == "probabilities":
        same, sure = _labels(values, received, card, tolerance)
        flips, agree = int((~same & sure).sum()), float(same.mean())
    if np.isfinite(largest) and asked.targets is not None:
        if name == "probabilities":
            measure = "accuracy"
            before, after = (float(correct(asked.targets, each).mean()) for each in (values, received))
        else:
            names = tuple(card["classes"])
            scores = [evaluate_values(asked.targets, each, names, "validation").r2 for each in (values, received)]
            measure, (before, after) = "r2" if None not in scores else None, scores
    parity = Parity(len(asked), {}, largest, flips, tolerance)
    return Verdict(parity, agree, measure, before, after, int8)


def _labels(
    values: np.ndarray, received: np.ndarray, card: dict[str, Any], tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bool (examples,): where the labels are the same, and where the margin is over twice the tolerance."""
    if card["task"] == "multi_label":
        names = tuple(card["classes"])
        pairs = zip(values >= 0.5, received >= 0.5, strict=True)
        same = np.array([label_text(a, names) == label_text(b, names) for a, b in pairs])
        return same, np.abs(values - 0.5).min(axis=1) > 2 * tolerance
    top = np.sort(values, axis=1)
    return values.argmax(axis=1) == received.argmax(axis=1), top[:, -1] - top[:, -2] > 2 * tolerance


def _flips(wanted: Answers, found: Answers, card: dict[str, Any], tolerance: float) -> int:
    """Verdicts that differ although the root of the score is over twice the tolerance from that of the threshold."""
    roots, limit = np.sqrt(wanted["score"]), np.sqrt(card["threshold"])
    sure = np.abs(roots - limit) > 2 * tolerance * max(1.0, float(roots.max()))
    return int((sure & (found["is_anomaly"] != wanted["is_anomaly"])).sum())


def _difference(
    values: np.ndarray, received: np.ndarray | None, unit: np.ndarray | None = None, root: bool = False
) -> float:
    """Largest difference, in units of the largest value if that is over 1, or of `unit`."""
    if received is None or received.shape != values.shape or not np.isfinite(received).all():
        return float("inf")
    received = np.sqrt(np.maximum(received, 0)) if root else received
    return float((np.abs(values - received) / (units(values, None) if unit is None else unit)).max())


def _several(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]
