"""The one gate: an export answers as the model does, from a clean process, or is not published."""

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
Answers = dict[str, np.ndarray]


class Parity(NamedTuple):
    """What the gate found.

    Attributes:
        files: how many inputs were compared.
        formats: of those that are files, with their counts.
        largest_difference: in any number, in the units of the task: of probabilities as they are, of values in
            deviations of the training targets.
        label_differences: labels that differ although their margin is over the tolerance.
        tolerance: what was allowed.
        refused: name and reason of each file that the export does not read, as a damaged one.
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
        """Why not, in numbers."""
        if self.refused and len(self.refused) > max(1, self.files // 10):
            name, why = self.refused[0]
            return f"it does not read {len(self.refused)} of {self.files + len(self.refused)} files, as {name}: {why}"
        return (
            f"over {self.files} inputs outputs differ by up to {self.largest_difference:.2g} (allowed "
            f"{self.tolerance:g}), {self.label_differences} labels differ"
        )


class Answered(NamedTuple):
    """What an export says.

    Attributes:
        values: name of an output -> array (inputs answered, ...), strings as an object array of bytes.
        positions: of the inputs that were answered, int64, rising.
        refused: name and reason of each of the others, which are files.
    """

    values: Answers
    positions: np.ndarray
    refused: tuple[tuple[str, str], ...]


class Gate:
    """A clean process that answers from a SavedModel alone; start it early, as it has TensorFlow to load."""

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

    def ask(
        self,
        folder: Path,
        inputs: Inputs,
        kind: Kind,
        wanted: Sequence[str],
        timed: Sequence[int] = (),
    ) -> Callable[[], Answered]:
        """Begin to answer for raw `inputs`; the function returned waits for those of the `wanted` outputs there are.

        With sizes of batches in `timed` there is ``latency_ms`` too, float64 (sizes,).

        Raises (the function):
            JobError: the process failed; with its last words.
        """
        stack = contextlib.ExitStack()
        # Copies of the user's data: in a folder that is swept where this process is killed. Files are read in place.
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
        with contextlib.suppress(BrokenPipeError):  # it died before; the answers will say of what
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

        def answers() -> Answered:
            with stack:
                _, errors = self.process.communicate()
                if self.process.returncode or not output.exists():
                    raise JobError(f"the exported model can't be run: {(errors.strip().splitlines() or ['?'])[-1]}")
                values = unpacked(output)
            positions = values.pop("positions")
            left = sorted(set(range(len(names))) - set(positions.tolist()))
            refused = zip((names[at] for at in left), (each.decode() for each in values.pop("refused")), strict=False)
            return Answered(values, positions, tuple(refused))

        return answers


def compare(
    task: Task, expected: Outputs, answered: Answered, formats: Sequence[str], tolerance: float | None = None
) -> Parity:
    """Hold what an export says to the outputs of the Keras model.

    Args:
        task: of the model.
        expected: outputs of the model for `inputs`, by name.
        answered: what the export said of them.
        formats: of the inputs that are files, as `Kind.formats` gives them.
        tolerance: `TOLERANCE` where None.
    """
    tolerance = TOLERANCE if tolerance is None else tolerance
    expected = {name: values[answered.positions] for name, values in expected.items()}
    count = len(answered.positions)
    formats = [formats[at] for at in answered.positions] if formats else []
    if not count:
        return Parity(0, {}, float("inf"), 0, tolerance, answered.refused)
    largest, flips = held(task, expected, answered.values, task.values(), tolerance)
    return Parity(count, dict(Counter(formats)), largest, flips, tolerance, answered.refused)


def held(
    task: Task, expected: Outputs, said: Answers, values: Mapping[str, Value], tolerance: float
) -> tuple[float, int]:
    """Hold what an export said, value by value, to the outputs of the Keras model.

    What is compared is what the export itself said. It fails closed: nothing to compare, a value that is not there, of
    another shape, or none of its form, and a number that is not finite, be it the model's own, are a difference without
    end; a decision that has no margin differs if it is not equal.

    Args:
        task: of the model.
        expected: outputs of the model.
        said: of the export, by name of the value.
        values: those that it has to say.
        tolerance: largest difference that is allowed, in the units of the task.

    Returns:
        the largest difference of numbers, and how many examples have a decision that differs by more than `flipped`
        allows.
    """
    answer, units = task.answer(expected, {}, np), task.units(expected)
    largest, flips = 0.0 if values else float("inf"), 0
    for name, value in values.items():
        form = FORMS[value.form]
        wanted, received = form.array(task.names, answer.values[name]), _received(form, said.get(name))
        if received is None or received.shape != wanted.shape:
            return float("inf"), flips
        if form.decision:
            flips += flipped(task, name, answer, received, tolerance)
        else:
            largest = max(largest, difference(wanted, received, units.get(name), value.squared))
    return largest, flips


def flipped(task: Task, name: str, answer: Answer, received: np.ndarray, tolerance: float) -> int:
    """How many examples have a decision that differs, not only where its margin is at most twice the tolerance.

    Args:
        task: of the model.
        name: of the decision.
        answer: of the model.
        received: of another runtime, as `zoo.tasks.forms.in_numpy` has it.
        tolerance: largest difference of outputs that is allowed, in the units of the task.
    """
    form, values = FORMS[task.values()[name].form], answer.values[name]
    differs = form.array(task.names, values) != received
    near = np.asarray(answer.margins.get(name, np.full(len(values), np.inf)) <= 2 * tolerance)  # not of NaN
    rows = np.flatnonzero(differs.reshape(len(differs), -1).any(axis=1))
    return sum(not form.near(task.names, values[at], received[at], near[at]) for at in rows)


def _received(form: Form, said: np.ndarray | None) -> np.ndarray | None:
    """What an export said as an array; None where it did not, or where it is none of that form, as a damaged PNG."""
    try:
        return None if said is None else form.said(said)
    except (OSError, TypeError, ValueError):
        return None


def difference(wanted: np.ndarray, received: np.ndarray, unit: np.ndarray | None, squared: bool = False) -> float:
    """Largest difference of numbers, in units of `unit`, or of the largest one, if that is over 1.

    It is without end where one of them is not finite.

    Args:
        wanted: of the model.
        received: of the same shape.
        unit: float64 () or (values,); None for that of the largest one.
        squared: compare roots.
    """
    if received.dtype.kind not in "fiub" or not (np.isfinite(received).all() and np.isfinite(wanted).all()):
        return float("inf")
    if squared:
        wanted, received, unit = np.sqrt(np.maximum(wanted, 0)), np.sqrt(np.maximum(received, 0)), None
    apart = np.abs(wanted.astype(np.float64) - received)
    return float((apart / (largest_of(wanted) if unit is None else unit)).max(initial=0.0))


def alike(task: Task, outputs: Outputs, others: Outputs, tolerance: float) -> bool:
    """Whether two runtimes' outputs are as near as their arithmetic explains, and answer the same."""
    units = task.units(outputs)
    if any(difference(outputs[name], others[name], units[name]) > tolerance for name in outputs):
        return False
    answers = [in_numpy(task, task.answer(each, {}, np)) for each in (outputs, others)]
    decided = [name for name, value in task.values().items() if FORMS[value.form].decision]
    return all(np.array_equal(answers[0][name], answers[1][name]) for name in decided)


def gate_sample(part: Part, kind: Kind, task: Task, seed: int) -> list[int]:
    """Positions in `part` of up to 256 examples that the exported model reads; of files some of each format and class.

    Empty where it reads none of them.
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
    """Raise an InputError where the exported model reads none of the held-out examples: it could not be proven."""
    if not gate_sample(data.held_out, data.kind, data.task, seed):
        reasons = Counter(data.kind.unreadable(data.held_out.inputs))
        listed = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common(3))
        raise InputError(f"{data.source}: the exported model reads no held-out image ({listed}); make some of them PNG")
