"""The files below a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zoo.data.notes import Note


def walk(folder: Path, notes: list[Note], root: Path | None = None) -> Iterator[Path]:
    """Ordinary files below `folder` in order, links followed, except a link into one of the folders it is in.

    Args:
        folder: where to begin.
        notes: gets a note on everything else.
        root: what names in notes are relative to; `folder` by default.
    """
    yield from _walk(folder, root or folder, {folder.resolve()}, notes)


def _walk(folder: Path, root: Path, ancestors: set[Path], notes: list[Note]) -> Iterator[Path]:
    """Files below `folder`, links followed, except a link into one of the folders it is in."""
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        notes.append(Note(folder.relative_to(root).as_posix(), "left out", f"can't be listed: {error.strerror}"))
        return
    for child in children:
        name = child.relative_to(root).as_posix()
        if child.is_dir():
            real = child.resolve()
            if real in ancestors:
                notes.append(Note(name, "left out", "a link that leads back to a folder it is in"))
            else:
                yield from _walk(child, root, ancestors | {real}, notes)
        elif child.is_file():
            yield child
        else:
            notes.append(Note(name, "left out", "a broken link, or no ordinary file"))
