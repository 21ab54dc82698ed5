"""The gate: an export is published only if it answers, in a clean process, as the model does."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.artifacts.parity_process import packed, unpacked
from zoo.data.dataset import Data
from zoo.data.kind import Kind
from zoo.data.parts import Inputs, Part, in_files
from zoo.errors import InputError, JobError
from zoo.files import atomic_folder, cache_folder
from zoo.tasks.forms import FORMS, Form, in_numpy
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Outputs, Value
from zoo.tasks.terms import largest as largest_of

TOLERANCE = 1e-5  # largest difference in a probability
GATE_EXAMPLES = 256
TOGETHER = 16  # examples whose decisions are compared at a time
Answers = dict[str, np.ndarray]


class Parity(NamedTuple):
    """The result of the gate.

    Attributes:
        files: number of compared inputs.
        formats: of inputs that are files -> their number.
        largest_difference: of any number, in the units of the task: probabilities as they are, values in deviations
            of the training targets.
        label_differences: number of labels that differ although their margin is over the tolerance.
        tolerance: the largest difference that is allowed.
        refused: name and reason of each file that the export can't read, as a damaged one.
    """

    files: int
    formats: dict[str, int]
    largest_difference: float
    label_differences: int
    tolerance: float
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the export may be published: nothing differs, and few files, a tenth at most, are refused."""
        if len(self.refused) > max(1, self.files // 10):
            return False
        return self.files > 0 and self.label_differences == 0 and self.largest_difference <= self.tolerance

    def reason(self) -> str:
        """Why the export may not be published, in numbers."""
        if self.refused and len(self.refused) > max(1, self.files // 10):
            name, why = self.refused[0]
            return f"it does not read {len(self.refused)} of {self.files + len(self.refused)} files, as {name}: {why}"
        return (
            f"over {self.files} inputs outputs differ by up to {self.largest_difference:.2g} (allowed "
            f"{self.tolerance:g}), {self.label_differences} labels differ"
        )


class ExportAnswers(NamedTuple):
    """The answers of an export.

    Attributes:
        values: name of an output -> array (answered inputs, ...), strings as an object array of bytes.
        positions: of the answered inputs, int64, rising.
        refused: name and reason of each of the others, which are files.
    """

    values: Answers
    positions: np.ndarray
    refused: tuple[tuple[str, str], ...]


class Gate:
    """A clean process that runs a SavedModel alone. Start it early, because it loads TensorFlow."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("parity_process.py")
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        # -I: neither this folder nor PYTHONPATH is on its path.
        self.process = subprocess.Popen([sys.executable, "-I", str(script)], text=True, **pipes)

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def run(
        self,
        folder: Path,
        inputs: Inputs,
        kind: Kind,
        wanted: Sequence[str],
        timed: Sequence[int] = (),
    ) -> Callable[[], ExportAnswers]:
        """Start the inference for raw `inputs`, and return a function that waits for the `wanted` outputs.

        With sizes of batches in `timed`, ``latency_ms`` is an output too, float64 (sizes,).

        Raises (the function):
            JobError: the process failed; the message has the last line of its output.
        """
        stack = contextlib.ExitStack()
        # Copies of the user's data are in a folder that is removed if this process is killed. Files are not copied.
        place = stack.enter_context(atomic_folder(cache_folder("gate")))
        output = place / "answers.npz"
        request = {"saved_model": str(folder.resolve()), "batch": 32, "wanted": list(wanted), "output": str(output)}
        request["timed"] = list(timed)
        names: list[str] = []
        files = kind.files(inputs)
        if files is not None:
            request["files"] = []
            for number, file in enumerate(files):
                names.append(str(file) if isinstance(file, Path) else f"input {number}")
                if not isinstance(file, Path):
                    encoded, file = file, place / str(number)
                    file.write_bytes(encoded)
                request["files"].append(str(file.resolve()))
        else:
            request["inputs"] = str(place / "inputs.npz")
            np.savez(request["inputs"], **packed(kind.feeds(inputs)))
        with contextlib.suppress(BrokenPipeError):  # it died before; waiting for the answers raises the reason
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

        def answers() -> ExportAnswers:
            with stack:
                _, errors = self.process.communicate()
                if self.process.returncode or not output.exists():
                    raise JobError(f"the exported model can't be run: {(errors.strip().splitlines() or ['?'])[-1]}")
                values = unpacked(output)
            positions = values.pop("positions")
            left = sorted(set(range(len(names))) - set(positions.tolist()))
            refused = zip((names[at] for at in left), (each.decode() for each in values.pop("refused")), strict=False)
            return ExportAnswers(values, positions, tuple(refused))

        return answers


def compare(
    task: Task,
    expected: Outputs,
    answered: ExportAnswers,
    formats: Sequence[str],
    tolerance: float | None = None,
    request: Mapping[str, np.ndarray] | None = None,
) -> Parity:
    """Compare the answers of an export with the outputs of the Keras model.

    Args:
        task: of the model.
        expected: outputs of the model for `inputs`, by name.
        answered: answers of the export.
        formats: of the inputs that are files, as `Kind.formats` gives them.
        tolerance: `TOLERANCE` where None.
        request: of the same inputs, as `Kind.request` gives it; None where there is nothing in it.
    """
    tolerance = TOLERANCE if tolerance is None else tolerance
    expected, request = (
        {name: values[answered.positions] for name, values in each.items()} for each in (expected, request or {})
    )
    count = len(answered.positions)
    formats = [formats[at] for at in answered.positions] if formats else []
    if not count:
        return Parity(0, {}, float("inf"), 0, tolerance, answered.refused)
    largest, flips = compare_values(task, expected, answered.values, task.values(), tolerance, request)
    return Parity(count, dict(Counter(formats)), largest, flips, tolerance, answered.refused)


def compare_values(
    task: Task,
    expected: Outputs,
    answers: Answers,
    values: Mapping[str, Value],
    tolerance: float,
    request: Mapping[str, np.ndarray] | None = None,
) -> tuple[float, int]:
    """Compare the answers of an export, value by value, with the outputs of the Keras model.

    The comparison fails closed. The difference is infinite if there is nothing to compare, if a value is missing, has
    another shape or is not of its form, or if a number is not finite, even the model's own. A decision without a
    margin must be equal.

    Args:
        task: of the model.
        expected: outputs of the model.
        answers: of the export, by name of the value.
        values: the values to compare.
        tolerance: largest difference that is allowed, in the units of the task.
        request: of the inputs, as `Kind.request` gives it; None where there is nothing in it.

    Returns:
        the largest difference of numbers, and how many examples have a decision that differs by more than `count_flips`
        allows.
    """
    if not all(np.isfinite(each).all() for each in expected.values()):  # also of what no value says as a number
        return float("inf"), 0
    answer, units = task.answer(expected, request or {}, np), task.units(expected)
    largest, flips = 0.0 if values else float("inf"), 0
    for name, value in values.items():
        form, known, given = FORMS[value.form], answer.values[name], answers.get(name)
        if np.shape(given)[:1] != (len(known),):
            return float("inf"), flips
        step = TOGETHER if form.decision else max(1, len(known))  # masks of photos are large
        for some in (slice(start, start + step) for start in range(0, len(known), step)):
            wanted, received = form.array(task.names, known[some]), _received(form, given[some])
            if received is None or received.shape != wanted.shape:
                return float("inf"), flips
            if form.decision:
                margins = {each: margin[some] for each, margin in answer.margins.items() if each == name}
                flips += count_flips(task, name, Answer({name: known[some]}, margins), received, tolerance)
            else:
                largest = max(largest, difference(wanted, received, units.get(name), value.squared))
    return largest, flips


def count_flips(task: Task, name: str, answer: Answer, received: np.ndarray, tolerance: float) -> int:
    """Number of examples with another decision, except decisions with a margin of at most twice the tolerance.

    Args:
        task: of the model.
        name: of the decision.
        answer: of the model.
        received: of another runtime, as `zoo.tasks.forms.in_numpy` has it.
        tolerance: largest difference of outputs that is allowed, in the units of the task.
    """
    form, values = FORMS[(task.values() | task.raw_values())[name].form], answer.values[name]
    margins = answer.margins.get(name, np.full(len(values), np.inf))
    wrong = 0
    for at, wanted in enumerate(form.array(task.names, values)):
        if not np.array_equal(wanted, received[at]):
            near = np.asarray(margins[at] <= 2 * tolerance)  # not of NaN
            wrong += not form.near(task.names, values[at], received[at], near)
    return wrong


def _received(form: Form, answer: np.ndarray | None) -> np.ndarray | None:
    """An answer of an export as an array; None if it is missing or not of its form, as a damaged PNG."""
    try:
        return None if answer is None else form.said(answer)
    except (OSError, TypeError, ValueError):
        return None


def difference(expected: np.ndarray, received: np.ndarray, unit: np.ndarray | None, squared: bool = False) -> float:
    """Largest difference of numbers, in units of `unit`, or of the largest number if that is over 1.

    It is infinite if a number is not finite.

    Args:
        expected: of the model.
        received: of the same shape.
        unit: float64 () or (values,); None for that of the largest one.
        squared: compare roots.
    """
    if received.dtype.kind not in "fiub" or not (np.isfinite(received).all() and np.isfinite(expected).all()):
        return float("inf")
    if squared:
        expected, received, unit = np.sqrt(np.maximum(expected, 0)), np.sqrt(np.maximum(received, 0)), None
    gaps = np.abs(expected.astype(np.float64) - received)
    return float((gaps / (largest_of(expected) if unit is None else unit)).max(initial=0.0))


def alike(task: Task, outputs: Outputs, others: Outputs, tolerance: float) -> bool:
    """Whether outputs of two runtimes differ by rounding alone, and give the same answers."""
    units = task.units(outputs)
    if any(difference(outputs[name], others[name], units[name]) > tolerance for name in outputs):
        return False
    answers = [in_numpy(task, task.answer(each, {}, np)) for each in (outputs, others)]
    decided = [name for name, value in task.values().items() if FORMS[value.form].decision]
    pairs = (pair for name in decided for pair in zip(*(answer[name] for answer in answers), strict=True))
    return all(np.array_equal(*pair) for pair in pairs)


def gate_sample(part: Part, kind: Kind, task: Task, seed: int) -> list[int]:
    """Positions in `part` of up to 256 examples that the exported model can read, of all formats and classes.

    It is empty if the model can read none of them.
    """
    order = np.random.default_rng(seed).permutation(len(part))
    if not in_files(part.inputs):
        return sorted(order[:GATE_EXAMPLES].tolist())
    formats, refusals = kind.formats(part.inputs), kind.unreadable(part.inputs)
    strata = task.strata(part.targets)
    labels = np.zeros(len(part), np.int64) if strata is None else strata.argmax(axis=1)
    # Dealt out in turns over all pairs of format and class.
    turns: dict[tuple[str, int], int] = {}
    ranked = []
    for index in order.tolist():
        if refusals[index] is None:
            key = (formats[index], int(labels[index]))
            turns[key] = turns.get(key, -1) + 1
            ranked.append((turns[key], len(ranked), index))
    return sorted(index for _, _, index in sorted(ranked)[:GATE_EXAMPLES])


def check_readable(data: Data, seed: int) -> None:
    """Raise InputError if the exported model can read none of the held-out examples, as it could not be proven."""
    if not gate_sample(data.held_out, data.kind, data.task, seed):
        reasons = Counter(data.kind.unreadable(data.held_out.inputs))
        listed = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common(3))
        raise InputError(f"{data.source}: the exported model reads no held-out image ({listed}); make some of them PNG")
