"""Texts in folders and in columns of a table."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.data import assembling, frames, targets
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.errors import InputError
from zoo.files import read_bytes
from zoo.kinds.class_folders import Example, check_names, listed_files
from zoo.tasks.classification import Classification

Names = str | Sequence[str]  # of columns: one, or several

UNLABELLED = ("unsup", "unlabeled", "unlabelled")  # as IMDB has it


class Folder(NamedTuple):
    """All texts of a folder.

    Attributes:
        rows: the texts.
        task: of them.
        sides: the part of each, where parts are given.
        groups: of texts that stay on one side of a split, where folders are folds.
        notes: on what was left out.
    """

    rows: assembling.Rows
    task: Classification
    sides: np.ndarray | None
    groups: np.ndarray | None
    notes: list[Note]


def from_folder(root: Path, known: Collection[str] = ()) -> Folder:
    """All texts of a folder; `known` are classes of a model, which sub-folders may be named after."""
    notes: list[Note] = []
    examples: list[Example] = []
    unlabelled = 0
    for example in listed_files(root, notes, known=known):
        if example.labels[0].lower() in UNLABELLED and example.split:
            unlabelled += 1
        elif example.path.suffix.lower() != ".txt":
            notes.append(Note(example.name, "left out", "no .txt file"))
        else:
            examples.append(example)
    if unlabelled:
        notes.append(Note(UNLABELLED[0], "left out", f"{unlabelled} texts without label"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        contents = list(pool.map(lambda example: content_of(example.path), examples))
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
    rows = assembling.Rows(texts, values, names, digests_of(texts))
    named = np.array([example.group for example, _ in good], dtype=object)
    groups = np.unique(named, return_inverse=True)[1] if all(named) else None
    return Folder(rows, task, sides if all(sides) else None, groups, notes)


def content_of(path: Path) -> tuple[str, str | None]:
    """The content of a file, and the reason why there is none."""
    try:
        return read_bytes(path).decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        return "", f"no UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}"
    except OSError as error:
        return "", f"can't be read: {error.strerror}"


def columns_of(
    frame: Frame, column: Names | None, target: Names | None, notes: list[Note]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns of the texts and of the targets: the named ones, or the likeliest ones."""
    given = [*names_of(column), *names_of(target)]
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
            target = targets.target_columns(frame, None, notes)[0]
    columns, target_names = names_of(column), names_of(target)
    if both := set(columns) & set(target_names):
        raise InputError(f"{frame.where}: the column {both.pop()!r} can't be both text and target")
    return columns, target_names


def names_of(columns: Names | None) -> tuple[str, ...]:
    """Names of columns, of which one may come as such, and none as None."""
    if columns is None:
        return ()
    return (str(columns),) if isinstance(columns, str | int) else tuple(map(str, columns))


def joined(frame: Frame, columns: Names) -> np.ndarray:
    """The texts of columns, one after the other, those that are missing left out: strings (rows,)."""
    cells = [frames.strings(frame.values[name]) for name in names_of(columns)]
    if len(cells) == 1:
        return cells[0]
    return np.array(["\n".join(filter(None, row)) for row in zip(*cells, strict=True)], dtype=object)


def text_columns(values: Any, names: Sequence[str]) -> dict[str, float]:
    """Of the columns of a pandas.DataFrame that hold strings: the mean number of words, in the first 1,000 rows."""
    from pandas import api

    head = values.iloc[:1000]
    return {
        name: float(head[name].dropna().astype(str).str.split().str.len().mean())
        for name in names
        if not api.types.is_numeric_dtype(head[name]) and not head[name].isna().all()
    }


def _counts(column: Any) -> bool:
    """Whether a column numbers the rows."""
    return column.dtype.kind in "iu" and bool((np.diff(column.to_numpy()) == 1).all())


def empty(texts: np.ndarray) -> np.ndarray:
    """Bool (texts,): whether each holds nothing but blanks."""
    return np.fromiter((not content.strip() for content in texts), bool, len(texts))


def digests_of(texts: np.ndarray) -> list[str]:
    """Sha256 of each text."""
    return [sha256(content.encode("utf-8", "surrogatepass")).hexdigest() for content in texts]
