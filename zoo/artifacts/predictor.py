"""Prediction and evaluation with an artifact."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import freezing
from zoo.artifacts import checksums, inference_graph, provenance
from zoo.artifacts.card import check_model, read
from zoo.artifacts.layers import layers_of
from zoo.artifacts.nearest import Neighbour, nearest
from zoo.builders.loading import UnknownLayersError, loaded, unknown
from zoo.data.kind import Kind
from zoo.data.notes import Note
from zoo.data.parts import Inputs, chosen_inputs, count
from zoo.data.unseen import TrainingValues, Unseen, counted, unseen_of
from zoo.errors import InputError, Notice
from zoo.evaluation.findings import Finding
from zoo.evaluation.strangers import StrangersEvaluation
from zoo.files import atomic_file
from zoo.kinds.registry import kind_of
from zoo.tasks import forms
from zoo.tasks.registry import task_of
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam, Graded, Scored

if TYPE_CHECKING:
    import keras

BATCH = 32  # images of a forward pass


@dataclass(frozen=True)
class Prediction:
    """The answer for one input.

    Attributes:
        name: the file, or ``input 0`` and so on for images in memory.
        answer: values of the task by name, as JSON holds them; empty if `error` is set.
        error: why the input could not be read; None if it could.
        unseen: its values that training never had.
    """

    name: str
    answer: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    unseen: tuple[Unseen, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What should be known about the answer: values that training never had, in words."""
        return [str(each) for each in self.unseen]

    @property
    def label(self) -> str | None:
        """The class, or labels with ``;`` between them; None without classes, or if `error` is set."""
        return self.answer.get("label")

    @property
    def probability(self) -> float | None:
        """Probability of the most probable class; None without classes."""
        return self.answer.get("probability")

    @property
    def probabilities(self) -> dict[str, float] | None:
        """Class name -> probability, most probable first; None without classes."""
        return self.answer.get("probabilities")

    @property
    def values(self) -> dict[str, float] | None:
        """Name -> value for a model that predicts numbers; else None."""
        return self.answer.get("prediction")

    @property
    def is_known(self) -> bool | None:
        """Whether the input resembles training examples; None for a model that does not say."""
        return self.answer.get("is_known")

    @property
    def mask(self) -> np.ndarray | None:
        """The class of each pixel, as training masks have it: uint8, of the size of the photo; None without a mask."""
        encoded = self.answer.get("mask_bytes")
        return None if encoded is None else forms.pixels_of(encoded)[..., 0]


@dataclass(frozen=True)
class EvaluationReport:
    """Scores, the examples behind them (most confidently wrong first), notes on left-out examples, and findings.

    Attributes:
        pictures: of the examples that are most wrong: what each row shows -> images, as `zoo.pictures.sheets.rows`
            takes them; empty where there is nothing to see.
        strangers: how well examples of none of the classes are told from these, if there were some.
    """

    evaluation: Scored
    rows: tuple[Graded, ...]
    intake: tuple[Note, ...]
    findings: tuple[Finding, ...] = ()
    pictures: Mapping[str, np.ndarray] = field(default_factory=dict)
    strangers: StrangersEvaluation | None = None

    def draw(self, path: str | Path) -> None:
        """Write a picture of the examples that are most wrong.

        Raises:
            InputError: there is nothing to see, or the picture can't be written.
        """
        from zoo.pictures.sheets import rows

        if not self.pictures:
            raise InputError(f"{path}: nothing can be seen of these examples; leave out the picture")
        rows(*self.pictures.values(), path=path, labels=tuple(self.pictures))

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
    """An artifact that predicts; `zoo.load` returns it."""

    verbs = ("predict", "evaluate")  # commands for it

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
        """The task of the model."""
        return task_of(self.card)

    @cached_property
    def kind(self) -> Kind:
        """The kind of input."""
        return kind_of(self.card["input"])

    @cached_property
    def model(self) -> keras.Model:
        """The Keras model: raw inputs to probabilities or values; of images, float32 pixels 0-255."""
        return load_model(self.folder, self.card)

    def predict(self, source: Any) -> list[Prediction]:
        """Predict for raw inputs of the kind that the model was trained on.

        Args:
            source: Images: a file or folder (str or Path), a PIL image, a uint8 array (height, width, 3) or (height,
                width), or a list of such; a folder stands for all files in it, and hidden files get an error. Tables: a
                CSV file, a data frame, a row as a dict, or a list of such. Text: a string, a list of such, or the
                path of a file or folder. Sequences: a file, or an array (examples, length, features).

        Returns:
            one `Prediction` an input, in order; inputs that can't be read have an `error`.

        Raises:
            InputError: a path does not exist, or there are no inputs.
        """
        names, inputs, errors = self.kind.raw(source)
        answers: dict[int, dict[str, Any]] = {}
        for positions, outputs, unread in self._output_batches(inputs):
            errors |= unread
            request = self.kind.request(chosen_inputs(inputs, positions), self.task.asks) if len(positions) else {}
            rows = forms.as_json(self.task, outputs, request) if len(positions) else ()
            answers |= dict(zip(positions.tolist(), rows, strict=True))
        unseen = self._unseen(inputs)
        return [
            Prediction(name, error=errors[at])
            if at in errors
            else Prediction(name, answers[at], unseen=unseen.get(at, ()))
            for at, name in enumerate(names)
        ]

    def nearest(self, source: Any, count: int = 5) -> list[tuple[Neighbour, ...] | None]:
        """The training examples that are nearest to inputs, of those that the model holds to tell what it knows.

        Args:
            source: as `predict` takes it.
            count: number of examples for each input.

        Returns:
            name and similarity of examples for each input, the nearest first; None for what can't be read.

        Raises:
            InputError: the model holds no examples.
        """
        return nearest(self, source, count)

    def predict_files(self, paths: Sequence[str]) -> list[Prediction]:
        """`predict` for each of several files or folders."""
        return [each for source in self.kind.sources(paths) for each in self.predict(source)]

    def evaluate(self, path: str | Path, *, strangers: Any = None, **naming: Any) -> EvaluationReport:
        """Score the model on labelled examples, by the definitions of scikit-learn.

        Of a path with parts, the held-out part is scored (test before validation), else all examples. Examples that
        the model was trained on are left out, with a note; a note also says if they are not known, and of each column
        how many examples have a value that training never had.

        Args:
            path: as `zoo.data.open` takes it; one class is enough.
            strangers: examples of none of the classes, as `predict` takes them, to see how many of them the model calls
                unknown; None for none.
            naming: of a manifest of images path_column, label_column, images and suffix, as `zoo.data.images` has them.

        Raises:
            InputError: there is nothing to score, a label is unknown to the model, or there are strangers for a model
                that does not say what it knows.
        """
        if strangers is not None and getattr(self.task, "known_from", None) is None:
            raise InputError(
                f"{self.folder}: expected a model that says whether it knows an input, as zoo finetune makes it; leave "
                "out the strangers"
            )
        part, notes = (self.kind.named(**naming) if naming else self.kind).labelled(path, self.task)
        trained = self.trained_on()
        if self.doubt:
            notes.insert(0, Note("training examples", "kept", f"those of {path} can't be left out: {self.doubt}"))
        unseen = np.array([digest not in trained for digest in part.digests], bool)
        if not unseen.all():
            notes.append(Note(f"{int((~unseen).sum())} examples", "left out", "the model was trained on them"))
            part = part.chosen(np.flatnonzero(unseen))
        outputs, errors = self._outputs(part.inputs)
        notes += [Note(part.names[at], "left out", reason) for at, reason in errors.items()]
        answered = np.array([at for at in range(len(part)) if at not in errors], np.int64)
        if not len(answered):
            reasons = sorted({note.reason for note in notes})
            raise InputError(f"{path}: no labelled example to score; {'; '.join(reasons[:3]) or 'it has none'}")
        part = part.chosen(answered)
        notes += counted(self._unseen(part.inputs).values(), len(part), self.kind.plural)
        weighted = self.card.get("training", {}).get("class_weights")
        exam = Exam(str(path), part.targets, outputs, part.digests, weighted=weighted, series=part.series)
        scores = self.task.evaluate(exam)
        rows = self.task.graded(part.names, exam, forms.as_json(self.task, outputs, {}))
        pictures = self.task.pictures(part, exam, self.kind)
        scores_of_strangers = None
        if strangers is not None:
            others, unread = self._strangers(strangers)
            notes += unread
            scores_of_strangers = self.task.strangers(outputs, others)
        return EvaluationReport(
            scores, rows, tuple(notes), self.task.findings(exam, scores), pictures, scores_of_strangers
        )

    def _strangers(self, source: Any) -> tuple[dict[str, np.ndarray], list[Note]]:
        """Outputs for what is of none of the classes, and notes on what can't be read."""
        names, inputs, errors = self.kind.raw(source)
        outputs, unread = self._outputs(inputs)
        notes = [Note(names[at], "left out", reason) for at, reason in sorted((errors | unread).items())]
        if len(notes) == len(names):
            raise InputError(f"{source}: no stranger can be read: {notes[0].reason}")
        return outputs, notes

    def trained_on(self) -> set[str]:
        """Sha256 of the examples that the model was trained on, also of those of the artifact that it started from.

        The set is incomplete if its files are missing or damaged; `doubt` then says why.
        """
        return self._training[0]

    @property
    def doubt(self) -> str | None:
        """Why `trained_on` may be incomplete; None if it is complete."""
        return self._training[1]

    @cached_property
    def _training(self) -> tuple[set[str], str | None]:
        return provenance.trained_on(self.folder, self.card.get("start") is not None, self.card.get("trained_on"))

    @cached_property
    def _training_values(self) -> list[TrainingValues]:
        return self.kind.training_values(layers_of(self.folder))

    def _unseen(self, inputs: Inputs) -> dict[int, tuple[Unseen, ...]]:
        """Position of an input -> its values that training never had."""
        known = self._training_values
        return unseen_of(known, self.kind.feeds(inputs)) if known else {}

    @cached_property
    def _ask(self) -> Callable[[Any], dict[str, np.ndarray]]:
        """A function from raw inputs in memory, of images float32 pixels, to outputs by name."""
        if self.kind.encoded and (answers := inference_graph.kept(self.folder, self.task, self.kind)):
            return answers
        try:
            model = self.model
        except UnknownLayersError as error:
            warnings.warn(f"{error}. Until then its SavedModel answers", Notice, stacklevel=2)
            return _served(self.folder, self.task, self.kind)
        if self.kind.encoded:  # batches of files have one size, so one graph serves them
            return lambda pixels: self.task.named(model.predict_on_batch(pixels.astype(np.float32)))
        return lambda inputs: self.task.outputs_of(model, inputs)

    def _output_batches(self, inputs: Inputs) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], dict[int, str]]]:
        """Some inputs at a time: positions of those that can be read, outputs by name, and why others can't."""
        for some in self.kind.decoded(inputs, doing="predicting", batch=BATCH):
            yield some.positions, self._ask(some.inputs) if len(some.positions) else {}, some.errors

    def _outputs(self, inputs: Inputs) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Outputs by name for the inputs that can be read; position of another one -> why it can't."""
        batches, errors = [], {}
        for positions, outputs, unread in self._output_batches(inputs):
            errors |= unread
            if len(positions):
                batches.append(outputs)
        nothing = np.zeros((0, len(self.classes)), np.float32)
        names = batches[0] if batches else self.task.output_names
        return {n: np.concatenate([each[n] for each in batches]) if batches else nothing for n in names}, errors


def load_model(folder: Path, card: dict[str, Any]) -> keras.Model:
    """The Keras model of a version, after a check that it fits the card.

    Raises:
        InputError: the model can't be loaded, or does not fit the card.
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
        decoded = signatures.get("serving_pixels")  # for files, which are decoded before
        tensors = kind.feeds(inputs) if decoded is None else {"pixels": inputs.astype(np.float32)}
        serve, batches = decoded or signatures["serving_default"], []
        for start in range(0, count(inputs), 256):
            batch = {key: tf.constant(values[start : start + 256]) for key, values in tensors.items()}
            batches.append(serve(**batch))
        return {name: np.concatenate([each[name].numpy() for each in batches]) for name in task.output_names}

    return answers


def model_outputs(task: Task, model: keras.Model, inputs: Inputs, kind: Kind) -> dict[str, np.ndarray]:
    """Outputs of `model`, by name, for raw inputs as `zoo.data.Part` has them, or codes.

    Args:
        task: of the model.
        model: raw inputs to outputs; of images also as `zoo.freezing.traced` gives it.
        inputs: of images files, or pixels.
        kind: of the inputs, as `zoo.artifacts.card.requested_kind` gives it.
    """
    if kind.encoded and not hasattr(model, "signatures"):
        return task.named(outputs(model, inputs, kind))
    return task.outputs_of(model, kind.in_memory(inputs))


def outputs(model: keras.Model | Callable[[Any], Any], inputs: Inputs, kind: Kind) -> Any:
    """Outputs of `model` for raw `inputs`, as in `zoo.data.Part`: float32 (examples, classes or values), or several.

    Args:
        model: raw inputs to outputs; of images also as `zoo.freezing.traced` gives it.
        inputs: of images files, or pixels.
        kind: of the inputs.
    """
    import keras
    import tensorflow as tf

    from zoo.arrays import apply

    if not kind.encoded:
        return apply(model, inputs, batch=256)
    batches, run = [], model
    for start in range(0, count(inputs), BATCH):
        pixels = kind.in_memory(inputs[start : start + BATCH])
        if isinstance(run, keras.Model):
            run = freezing.traced(run, pixels.shape)
        batches.append(tf.nest.map_structure(lambda each: each.numpy(), run(tf.constant(pixels, tf.float32))))
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)
