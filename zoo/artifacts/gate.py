"""The one gate: an export answers as the model does, from a clean process, or is not published."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from zoo.artifacts.parity_process import packed, unpacked
from zoo.data.dataset import Data, Inputs, Part, chosen_inputs, label_text
from zoo.errors import InputError, JobError
from zoo.files import cache_folder, whole_folder
from zoo.kinds.images import decoding, exportable
from zoo.kinds.signatures import feeds

TOLERANCE = 1e-5  # largest difference in a probability
ROUNDED = 0.05  # of a value; times the tolerance eight times what float32 rounds it by at most
GATE_EXAMPLES = 256
Answers = dict[str, np.ndarray]
WANTED = ("label", "probabilities", "prediction")


class Parity(NamedTuple):
    """What the gate found.

    Attributes:
        files: how many inputs were compared.
        formats: of those that are files, with their counts.
        largest_difference: in any probability; of values, in deviations of the training targets.
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
        values: name of an output -> array (inputs answered, ...), strings as object.
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
        description: dict[str, Any],
        wanted: Sequence[str] = WANTED,
        timed: Sequence[int] = (),
    ) -> Callable[[], Answered]:
        """Begin to answer for raw `inputs`; the function returned waits for those of the `wanted` outputs there are.

        With sizes of batches in `timed` there is ``latency_ms`` too, float64 (sizes,).

        Raises (the function):
            JobError: the process failed; with its last words.
        """
        stack = contextlib.ExitStack()
        # Copies of the user's data: in a folder that is swept where this process is killed. Files are read in place.
        place = stack.enter_context(whole_folder(cache_folder("gate")))
        output = place / "answers.npz"
        request = {"saved_model": str(folder.resolve()), "batch": 32, "wanted": list(wanted), "output": str(output)}
        request["timed"] = list(timed)
        names: list[str] = []
        if description["kind"] == "images":
            request["files"] = []
            for number, image in enumerate(inputs):
                names.append(str(image) if isinstance(image, Path) else f"input {number}")
                if not isinstance(image, Path):
                    (encoded,) = feeds((image,), description)["image_bytes"]
                    image = place / str(number)
                    image.write_bytes(encoded)
                request["files"].append(str(image.resolve()))
        else:
            request["inputs"] = str(place / "inputs.npz")
            np.savez(request["inputs"], **packed(feeds(inputs, description)))
        with contextlib.suppress(BrokenPipeError):  # it died before; the answers will say of what
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

        def answers() -> Answered:
            with stack:
                _, errors = self.process.communicate()
                if self.process.returncode or not output.exists():
                    raise JobError(f"the exported model can't be run: {(errors.strip().splitlines() or ['?'])[-1]}")
                values = {
                    name: np.array([text.decode() for text in value], object) if value.dtype == object else value
                    for name, value in unpacked(output).items()
                }
            positions = values.pop("positions")
            left = sorted(set(range(len(names))) - set(positions.tolist()))
            refused = zip((names[at] for at in left), values.pop("refused"), strict=False)
            return Answered(values, positions, tuple(refused))

        return answers


class Asked(Protocol):
    """What knows the names of its outputs: `zoo.data.Data`, `zoo.artifacts.predictor.Predictor`."""

    task: str
    classes: tuple[str, ...]

    @property
    def deviations(self) -> list[float] | None:
        """Of the training targets, one a value; None for classes, and where that is not known."""


def compare(expected: np.ndarray, answered: Answered, data: Asked, inputs: Inputs) -> Parity:
    """Hold the answers of an export to those of the Keras model (`expected`) for `inputs`."""
    expected, inputs = expected[answered.positions], chosen_inputs(inputs, answered.positions)
    if not len(expected):
        return Parity(0, {}, float("inf"), 0, TOLERANCE, answered.refused)
    answers = answered.values
    received = answers["prediction"] if "prediction" in answers else answers["probabilities"]
    labels = answers["label"].tolist() if "label" in answers else [""] * len(received)
    sure, wanted = np.zeros(len(expected), bool), [""] * len(expected)
    if data.task == "multi_label":
        sure = np.abs(expected - 0.5).min(axis=1) > TOLERANCE
        wanted = [label_text(row, data.classes) for row in expected >= 0.5]
    elif data.task == "classification":
        top = np.sort(expected, axis=1)
        sure = top[:, -1] - top[:, -2] > TOLERANCE
        wanted = [data.classes[index] for index in expected.argmax(axis=1)]
    wrong = sum(known and label != want for known, label, want in zip(sure, labels, wanted, strict=True))
    same = received.shape == expected.shape and np.isfinite(received).all()
    difference = float((np.abs(expected - received) / units(expected, data.deviations)).max()) if same else float("inf")
    return Parity(len(expected), formats_of(inputs), difference, int(wrong), TOLERANCE, answered.refused)


def units(values: np.ndarray, deviations: Sequence[float] | None) -> np.ndarray:
    """What differences of `values`, float32 (examples, values), are measured in: float64 (values,) or ().

    Deviations of the targets, and at least so much that float32's rounding of a value is nothing; where they are not
    known the largest value, or 1.

    Args:
        values: of the model that another one is held to.
        deviations: of the training targets; None where they are not known, and for probabilities.
    """
    if deviations is None:
        return np.float64(max(1.0, float(np.abs(values).max())))
    return np.maximum(deviations, ROUNDED * np.abs(values).max(axis=0)).astype(np.float64)


def formats_of(inputs: Inputs) -> dict[str, int]:
    """Of inputs that are image files, their formats with counts."""
    return dict(Counter(decoding.probe(file).format for file in inputs)) if isinstance(inputs, tuple) else {}


def gate_sample(part: Part, seed: int) -> list[int]:
    """Positions in `part` of up to 256 examples; of images such as the graph reads, of every format and class some.

    Empty where the graph reads none of them.
    """
    order = np.random.default_rng(seed).permutation(len(part))
    if not isinstance(part.inputs, tuple):
        return sorted(order[:GATE_EXAMPLES].tolist())
    formats = [decoding.probe(path).format for path in part.inputs]
    labels = part.targets if part.targets.ndim == 1 else part.targets.argmax(axis=1)
    # Dealt out in turns over all pairs of format and class.
    turns: dict[tuple[str, int], int] = {}
    ranked = []
    for index in order.tolist():
        if exportable.refusal(part.inputs[index].read_bytes()) is None:
            key = (formats[index], int(labels[index]))
            turns[key] = turns.get(key, -1) + 1
            ranked.append((turns[key], len(ranked), index))
    return sorted(index for _, _, index in sorted(ranked)[:GATE_EXAMPLES])


def check_readable(data: Data, seed: int) -> None:
    """Raise an InputError where the exported model reads none of the held-out images: it could not be proven."""
    if not gate_sample(data.held_out, seed):
        kinds = Counter(exportable.refusal(file.read_bytes()) for file in data.held_out.inputs)
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3))
        raise InputError(f"{data.source}: the exported model reads no held-out image ({told}); make some of them PNG")
