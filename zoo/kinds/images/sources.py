"""Images to ask a model about, and labelled ones to score it on."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from zoo.data.dataset import Part
from zoo.data.notes import Note
from zoo.data.walking import walk
from zoo.errors import InputError
from zoo.kinds.images.folders import LabelSets, labelled
from zoo.tasks.task import Task


def read_labelled(path: str | Path, description: dict[str, Any], task: Task) -> tuple[Part, list[Note]]:
    """The labelled images of `path`: those of its held-out part (test before validation), else all.

    Args:
        path: as `zoo.data.images` takes it, one class being enough; or a folder of IDX files.
        description: `zoo.data.Data.input` of the model.
        task: of the model.

    Raises:
        InputError: a label that the model does not know, or not one label an image.
    """
    from zoo.kinds.images.idx import holds
    from zoo.kinds.images.idx import read_labelled as read_idx

    if holds(Path(path)):
        return read_idx(path, description, task)
    examples, notes = labelled(path, multi_label=task.several)
    splits = {example.split for example in examples}
    part = next((split for split in ("test", "validation") if split in splits), None)
    examples = [example for example in examples if part is None or example.split == part]
    names, digests = tuple(e.name for e in examples), tuple(e.digest for e in examples)
    targets = task.encode(LabelSets([example.labels for example in examples], names, str(path), task.names))
    return Part(tuple(example.path for example in examples), targets, names, digests), notes


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
