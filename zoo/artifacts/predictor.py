"""Asking an artifact: images in, labels and scores out."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo import progress
from zoo.artifacts import checksums, provenance
from zoo.artifacts.card import check_model, read
from zoo.builders.loading import UnknownLayersError, loaded, unknown
from zoo.data.dataset import Inputs, Part, label_text
from zoo.data.notes import Note
from zoo.errors import InputError, Notice
from zoo.evaluation.findings import Finding, of_scores
from zoo.evaluation.scores import AnyEvaluation, RegressionEvaluation, evaluate, evaluate_values
from zoo.files import whole_file
from zoo.kinds.images import decoding
from zoo.kinds.images import sources as image_sources
from zoo.kinds.signatures import feeds

if TYPE_CHECKING:
    import keras

READERS = {
    "images": "zoo.kinds.images.sources",
    "sequence": "zoo.kinds.sequences",
    "table": "zoo.kinds.tables",
    "text": "zoo.kinds.texts",
}


@dataclass(frozen=True)
class Prediction:
    """The answer for one input.

    Attributes:
        name: the file, or ``input 0`` and so on for images in memory.
        label: the class, or labels with ``;`` between them; None where `error` is set.
        probability: of the most probable class.
        probabilities: class name -> probability, most probable first.
        values: where numbers are asked for: name -> value; the three above are None then.
        error: why the input could not be read; None where it could.
    """

    name: str
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    values: dict[str, float] | None = None
    error: str | None = None


_NOTHING = {"label": None, "probability": None, "probabilities": None, "values": None}


class Residual(NamedTuple):
    """One scored example of a model that answers with numbers: what was true, and what it said."""

    name: str
    target: list[float]
    predicted: list[float]

    @property
    def error(self) -> float:
        """The largest absolute difference."""
        return max(abs(a - b) for a, b in zip(self.target, self.predicted, strict=True))


class Row(NamedTuple):
    """One scored file; `right` where label and prediction agree."""

    name: str
    label: str
    predicted: str
    probability: float

    @property
    def right(self) -> bool:
        """Whether the prediction is the label."""
        return self.label == self.predicted


@dataclass(frozen=True)
class EvaluationReport:
    """Scores, the examples behind them (most confidently wrong first), what was left out, and what is wrong."""

    evaluation: AnyEvaluation
    rows: tuple[Row | Residual, ...]
    intake: tuple[Note, ...]
    findings: tuple[Finding, ...] = ()

    def save(self, path: str | Path) -> None:
        """Write the examples as CSV: path, label, prediction, probability, right; or targets, values and error."""
        with (
            whole_file(path) as partial,
            partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            writer = csv.writer(file)
            if isinstance(self.evaluation, RegressionEvaluation):
                names = list(self.evaluation.values)
                writer.writerow(["name", *names, *(f"predicted {name}" for name in names), "error"])
                writer.writerows([row.name, *row.target, *row.predicted, row.error] for row in self.rows)
                return
            writer.writerow(["path", "label", "prediction", "probability", "right"])
            writer.writerows([*row, int(row.right)] for row in self.rows)


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

    @property
    def task(self) -> str:
        """What is asked, as `zoo.data.Data` has it."""
        return self.card["task"]

    @property
    def deviations(self) -> list[float] | None:
        """Of the training targets, one a value; None for classes, and for artifacts that do not say them."""
        return self.card.get("deviations")

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
        if not self._images:
            names, inputs, errors = self._reader.read_raw(source, self.card["input"])
            results = self._rows(Part(inputs, np.zeros(len(names)), tuple(names), tuple(names)))
            return [replace(r, error=errors[i], **_NOTHING) if i in errors else r for i, r in enumerate(results)]
        sources = list(image_sources.expanded(source))
        if not sources:
            raise InputError(f"expected an image, a file, a folder with files or a list of such; {source!r} holds none")
        return self._answer(sources)

    def predict_files(self, paths: Sequence[str]) -> list[Prediction]:
        """`predict` for each of several files or folders."""
        return self.predict(list(paths)) if self._images else [each for path in paths for each in self.predict(path)]

    def evaluate(self, path: str | Path) -> EvaluationReport:
        """Score on labelled examples, by scikit-learn.

        Of a path with parts the held-out one is scored (test before validation), else all. Examples that the model
        was trained on are left out, and told; so is where that is not known.

        Args:
            path: as `zoo.data.open` takes it; one class is enough.

        Raises:
            InputError: nothing to score, or a label that the model does not know.
        """
        task = self.card["task"]
        part, notes = self._reader.read_labelled(path, self.card["input"], self.classes, task)
        trained = self.trained_on()
        if self.doubt:
            notes.insert(0, Note("training examples", "kept", f"those of {path} can't be left out: {self.doubt}"))
        fresh = np.array([digest not in trained for digest in part.digests], bool)
        if not fresh.all():
            notes.append(Note(f"{int((~fresh).sum())} examples", "left out", "the model was trained on them"))
            part = part.chosen(np.flatnonzero(fresh))
        results = self._answer(zip(part.names, part.inputs, strict=True)) if self._images else self._rows(part)
        notes += [Note(name, "left out", r.error) for name, r in zip(part.names, results, strict=True) if r.error]
        answered = np.flatnonzero([not result.error for result in results])
        if not len(answered):
            reasons = sorted({note.reason for note in notes})
            raise InputError(f"{path}: no labelled example to score; {'; '.join(reasons[:3]) or 'it has none'}")
        part, results = part.chosen(answered), [results[position] for position in answered]
        given = np.array([[(r.probabilities or r.values)[name] for name in self.classes] for r in results], np.float32)
        if task in ("regression", "forecasting"):
            scores = evaluate_values(part.targets, given, self.classes, str(path))
            residuals = zip(part.names, part.targets.tolist(), given.tolist(), strict=True)
            rows: list[Row | Residual] = [Residual(name, target, value) for name, target, value in residuals]
            rows = sorted(rows, key=lambda row: -row.error)
            return EvaluationReport(scores, tuple(rows), tuple(notes), of_scores(scores, part.digests))
        majority = np.array(self.card["majority"]) if task == "multi_label" else int(self.card["majority"])
        scores = evaluate(part.targets, given, self.classes, majority, str(path))
        rows = [
            Row(name, label_text(target, self.classes), r.label, r.probability)
            for name, target, r in zip(part.names, part.targets, results, strict=True)
        ]
        rows.sort(key=lambda row: (row.right, -row.probability, row.name))
        findings = of_scores(scores, part.digests, weighted=self.card.get("training", {}).get("class_weights"))
        return EvaluationReport(scores, tuple(rows), tuple(notes), findings)

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

    @property
    def _images(self) -> bool:
        return self.card["input"].get("kind", "images") == "images"

    @property
    def _reader(self) -> Any:
        return import_module(READERS[self.card["input"].get("kind", "images")])

    @cached_property
    def _ask(self) -> Callable[[Any], np.ndarray]:
        """Raw inputs as `zoo.data.Part` has them, of images float32 pixels, to probabilities or values."""
        try:
            model = self.model
        except UnknownLayersError as error:
            warnings.warn(f"{error}. Until then its SavedModel answers", Notice, stacklevel=2)
            return _served(self.folder, self.card)
        if self._images:
            return model.predict_on_batch
        return lambda inputs: outputs(model, inputs, self.card["input"])

    def _rows(self, part: Part) -> list[Prediction]:
        answers = self._ask(part.inputs)
        return [self._prediction(name, row) for name, row in zip(part.names, answers, strict=True)]

    def _answer(self, sources: Iterable[tuple[str, Any]]) -> list[Prediction]:
        """For images: pairs of name and what to decode, a string in second place being why it can't be."""
        sources, results = list(sources), []
        with progress.bar("predicting", len(sources)) as advance:
            for start in range(0, len(sources), 32):
                results += self._batch(sources[start : start + 32])
                advance(len(sources[start : start + 32]))
        return results

    def _batch(self, sources: Sequence[tuple[str, Any]]) -> list[Prediction]:
        pixels, errors = decoded([source for _, source in sources], self.card["input"])
        rows = iter(self._ask(np.stack(pixels).astype(np.float32)) if pixels else ())
        return [
            Prediction(name, error=errors[at]) if at in errors else self._prediction(name, next(rows))
            for at, (name, _) in enumerate(sources)
        ]

    def _prediction(self, name: str, row: np.ndarray) -> Prediction:
        if self.card["task"] in ("regression", "forecasting"):
            return Prediction(name, values=dict(zip(self.classes, row.tolist(), strict=True)))
        ranked = {self.classes[index]: float(row[index]) for index in np.argsort(-row, kind="stable")}
        label = next(iter(ranked))
        if self.card["task"] == "multi_label":
            label = ";".join(each for each in self.classes if ranked[each] >= 0.5)
        return Prediction(name, label, max(ranked.values()), ranked)


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


def _served(folder: Path, card: dict[str, Any]) -> Callable[[Any], np.ndarray]:
    """`Predictor._ask` of the SavedModel of a version."""
    import tensorflow as tf

    description = read(folder, checksums.SERVED)["input"]
    graph = tf.saved_model.load(str(folder))
    name = "prediction" if card["task"] in ("regression", "forecasting") else "probabilities"
    images = description.get("kind", "images") == "images"

    def answers(inputs: Any) -> np.ndarray:
        tensors = {"pixels": inputs} if images else feeds(inputs, description)
        serve, found = graph.signatures["serving_pixels" if images else "serving_default"], []
        for start in range(0, len(next(iter(tensors.values()))), 256):
            some = {key: tf.constant(values[start : start + 256]) for key, values in tensors.items()}
            found.append(serve(**some)[name].numpy())
        return np.concatenate(found)

    return answers


def raw(inputs: Inputs, description: dict[str, Any]) -> np.ndarray | dict[str, np.ndarray]:
    """Raw `inputs` in memory: of image files the pixels, uint8 (examples, height, width, channels)."""
    return np.stack([_pixels(file, description) for file in inputs]) if isinstance(inputs, tuple) else inputs


def outputs(model: keras.Model, inputs: Inputs, description: dict[str, Any]) -> np.ndarray:
    """What `model` says of raw `inputs`, as `zoo.data.Part` has them: float32 (examples, classes or values)."""
    if isinstance(inputs, tuple):
        from zoo.artifacts.runtimes import keras_runtime

        return np.stack(list(keras_runtime(model)(_pixels(file, description) for file in inputs)))
    from zoo.arrays import apply

    return apply(model, inputs, batch=256)


def decoded(sources: Iterable[Any], description: dict[str, Any]) -> tuple[list[np.ndarray], dict[int, str]]:
    """Decode images as a model takes them.

    Args:
        sources: as the second of the pairs of `zoo.kinds.images.sources.expanded`.
        description: `zoo.data.Data.input` of the model.

    Returns:
        uint8 (height, width, channels) of each that can be read; and why another can't, by its position.
    """
    pixels, errors = [], {}
    for at, source in enumerate(sources):
        try:
            if isinstance(source, str):
                raise decoding.DecodeError(source)
            pixels.append(_pixels(source, description))
        except (decoding.DecodeError, OSError) as error:
            errors[at] = str(error)
    return pixels, errors


def _pixels(source: Any, description: dict[str, Any]) -> np.ndarray:
    pixels = decoding.decode(source, tuple(description["size"]), description["crop"])
    return decoding.grey(pixels) if description.get("channels", 3) == 1 else pixels
