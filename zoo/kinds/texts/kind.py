"""Texts as inputs of a model: strings, and the positions of their words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.data import assembling, frames, targets
from zoo.data.card_checks import is_count, is_flag, is_name_or_names, is_text
from zoo.data.csv_files import SUFFIXES, Head
from zoo.data.file_tree import walk
from zoo.data.kind import Kind, Raw
from zoo.data.look import Look
from zoo.data.notes import Note
from zoo.data.parts import Inputs, Part
from zoo.data.unseen import KnownWords, TrainingValues
from zoo.errors import InputError
from zoo.kinds.texts.contents import (
    Names,
    columns_of,
    content_of,
    digests_of,
    empty,
    from_folder,
    joined,
    names_of,
    text_columns,
)
from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

WORDS = 4  # a string of so many words, on average, is text
_FILE = re.compile(r"\S+\.(txt|csv|tsv|tab|gz)", re.I)


@dataclass(frozen=True)
class Texts(Kind):
    """Texts.

    Attributes:
        column: of the texts in a table, or several that are joined; None of a folder.
        target: the column that is predicted, or several; None of a folder.
        separator: of the file, where it is a table.
        header: whether that names its columns.
        length: positions of words that a text has; longer ones are cut.
        vocabulary: the words; a word's number is its position. It is not in the card.
    """

    column: Names | None = None
    target: Names | None = None
    separator: str | None = None
    header: bool | None = None
    length: int = 1
    vocabulary: tuple[str, ...] = field(default=(), repr=False, compare=False)  # type: ignore[assignment]

    name: ClassVar[str] = "text"
    plural: ClassVar[str] = "texts"
    title: ClassVar[str] = "texts"
    takes: ClassVar[str] = "tokens int32 (batch, length), with vocabulary.txt"
    placeholder: ClassVar[str] = "FILE.txt"
    default_builder: ClassVar[str] = "gru"
    words: ClassVar[bool] = True
    fits_int8: ClassVar[bool] = False
    required: ClassVar[tuple[str, ...]] = ("vocabulary_size",)

    # ---- reading ----

    @classmethod
    def recognises(cls, look: Look) -> str | None:
        """Folders of .txt files, and tables with one column of text."""
        if look.is_folder:
            return cls.name if look.mostly(".txt") else None
        if look.head is None:
            return None
        has_options = look.asks("column", "length", "vocabulary_size")
        return cls.name if has_options or _is_text(look.head, look.options.get("target")) else None

    def raw(self, source: Any, *, every: bool = False) -> Raw:
        """Read texts to predict.

        Args:
            source: a str is the path of a .txt file, a folder of such or a CSV file where there is one, and else a
                text; or a list of texts and `Path` objects, or a data frame.
            every: makes no difference.

        Raises:
            InputError: a path does not exist, or the file lacks the column.
        """
        texts_by_name: list[tuple[str, str, str | None]] = []
        several = isinstance(source, list | tuple)
        for number, each in enumerate(source if several else [source]):
            name = f"input {number}"
            if several and isinstance(each, str) and not _FILE.fullmatch(each):
                texts_by_name.append((name, each, None))  # "tests" in a list is a word, even if a folder is called so
            else:
                texts_by_name += self._texts(each, name)
        names = [name for name, _, _ in texts_by_name]
        texts = np.array([content for _, content, _ in texts_by_name], dtype=object)
        errors = {at: reason for at, (_, _, reason) in enumerate(texts_by_name) if reason}
        errors |= {at: "empty: expected a text" for at in np.flatnonzero(empty(texts)) if at not in errors}
        return Raw(names, texts, {int(at): errors[at] for at in sorted(errors)})

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """Read texts to score: the test part where there is one, else the validation part, else all.

        Raises:
            InputError: nothing to score, or a label that the model does not know.
        """
        if isinstance(source, str | Path) and Path(source).is_dir():
            where = str(source)
            rows, folder_task, sides, _, notes = from_folder(Path(source), task.names)
            rows = rows.chosen(assembling.held_out_part(sides, len(rows.names)))
            labels = np.array(folder_task.names, object)[rows.targets]
            rows = rows._replace(targets=task.encode(targets.Targets.of_labels(labels, rows.names, where)))
        else:
            frame = frames.read(source, header=self.header, text=self._literal(task))
            where, notes = frame.where, list(frame.notes)
            columns, names = names_of(self.column), names_of(self.target)
            if not columns or not names:  # trained on a folder
                columns, names = columns_of(frame, None, None, notes)
            frames.require(frame, columns, "the texts")
            frame = targets.with_targets(frame._replace(notes=notes), names)
            notes = frame.notes
            values = targets.known_targets(frame, names, task)
            texts = joined(frame, columns)
            rows = assembling.Rows(texts, values, frame.names, digests_of(texts))
            rows = rows.chosen(assembling.held_out_part(frames.sides(frame), len(rows.names)))
        nothing = empty(rows.inputs)
        notes += [Note(rows.names[at], "left out", "empty") for at in np.flatnonzero(nothing)]
        rows = rows.chosen(np.flatnonzero(~nothing))
        if not rows.names:
            raise InputError(f"{where}: no labelled text to score")
        return Part(rows.inputs, rows.targets, tuple(rows.names), tuple(rows.digests)), notes

    def _literal(self, task: Task) -> list[str]:
        # "01" and "true" are classes as written.
        literal = not task.several and bool(task.counts(np.zeros(0, np.int64)))
        return [*names_of(self.column), *(names_of(self.target) if literal else ())]

    def _texts(self, source: Any, name: str) -> list[tuple[str, str, str | None]]:
        """Name, text and error of each."""
        if hasattr(source, "iloc"):
            return self._column(source)
        if not isinstance(source, str | Path):
            return [(name, "", f"expected a text, received {type(source).__name__}")]
        try:
            path = Path(source)
            there = path.exists() and str(source).strip() != ""
        except (OSError, ValueError):  # too long for a path, or with a null byte
            there = False
        if not there:
            if isinstance(source, Path) or _FILE.fullmatch(source):
                raise InputError(
                    f"{source} does not exist: expected a .txt file, a folder of such, a CSV file or a text"
                )
            return [(name, source, None)]
        if path.is_dir():
            files = [file for file in walk(path, []) if file.suffix.lower() == ".txt" and not file.name.startswith(".")]
            if not files:
                raise InputError(f"{path}: expected .txt files, found none")
            return [(str(file), *content_of(file)) for file in files]
        return self._column(path) if path.name.lower().endswith(SUFFIXES) else [(str(path), *content_of(path))]

    def _column(self, source: Any) -> list[tuple[str, str, str | None]]:
        columns = names_of(self.column)
        frame = frames.read(source, header=self.header, text=columns)
        if not columns or (self.header is False and not set(columns) <= set(frame.columns)):
            words = text_columns(frame.values, frame.columns)
            columns = (max(words, key=lambda name: words[name]),) if words else columns or ("text",)
        frames.require(frame, columns, "the texts")
        texts = joined(frame, columns)
        return [(name, content, None) for name, content in zip(frame.names, texts, strict=True)]

    # ---- training ----

    def arguments(self) -> dict[str, Any]:
        """Number of words in the vocabulary."""
        return {"vocabulary_size": len(self.vocabulary)}

    def plain(self, prepared: np.ndarray, inputs: Inputs) -> np.ndarray:
        """The texts themselves."""
        return np.asarray(inputs, object)

    # ---- the exported model ----

    @property
    def shape(self) -> tuple[int | None, ...]:
        """One string."""
        return ()

    def specification(self) -> tuple[dict[str, tf.TensorSpec], Callable[..., Any]]:
        """Strings."""
        import tensorflow as tf

        return {"text": tf.TensorSpec([None], tf.string, name="text")}, lambda text: text

    def made_up(self, model: keras.Model, count: int, rng: np.random.Generator) -> Inputs:
        """Words of the vocabulary, the frequent ones, which come first, more often."""
        words = self._words(model)[2:] or ["word"]
        texts = []
        for size in rng.integers(1, self.length, count, endpoint=True):
            drawn = (len(words) * rng.random(size) ** 3).astype(int)
            texts.append(" ".join(words[at] for at in drawn))
        return np.array(texts, object)

    def with_unseen(self, inputs: Inputs) -> Inputs:
        """Texts of which every second has a word that is not in training."""
        inputs[::2] += " zzyzx"
        return inputs

    # ---- formats without strings ----

    def tensors(self, model: keras.Model) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        """Positions of words."""
        return {"tokens": ("int32", tuple(self.preprocess_of(model).output_shape[1:]))}

    def meanings(self) -> dict[str, str]:
        """See `Kind.meanings`."""
        return {"tokens": "positions of the words in vocabulary.txt, 1 for another word, 0 after the end"}

    def numbers(self, model: keras.Model, inputs: Inputs) -> dict[str, np.ndarray]:
        """See `Kind.numbers`."""
        from zoo.arrays import apply

        return {"tokens": apply(self.preprocess_of(model), inputs).astype(np.int32)}

    def prepare(self, preprocess: Any, tensors: Mapping[str, tf.Tensor]) -> Any:
        """They are positions already."""
        return super().prepare(None, tensors)

    def beside(self, model: keras.Model) -> dict[str, str]:
        """The words."""
        return {"vocabulary.txt": "".join(f"{word}\n" for word in self._words(model))}

    def _words(self, model: keras.Model) -> list[str]:
        return self.preprocess_of(model).get_layer("words").get_vocabulary()

    # ---- requests ----

    def form(self, shapes: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A text; the words that training knew, and how many are read."""
        words = layers.get("TextVectorization", {})
        known = {"words": words.get("vocabulary"), "length": words.get("output_sequence_length")}
        return [{"name": "text", "type": "text"} | {key: value for key, value in known.items() if value}]

    def training_values(self, layers: Mapping[str, Mapping[str, Any]]) -> list[TrainingValues]:
        """The vocabulary."""
        words = layers.get("TextVectorization", {}).get("vocabulary")
        return [KnownWords("text", frozenset(words), self.length)] if words else []

    # ---- the card ----

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        checks = {"length": is_count, "column": is_name_or_names, "target": is_name_or_names}
        return checks | {"header?": is_flag, "separator?": is_text}

    def shapes(self, model: keras.Model) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """Nothing: a string has no shape."""
        return iter(())


def _is_text(head: Head, target: str | None) -> bool:
    """Whether there is one column of text, and no other feature beside the label."""
    named = {str(target)} if target is not None else set(targets.NAMES)
    rows = [row for row in head.rows if len(row) == len(head.names)]
    long, others = 0, 0
    for name, cells in zip(head.names, zip(*rows, strict=True), strict=False):
        filled = [cell for cell in cells if cell.strip()]
        if name.lower() in named or name in named or name.lower() == "split" or not filled:
            continue
        words = sum(len(cell.split()) for cell in filled) / len(filled)
        if words >= WORDS:
            long += 1
        elif not _counts(filled) or len(rows) == 1:
            others += 1
    labelled = any(name in named or name.lower() in named for name in head.names)
    return long == 1 and others == (0 if labelled else 1)


def _counts(cells: list[str]) -> bool:
    """Whether cells number the rows."""
    try:
        numbers = [int(cell) for cell in cells]
    except ValueError:
        return False
    return all(after - before == 1 for before, after in zip(numbers, numbers[1:], strict=False))
