"""Folders of one sub-folder a class, as images and texts come in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from zoo.data.file_tree import walk
from zoo.data.notes import Note
from zoo.data.splits import SPLITS
from zoo.errors import InputError

UNLABELLED = "image"  # the one class of images without labels
LOOSE = "outside any class folder"


class Example(NamedTuple):
    """One file before it has its place in a split."""

    path: Path
    name: str
    labels: tuple[str, ...]
    split: str | None = None
    group: str | None = None
    digest: str = ""


def listed_files(root: Path, notes: list[Note], labels: bool = True) -> Iterator[Example]:
    """Every file below `root`, with the class and the part of the data whose folders it is in.

    Args:
        root: a folder with one sub-folder a class, or with ``train/`` and ``val/`` and/or ``test/`` of such.
        notes: gets a note on each file that is in no class, is hidden, or lies beside the parts.
        labels: False where folders are no classes: every file is of the one class `UNLABELLED`.
    """
    tops = _parts(root, labels)
    tops_seen = {top for _, top in tops}
    for child in sorted(root.iterdir()):
        if tops_seen != {root} and child not in tops_seen:
            notes.append(Note(child.name, "left out", "outside the train, val and test folders"))
    for split, top in tops:
        for file in walk(top, notes, root):
            name = file.relative_to(root).as_posix()
            inner = file.relative_to(top).parts
            if any(part.startswith(".") for part in inner) or inner[-1] in ("Thumbs.db", "desktop.ini"):
                notes.append(Note(name, "left out", "hidden"))
            elif not labels:
                yield Example(file, name, (UNLABELLED,), split)
            elif len(inner) < 2:
                notes.append(Note(name, "left out", LOOSE))
            else:
                yield Example(file, name, (inner[0],), split)
        for child in sorted(top.iterdir()):
            if (
                labels
                and child.is_dir()
                and not child.name.startswith(".")
                and os.access(child, os.R_OK)
                and not os.listdir(child)
            ):
                notes.append(Note(child.relative_to(root).as_posix(), "left out", "empty class folder"))


def _parts(root: Path, labels: bool) -> list[tuple[str | None, Path]]:
    """The folders of the parts, each with its part; or `root`, whose files have no part yet."""
    inside = [child for child in sorted(root.iterdir()) if child.is_dir() and not child.name.startswith(".")]
    parts = [child for child in inside if child.name.lower() in SPLITS]
    sides = {SPLITS[child.name.lower()] for child in parts}
    if "train" in sides and len(sides) > 1:
        return [(SPLITS[child.name.lower()], child) for child in parts]
    if labels and parts and len(parts) == len(inside):
        return [(None, child) for child in parts]  # a lone train/ is a folder of classes
    return [(None, root)]


def check_names(path: Path, classes: Iterable[str]) -> None:
    """Raise an InputError where the name of a class can't be written: bytes of a folder's name may be no UTF-8."""
    unwritable = next((name for name in classes if not name.isprintable()), None)
    if unwritable is not None:
        raise InputError(f"{path}: expected class names of printable characters, received {unwritable!a}")
