"""Folders with one sub-folder a class, the form of images and texts."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from zoo.data.file_tree import walk
from zoo.data.notes import Note
from zoo.errors import InputError
from zoo.kinds.folder_parts import folders_in, is_hidden, side_of, tops_of

UNLABELLED = "image"  # the one class of images without labels
LOOSE = "outside any class folder"
OUTSIDE = "outside the train, val and test folders"


class Example(NamedTuple):
    """One file, before the split. It has labels, or numbers in their place."""

    path: Path
    name: str
    labels: tuple[str, ...]
    split: str | None = None
    group: str | None = None
    digest: str = ""
    numbers: tuple[float, ...] = ()


def listed_files(root: Path, notes: list[Note], labels: bool = True, known: Collection[str] = ()) -> Iterator[Example]:
    """Every file below `root`, with the class and the part of the data whose folders it is in.

    Args:
        root: a folder with one sub-folder a class, or with parts of the data that have such; `zoo.kinds.folder_parts`
            decides between them.
        notes: gets a note on each file that is in no class, is hidden, or lies beside the parts.
        labels: False where folders are no classes: every file is of the one class `UNLABELLED`.
        known: names of classes.
    """
    tops = tops_of(root, notes, labels, known)
    notes += _beside(root, [top.path for top in tops], {note.name for note in notes})
    for top in tops:
        for file in walk(top.path, notes, root):
            name = file.relative_to(root).as_posix()
            inner = file.relative_to(top.path).parts
            if any(map(is_hidden, inner)):
                notes.append(Note(name, "left out", "hidden"))
            elif not labels:
                yield Example(file, name, (UNLABELLED,), top.split)
            elif len(inner) < 2:
                notes.append(Note(name, "left out", LOOSE))
            elif top.split_inside and len(inner) < 3:
                notes.append(Note(name, "left out", OUTSIDE))
            else:
                split = side_of(inner[1]) if top.split_inside else top.split
                yield Example(file, name, (inner[0],), split, top.group)
        if labels:
            empty = [child for child in folders_in(top.path) if os.access(child, os.R_OK) and not os.listdir(child)]
            notes += [Note(child.relative_to(root).as_posix(), "left out", "empty class folder") for child in empty]


def _beside(root: Path, tops: list[Path], told: Collection[str]) -> list[Note]:
    """Notes on files and folders beside the folders of the classes."""
    above = {folder for top in tops for folder in top.parents if folder.is_relative_to(root)}
    reason = OUTSIDE if any(side_of(top.name) for top in tops) else LOOSE
    beside = [child for folder in sorted(above) for child in sorted(folder.iterdir()) if child not in above]
    names = [child.relative_to(root).as_posix() for child in beside if child not in tops]
    return [Note(name, "left out", reason) for name in names if name not in told]


def check_names(path: Path, classes: Iterable[str]) -> None:
    """Raise an InputError where the name of a class can't be written: bytes of a folder's name may be no UTF-8."""
    unwritable = next((name for name in classes if not name.isprintable()), None)
    if unwritable is not None:
        raise InputError(f"{path}: expected class names of printable characters, received {unwritable!a}")
