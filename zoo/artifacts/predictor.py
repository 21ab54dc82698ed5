"""Asking an artifact: images in, labels and scores out."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifacts import checksums, provenance
from zoo.artifacts.card import check_model, read
from zoo.builders.loading import UnknownLayersError, loaded, unknown
from zoo.data.kind import Kind
from zoo.data.notes import Note
from zoo.data.parts import Inputs, count, in_files
from zoo.errors import InputError, Notice
from zoo.evaluation.findings import Finding
from zoo.files import atomic_file
from zoo.kinds.registry import kind_of
from zoo.tasks import forms
from zoo.tasks.registry import task_of
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam, Graded, Scored

if TYPE_CHECKING:
    import keras

BATCH = 32  # images that are asked for at once


@dataclass(frozen=True)
class Prediction:
    """The answer for one input.

    Attributes:
        name: the file, or ``input 0`` and so on for images in memory.
        answer: name of a value of the task -> it, as JSON holds it; empty where `error` is set.
        error: why the input could not be read; None where it could.
    """

    name: str
    answer: dict[str, Any] = field(default_factory=dict)
    error: str | None = None

    @property
    def label(self) -> str | None:
        """The class, or labels with ``;`` between them; None where there are none, or `error` is set."""
        return self.answer.get("label")

    @property
    def probability(self) -> float | None:
        """Of the most probable class; None where there are none."""
        return self.answer.get("probability")

    @property
    def probabilities(self) -> dict[str, float] | None:
        """Class name -> probability, most probable first; None where there are none."""
        return self.answer.get("probabilities")

    @property
    def values(self) -> dict[str, float] | None:
        """Where numbers are asked for: name -> value; else None."""
        return self.answer.get("prediction")


@dataclass(frozen=True)
class EvaluationReport:
    """Scores, the examples behind them (most confidently wrong first), what was left out, and what is wrong."""

    evaluation: Scored
    rows: tuple[Graded, ...]
    intake: tuple[Note, ...]
    findings: tuple[Finding, ...] = ()

    def save(self, path: str | Path) -> None:
        """Write the examples as CSV: path, label, prediction, probability, right; or targets, values and error."""
        with (
            atomic_file(path) as partial,
            partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            writer = csv.writer(file)
            for at, row in enumerate(self.rows):
                cells = row.cells()
                if not at:
                    writer.writerow(cells)
                writer.writerow(cells.values())


class Predictor:
    """An artifact, ready to answer; `zoo.load` makes it."""

    verbs = ("predict", "evaluate")  # commands that it answers

    def __init__(self, folder: Path, card: dict[str, Any]) -> None:
        self.folder = folder
        self.card = card

    def __repr__(self) -> str:
        return f"Predictor({str(self.folder)!r}, classes={list(self.classes)})"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the output."""
        return tuple(self.card["classes"])

    @cached_property
    def task(self) -> Task:
        """What it is for."""
        return task_of(self.card)

    @cached_property
    def kind(self) -> Kind:
        """What it takes."""
        return kind_of(self.card["input"])

    @cached_property
    def model(self) -> keras.Model:
        """The Keras model: raw inputs to probabilities or values; of images, float32 pixels 0-255."""
        return opened(self.folder, self.card)

    def predict(self, source: Any) -> list[Prediction]:
        """Answer for raw inputs, of the kind that the model was trained on.

        Args:
            source: Images: a file or folder (str or Path), a PIL image, a uint8 array (height, width, 3) or (height,
                width), or a list of such; a folder stands for all files in it, hidden ones told as such. Tables: a
                CSV file, a data frame, a row as a dict, or a list of such. Text: a string, a list of such, or the
                path of a file or folder. Sequences: a file, or an array (examples, length, features).

        Returns:
            one `Prediction` an input, in order; those that can't be read have an `error`.

        Raises:
            InputError: a path does not exist, or there is nothing to answer for.
        """
        names, inputs, errors = self.kind.raw(source)
        outputs, unread = self._outputs(inputs)
        errors, answers = errors | unread, iter(forms.as_json(self.task, outputs, {}))
        found = []
        for at, name in enumerate(names):
            answer = {} if at in unread else next(answers)  # what is in the place of an error was answered too
            found.append(Prediction(name, error=errors[at]) if at in errors else Prediction(name, answer))
        return found

    def predict_files(self, paths: Sequence[str]) -> list[Prediction]:
        """`predict` for each of several files or folders."""
        return [each for source in self.kind.sources(paths) for each in self.predict(source)]

    def evaluate(self, path: str | Path) -> EvaluationReport:
        """Score on labelled examples, by scikit-learn.

        Of a path with parts the held-out one is scored (test before validation), else all. Examples that the model
        was trained on are left out, and told; so is where that is not known.

        Args:
            path: as `zoo.data.open` takes it; one class is enough.

        Raises:
            InputError: nothing to score, or a label that the model does not know.
        """
        part, notes = self.kind.labelled(path, self.task)
        trained = self.trained_on()
        if self.doubt:
            notes.insert(0, Note("training examples", "kept", f"those of {path} can't be left out: {self.doubt}"))
        fresh = np.array([digest not in trained for digest in part.digests], bool)
        if not fresh.all():
            notes.append(Note(f"{int((~fresh).sum())} examples", "left out", "the model was trained on them"))
            part = part.chosen(np.flatnonzero(fresh))
        outputs, errors = self._outputs(part.inputs)
        notes += [Note(part.names[at], "left out", reason) for at, reason in errors.items()]
        answered = np.array([at for at in range(len(part)) if at not in errors], np.int64)
        if not len(answered):
            reasons = sorted({note.reason for note in notes})
            raise InputError(f"{path}: no labelled example to score; {'; '.join(reasons[:3]) or 'it has none'}")
        part = part.chosen(answered)
        weighted = self.card.get("training", {}).get("class_weights")
        exam = Exam(str(path), part.targets, outputs, part.digests, weighted=weighted)
        scores = self.task.evaluate(exam)
        rows = self.task.graded(part.names, exam, forms.as_json(self.task, outputs, {}))
        return EvaluationReport(scores, rows, tuple(notes), self.task.findings(exam, scores))

    def trained_on(self) -> set[str]:
        """Sha256 of the examples it was trained on, those of the artifact it started from included.

        Where the files that say so are missing or damaged they are some or none of them; `doubt` then says why.
        """
        return self._training[0]

    @property
    def doubt(self) -> str | None:
        """Why `trained_on` may lack some; None where it has all."""
        return self._training[1]

    @cached_property
    def _training(self) -> tuple[set[str], str | None]:
        return provenance.trained_on(self.folder, self.card.get("start") is not None)

    @cached_property
    def _ask(self) -> Callable[[Any], dict[str, np.ndarray]]:
        """Raw inputs in memory, of images float32 pixels, to outputs by name."""
        try:
            model = self.model
        except UnknownLayersError as error:
            warnings.warn(f"{error}. Until then its SavedModel answers", Notice, stacklevel=2)
            return _served(self.folder, self.task, self.kind)
        if self.kind.encoded:  # batches of files are all of one size: one graph serves them
            return lambda pixels: self.task.named(model.predict_on_batch(pixels.astype(np.float32)))
        return lambda inputs: self.task.outputs_of(model, inputs)

    def _outputs(self, inputs: Inputs) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Outputs by name of those inputs that can be read, and why another can't, by its position."""
        found, errors = [], {}
        for some in self.kind.decoded(inputs, doing="predicting", batch=BATCH):
            errors |= some.errors
            if len(some.positions):
                found.append(self._ask(some.inputs))
        nothing = np.zeros((0, len(self.classes)), np.float32)
        names = found[0] if found else self.task.outputs
        return {n: np.concatenate([each[n] for each in found]) if found else nothing for n in names}, errors


def opened(folder: Path, card: dict[str, Any]) -> keras.Model:
    """The Keras model of a version, held to its card.

    Raises:
        InputError: it can't be opened, or does not fit the card.
    """
    try:
        model = loaded(folder / "model.keras")
    except Exception as error:  # Keras raises whatever it meets in a damaged file
        if names := unknown(folder / "model.keras"):
            raise UnknownLayersError(
                f"{folder}: its Keras model has layers that are not known here: {', '.join(names)}; name the file that "
                "registers them with --import FILE, or import it first"
            ) from error
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder}: its model.keras can't be opened: {reason}; copy the version again, or export it anew"
        ) from error
    check_model(card, model, folder)
    return model


def _served(folder: Path, task: Task, kind: Kind) -> Callable[[Any], dict[str, np.ndarray]]:
    """`Predictor._ask` of the SavedModel of a version."""
    import tensorflow as tf

    read(folder, checksums.SERVED)
    signatures = tf.saved_model.load(str(folder)).signatures

    def answers(inputs: Any) -> dict[str, np.ndarray]:
        decoded = signatures.get("serving_pixels")  # files, which are decoded here already
        tensors = kind.feeds(inputs) if decoded is None else {"pixels": inputs.astype(np.float32)}
        serve, found = decoded or signatures["serving_default"], []
        for start in range(0, count(inputs), 256):
            some = {key: tf.constant(values[start : start + 256]) for key, values in tensors.items()}
            found.append(serve(**some))
        return {name: np.concatenate([each[name].numpy() for each in found]) for name in task.outputs}

    return answers


def said_of(task: Task, model: keras.Model, inputs: Inputs, kind: Kind) -> dict[str, np.ndarray]:
    """Outputs of `model`, by name, for raw inputs as `zoo.data.Part` has them, or codes.

    Args:
        task: of the model.
        model: raw inputs to outputs.
        inputs: of images files, or pixels.
        kind: of the inputs, as `zoo.artifacts.card.requested_kind` gives it.
    """
    if in_files(inputs) and not hasattr(model, "signatures"):
        return task.named(outputs(model, inputs, kind))
    return task.outputs_of(model, kind.in_memory(inputs))


def outputs(model: keras.Model, inputs: Inputs, kind: Kind) -> np.ndarray:
    """What `model` says of raw `inputs`, as `zoo.data.Part` has them: float32 (examples, classes or values)."""
    from zoo.arrays import apply

    if not in_files(inputs):
        return apply(model, inputs, batch=256)
    decoded = (kind.in_memory(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH))
    return np.concatenate([model.predict_on_batch(some.astype(np.float32)) for some in decoded])
