"""Asking an artifact: images in, labels and scores out."""

from __future__ import annotations

import csv
import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import numpy as np

from zoo import progress
from zoo.data import decoding
from zoo.data.dataset import Note, label_text
from zoo.data.images import labelled, walk
from zoo.errors import InputError
from zoo.evaluation import Evaluation, evaluate
from zoo.files import whole_file

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Prediction:
    """The answer for one input.

    Attributes:
        name: the file, or ``input 0`` and so on for images in memory.
        label: the class, or labels with ``;`` between them; None where `error` is set.
        probability: of the most probable class.
        probabilities: class name -> probability, most probable first.
        error: why the input could not be read; None where it could.
    """

    name: str
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    error: str | None = None


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
    """Scores, the files behind them (most confidently wrong first), and what was left out."""

    evaluation: Evaluation
    rows: tuple[Row, ...]
    intake: tuple[Note, ...]

    def save(self, path: str | Path) -> None:
        """Write the files as CSV: path, label, prediction, probability, right."""
        with (
            whole_file(path) as partial,
            partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["path", "label", "prediction", "probability", "right"])
            writer.writerows([*row, int(row.right)] for row in self.rows)


class Predictor:
    """An artifact, ready to answer; `zoo.load` makes it."""

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
    def model(self) -> keras.Model:
        """The Keras model: float32 pixels 0-255 (batch, height, width, 3) to probabilities (batch, classes)."""
        import keras

        return keras.models.load_model(self.folder / "model.keras", safe_mode=True)

    def predict(self, source: Any) -> list[Prediction]:
        """Answer for images.

        Args:
            source: a file or folder (str or Path), a PIL image, a uint8 array (height, width, 3) or (height, width),
                or a list of such. A folder stands for all files in it, hidden ones told as such.

        Returns:
            one `Prediction` an image, in order; those that can't be read have an `error`.

        Raises:
            InputError: a path does not exist, or there is nothing to answer for.
        """
        sources = list(_expanded(source))
        if not sources:
            raise InputError(f"expected an image, a file, a folder with files or a list of such; {source!r} holds none")
        results: list[Prediction] = []
        with progress.bar("predicting", len(sources)) as advance:
            for start in range(0, len(sources), 32):
                results += self._batch(sources[start : start + 32])
                advance(len(sources[start : start + 32]))
        return results

    def evaluate(self, path: str | Path) -> EvaluationReport:
        """Score on labelled images, by scikit-learn.

        Of a folder or manifest with parts the held-out one is scored (test before validation), else all. Images
        that the model was trained on are left out, and told.

        Args:
            path: as `zoo.data.images` takes it; one class is enough.

        Raises:
            InputError: nothing to score, or a label that the model does not know.
        """
        several = self.card["task"] == "multi_label"
        examples, notes = labelled(path, multi_label=several)
        splits = {example.split for example in examples}
        part = next((split for split in ("test", "validation") if split in splits), None)
        examples = [example for example in examples if part is None or example.split == part]
        trained = self.trained_on()
        seen = [example for example in examples if example.digest in trained]
        if seen:
            notes.append(Note(f"{len(seen)} images", "left out", "the model was trained on them"))
        examples = [example for example in examples if example.digest not in trained]
        unknown = sorted({label for example in examples for label in example.labels} - set(self.classes))
        if unknown:
            known = ", ".join(self.classes)
            raise InputError(f"{path}: the model does not know the label {unknown[0]!r}; expected one of {known}")
        results = self.predict([example.path for example in examples]) if examples else []
        notes += [Note(e.name, "left out", r.error) for e, r in zip(examples, results, strict=True) if r.error]
        answered = [pair for pair in zip(examples, results, strict=True) if not pair[1].error]
        if not answered:
            reasons = sorted({note.reason for note in notes})
            raise InputError(f"{path}: no labelled image to score; {'; '.join(reasons[:3]) or 'it has none'}")
        probabilities = np.array([[r.probabilities[name] for name in self.classes] for _, r in answered], np.float32)
        hot = np.array([[name in e.labels for name in self.classes] for e, _ in answered], np.int64)
        targets, majority = hot, np.array(self.card["majority"])
        if not several:
            if (hot.sum(axis=1) != 1).any():
                raise InputError(f"{path}: the model gives one label an image; expected one in every row")
            targets, majority = hot.argmax(axis=1), int(majority)
        rows = [
            Row(e.name, label_text(target, self.classes), r.label, r.probability)
            for (e, r), target in zip(answered, targets, strict=True)
        ]
        scores = evaluate(targets, probabilities, self.classes, majority, part or str(path))
        rows.sort(key=lambda row: (row.right, -row.probability, row.name))
        return EvaluationReport(scores, tuple(rows), tuple(notes))

    def trained_on(self) -> set[str]:
        """Sha256 of the images it was trained on, those of the artifact it started from included."""
        splits, before = self.folder / "run" / "splits.csv", self.folder / "run" / "trained_before.txt"
        inherited = set(before.read_text().split()) if before.is_file() else set()
        if not splits.is_file():
            return inherited
        with splits.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return inherited | {row["sha256"] for row in csv.DictReader(file) if row["split"] == "train"}

    def _batch(self, sources: Sequence[tuple[str, Any]]) -> list[Prediction]:
        size, crop = tuple(self.card["input"]["size"]), self.card["input"]["crop"]
        results: list[Prediction | None] = []
        pixels = []
        for name, source in sources:
            try:
                if isinstance(source, str):
                    raise decoding.DecodeError(source)
                pixels.append(decoding.decode(source, size, crop))
                results.append(None)
            except (decoding.DecodeError, OSError) as error:
                results.append(Prediction(name, error=str(error)))
        if pixels:
            rows = iter(self.model.predict_on_batch(np.stack(pixels).astype(np.float32)))
        return [
            result or self._prediction(name, next(rows)) for (name, _), result in zip(sources, results, strict=True)
        ]

    def _prediction(self, name: str, row: np.ndarray) -> Prediction:
        ranked = {self.classes[index]: float(row[index]) for index in np.argsort(-row, kind="stable")}
        label = next(iter(ranked))
        if self.card["task"] == "multi_label":
            label = ";".join(each for each in self.classes if ranked[each] >= 0.5)
        return Prediction(name, label, max(ranked.values()), ranked)


def probabilities(model: keras.Model, files: Iterable[Path], size: tuple[int, int], crop: float) -> np.ndarray:
    """What `model` says of each image file: float32 (files, classes)."""
    from zoo.runtimes import keras_runtime

    return np.stack(list(keras_runtime(model)(decoding.decode(file, size, crop) for file in files)))


def named(paths: Iterable[str], stdin: TextIO) -> Iterator[str]:
    """Paths as typed to paths that are: patterns that no shell expanded, and ``-`` for a list on `stdin`.

    Raises:
        InputError: a pattern fits nothing.
    """
    for path in paths:
        if path == "-":
            yield from (line for line in map(str.strip, stdin) if line)
        elif Path(path).exists() or not glob.has_magic(path):
            yield path
        elif found := sorted(glob.glob(path, recursive=True)):
            yield from found
        else:
            raise InputError(f"{path}: no file fits this pattern")


def _expanded(source: Any) -> Iterator[tuple[str, Any]]:
    """Pairs of name and what to decode; a string in second place is the reason why it can't be."""
    if isinstance(source, list | tuple):
        for number, each in enumerate(source):
            if isinstance(each, str | Path) and not Path(each).exists():
                yield str(each), "does not exist"
                continue
            for name, item in _expanded(each):
                yield (f"input {number}" if name == "input 0" else name), item
    elif isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            notes: list[Note] = []
            for file in walk(path, notes):
                hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
                yield str(file), ("hidden" if hidden else file)
            yield from ((str(path / note.name), note.reason) for note in notes)
        elif path.exists():
            yield str(path), path
        else:
            raise InputError(f"{path} does not exist; expected an image file or a folder of images")
    else:
        yield "input 0", source
