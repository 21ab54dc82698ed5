"""Images to ask a model about, and labelled ones to score it on."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from zoo.data.file_tree import walk
from zoo.data.notes import Note
from zoo.errors import InputError


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
        elif matches := sorted(glob.glob(path, recursive=True)):
            yield from matches
        else:
            raise InputError(f"{path}: no file fits this pattern")


def expanded(source: Any) -> Iterator[tuple[str, Any]]:
    """Pairs of name and what to decode; a string in second place is the reason why it can't be."""
    if isinstance(source, list | tuple):
        for number, each in enumerate(source):
            if isinstance(each, str | Path) and not Path(each).exists():
                yield str(each), "does not exist"
                continue
            for name, item in expanded(each):
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
