"""Text: a folder of files a class, or a column of a table."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data import assembling, frames, targets
from zoo.data.csv_files import SUFFIXES
from zoo.data.dataset import Data, Part
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.preprocessing import for_text
from zoo.data.walking import walk
from zoo.errors import InputError
from zoo.files import read_bytes
from zoo.kinds.class_folders import Example, check_names, listed_files
from zoo.tasks.classification import Classification
from zoo.tasks.task import Task

LONGEST = 400  # words a text, unless asked for
UNLABELLED = ("unsup", "unlabeled", "unlabelled")  # as IMDB has it
_FILE = re.compile(r"\S+\.(txt|csv|tsv|tab|gz)", re.I)


def text(
    source: Any,
    *,
    column: str | None = None,
    target: str | None = None,
    task: str | None = None,
    length: int | None = None,
    vocabulary_size: int = 20_000,
    header: bool | None = None,
    seed: int = 0,
    validation: float = 0.2,
) -> Data:
    """Read labelled texts.

    Three forms are recognised: a folder with one sub-folder of .txt files a class; a folder with ``train/`` and
    ``test/`` and/or ``val/`` of such, as IMDB has them; a CSV or TSV file (or a data frame) with a column of texts and
    one of targets, and perhaps one named ``split``. Empty texts and files that are no UTF-8 are left out and told, as
    are training texts that are also in a held-out part.

    Words are in lower case; ``!``, ``?`` and emoji are words, other punctuation is not: see
    `zoo.builders.preprocessing.spaced_words`. Languages that put no spaces between words need another reader.

    Args:
        source: the folder, the file or the data frame.
        column: of the texts; the one with most words by default.
        target: the column to predict; by default the one named target, label, class or y, or the only one left.
        task: "regression" for numbers; by default as `zoo.data.tables` finds it.
        length: ids a text; longer ones are cut, shorter ones filled with 0. By default the 95th percentile of the
            training texts' words, at most 400.
        vocabulary_size: the most frequent words of the training part, padding and the unknown included.
        header: whether a file names its columns; seen from the first row by default. If not, they are "0", "1", ...
        seed: of the split.
        validation: share held out where no split is given, in (0, 1).

    Returns:
        `Data` whose `preprocess` takes strings (batch,) and gives int32 (batch, length).

    Raises:
        InputError: no text or target there, a class with fewer than two texts, or nothing to hold out.
    """
    assembling.check_share(validation)
    if length is not None and length < 1 or vocabulary_size < 3:
        raise InputError(
            f"expected length of 1 and vocabulary_size of 3 at least, received {length}, {vocabulary_size}"
        )
    if isinstance(source, str | Path) and Path(source).is_dir():
        if column is not None or target is not None:
            raise InputError(
                f"{source} is a folder of texts: its sub-folders are the classes; leave out column and target"
            )
        if task not in (None, Classification.name):
            raise InputError(f"{source} is a folder of texts, whose task is classification; received {task!r}")
        where = str(source)
        rows, wanted, sides, notes = _from_folder(Path(source))
        named: dict[str, Any] = {"column": None, "target": None}
    else:
        frame = frames.read(source, header=header)
        where, notes = frame.where, list(frame.notes)
        columns = _columns(frame, column, target, notes)
        texts = frames.strings(frame.values[columns[0]])
        values, wanted = targets.targets_of(frame, [columns[1]], task)
        rows = assembling.Rows(texts, values, frame.names, _digests(texts))
        sides = frames.sides(frame)
        named = {"column": columns[0], "target": columns[1], "separator": frame.separator, "header": frame.header}
    rows, sides = _without_empty(where, rows, sides, wanted, notes)
    vocabulary: list[str] = []

    def preprocess(part: Part) -> Any:
        model, words = for_text(part.inputs, vocabulary_size, length, LONGEST)
        vocabulary.extend(words)
        return model

    data = assembling.assemble(
        rows,
        wanted,
        source=where,
        sides=sides,
        notes=notes,
        description={"kind": "text", **named},
        validation=validation,
        seed=seed,
        preprocess=preprocess,
    )
    data.input["length"] = int(data.preprocess.output_shape[1])
    return replace(data, vocabulary=tuple(vocabulary))


def read_raw(source: Any, description: dict[str, Any]) -> tuple[list[str], np.ndarray, dict[int, str]]:
    """Read texts to predict.

    Args:
        source: a str is the path of a .txt file, a folder of such or a CSV file where there is one, and else a text;
            or a list of texts and `Path` objects, or a data frame.
        description: `Data.input` of what the model was trained on.

    Returns:
        names; texts, an object array; and why a text can't be used, by its position.

    Raises:
        InputError: what looks like a file is not there, or the file has no such column.
    """
    found: list[tuple[str, str, str | None]] = []
    several = isinstance(source, list | tuple)
    for number, each in enumerate(source if several else [source]):
        name = f"input {number}"
        if several and isinstance(each, str) and not _FILE.fullmatch(each):
            found.append((name, each, None))  # "tests" in a list is a word, even if a folder is called so
        else:
            found += _raw(each, name, description)
    names = [name for name, _, _ in found]
    texts = np.array([content for _, content, _ in found], dtype=object)
    errors = {at: reason for at, (_, _, reason) in enumerate(found) if reason}
    errors |= {at: "empty: expected a text" for at in np.flatnonzero(_empty(texts)) if at not in errors}
    return names, texts, {int(at): errors[at] for at in sorted(errors)}


def read_labelled(source: Any, description: dict[str, Any], task: Task) -> tuple[Part, list[Note]]:
    """Read texts to score: the test part where there is one, else the validation part, else all.

    Args:
        source: as `text` takes it.
        description: `Data.input` of what the model was trained on.
        task: of the model.

    Raises:
        InputError: nothing to score, or a label that the model does not know.
    """
    if isinstance(source, str | Path) and Path(source).is_dir():
        where = str(source)
        rows, found, sides, notes = _from_folder(Path(source))
        chosen = assembling.held_out_part(sides, len(rows.names))
        rows = rows.chosen(chosen)
        labels = np.array(found.names, object)[rows.targets]
        rows = rows._replace(targets=task.encode(targets.Targets.of_labels(labels, rows.names, where)))
    else:
        frame = frames.read(source, header=description.get("header"), text=_literal(description, task))
        where, notes = frame.where, list(frame.notes)
        column, target = description["column"], description["target"]
        if column is None or target is None:  # trained on a folder
            column, target = _columns(frame, None, None, notes)
        frames.require(frame, [column], "the texts")
        values = targets.known_targets(frame, [target], task)
        texts = frames.strings(frame.values[column])
        rows = assembling.Rows(texts, values, frame.names, _digests(texts))
        rows = rows.chosen(assembling.held_out_part(frames.sides(frame), len(rows.names)))
    empty = _empty(rows.inputs)
    notes += [Note(rows.names[at], "left out", "empty") for at in np.flatnonzero(empty)]
    rows = rows.chosen(np.flatnonzero(~empty))
    if not rows.names:
        raise InputError(f"{where}: no labelled text to score")
    return Part(rows.inputs, rows.targets, tuple(rows.names), tuple(rows.digests)), notes


def text_columns(values: Any, names: Sequence[str]) -> dict[str, float]:
    """Of the columns of a pandas.DataFrame that hold strings: the mean number of words, in the first 1,000 rows."""
    from pandas import api

    head = values.iloc[:1000]
    return {
        name: float(head[name].dropna().astype(str).str.split().str.len().mean())
        for name in names
        if not api.types.is_numeric_dtype(head[name]) and not head[name].isna().all()
    }


def _columns(frame: Frame, column: str | None, target: str | None, notes: list[Note]) -> tuple[str, str]:
    given = [str(name) for name in (column, target) if name is not None]
    frames.require(frame, given, "text or target")
    others = [name for name in frame.columns if name not in (*given, frames.split_column(frame))]
    if column is None:
        words = text_columns(frame.values, others)
        if not words:
            raise InputError(
                f"{frame.where}: no column of texts; say which: column=; there are {frames.listed(frame.columns)}"
            )
        column = max(words, key=lambda name: words[name])
    if target is None:
        lower = {name.lower() for name in frame.columns}
        left = [name for name in others if name != column and not _counts(frame.values[name])]
        if len(left) == 1 and not lower & set(targets.NAMES):
            notes.append(Note(f"column {left[0]}", "kept", "taken as the target: no other is left"))
            target = left[0]
        else:
            target = targets.target_columns(frame, None)[0]
    if str(column) == str(target):
        raise InputError(f"{frame.where}: the column {column!r} can't be both text and target")
    return str(column), str(target)


def _counts(column: Any) -> bool:
    """Whether a column numbers the rows."""
    return column.dtype.kind in "iu" and bool((np.diff(column.to_numpy()) == 1).all())


def _literal(description: dict[str, Any], task: Task) -> list[str]:
    literal = bool(task.counts(np.zeros(0, np.int64))) and not task.several  # "01" and "true" are classes as written
    names = [description["column"], description["target"] if literal else None]
    return [name for name in names if name is not None]


def _from_folder(root: Path) -> tuple[assembling.Rows, Classification, np.ndarray | None, list[Note]]:
    """All texts, their task, parts where they are given, notes."""
    notes: list[Note] = []
    examples: list[Example] = []
    unlabelled = 0
    for example in listed_files(root, notes):
        if example.labels[0].lower() in UNLABELLED and example.split:
            unlabelled += 1
        elif example.path.suffix.lower() != ".txt":
            notes.append(Note(example.name, "left out", "no .txt file"))
        else:
            examples.append(example)
    if unlabelled:
        notes.append(Note(UNLABELLED[0], "left out", f"{unlabelled} texts without label"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        contents = list(pool.map(lambda example: _file(example.path), examples))
    notes += [Note(e.name, "left out", why) for e, (_, why) in zip(examples, contents, strict=True) if why]
    good = [(e, content) for e, (content, why) in zip(examples, contents, strict=True) if not why]
    if not good:
        why = f"; left out: {notes[0].name}: {notes[0].reason}" if notes else ""
        raise InputError(f"{root}: expected .txt files in one folder a class, found none{why}")
    texts = np.array([content for _, content in good], dtype=object)
    labels = np.array([example.labels[0] for example, _ in good], dtype=object)
    classes = tuple(sorted(set(labels)))
    check_names(root, classes)
    sides = np.array([example.split for example, _ in good], dtype=object)
    names = [example.name for example, _ in good]
    task = Classification(classes)
    values = task.encode(targets.Targets.of_labels(labels, names, str(root)))
    rows = assembling.Rows(texts, values, names, _digests(texts))
    return rows, task, sides if all(sides) else None, notes


def _file(path: Path) -> tuple[str, str | None]:
    """Content, and why there is none."""
    try:
        return read_bytes(path).decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        return "", f"no UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}"
    except OSError as error:
        return "", f"can't be read: {error.strerror}"


def _without_empty(
    where: str,
    rows: assembling.Rows,
    sides: np.ndarray | None,
    task: Task,
    notes: list[Note],
) -> tuple[assembling.Rows, np.ndarray | None]:
    empty = _empty(rows.inputs)
    notes += [Note(rows.names[at], "left out", "empty") for at in np.flatnonzero(empty)]
    kept = np.flatnonzero(~empty)
    rows = rows.chosen(kept)
    if not rows.names:
        raise InputError(f"{where}: every text is empty")
    if not task.several:
        counts = task.counts(rows.targets)
        if len(counts) == 1:
            raise InputError(f"{where}: expected at least two classes, found only {task.names[0]!r}")
        for name, count in counts.items():
            if count < 2:
                told = f", {int(empty.sum())} texts being empty" if empty.any() else ""
                raise InputError(f"{where}: class {name!r} has {count} text(s); expected at least two{told}")
    return rows, None if sides is None else sides[kept]


def _empty(texts: np.ndarray) -> np.ndarray:
    return np.fromiter((not content.strip() for content in texts), bool, len(texts))


def _digests(texts: np.ndarray) -> list[str]:
    return [sha256(content.encode("utf-8", "surrogatepass")).hexdigest() for content in texts]


def _raw(source: Any, name: str, description: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """Name, text and error of each."""
    if hasattr(source, "iloc"):
        return _raw_table(source, description)
    if not isinstance(source, str | Path):
        return [(name, "", f"expected a text, received {type(source).__name__}")]
    try:
        path = Path(source)
        there = path.exists() and str(source).strip() != ""
    except (OSError, ValueError):  # too long for a path, or with a null byte
        there = False
    if not there:
        if isinstance(source, Path) or _FILE.fullmatch(source):
            raise InputError(f"{source} does not exist: expected a .txt file, a folder of such, a CSV file or a text")
        return [(name, source, None)]
    if path.is_dir():
        files = [file for file in walk(path, []) if file.suffix.lower() == ".txt" and not file.name.startswith(".")]
        if not files:
            raise InputError(f"{path}: expected .txt files, found none")
        return [(str(file), *_file(file)) for file in files]
    if path.name.lower().endswith(SUFFIXES):
        return _raw_table(path, description)
    return [(str(path), *_file(path))]


def _raw_table(source: Any, description: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    column = description["column"]
    header = description.get("header")
    frame = frames.read(source, header=header, text=[column] if column else [])
    if column is None or (header is False and column not in frame.columns):
        words = text_columns(frame.values, frame.columns)
        column = max(words, key=lambda name: words[name]) if words else column
    frames.require(frame, [str(column)], "the texts")
    return [
        (name, content, None) for name, content in zip(frame.names, frames.strings(frame.values[column]), strict=True)
    ]
