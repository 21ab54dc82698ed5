"""What `zoo predict` writes of answers that are pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import InputError
from zoo.files import atomic_folder, check_writable
from zoo.tasks.forms import as_png, files

if TYPE_CHECKING:
    from zoo.artifacts.predictor import Prediction, Predictor
    from zoo.tasks.task import Task


def check(task: Task, out: str | Path, sources: Sequence[str]) -> None:
    """Whether there is something to write, and a place for it, before anything is predicted.

    Args:
        task: of the model.
        out: folder to write to.
        sources: files and folders to predict, which are only read.

    Raises:
        InputError: no answer is a picture; `out` is not empty, can't be written, or is in one of `sources`.
    """
    folder = Path(out)
    if not files(task):
        raise InputError(f"no answer of {task.name} is a picture; leave out --out, or write a table with --csv FILE")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: expected a new or an empty folder, as nothing is overwritten; give another one")
    if any(Path(each).is_dir() and folder.resolve().is_relative_to(Path(each).resolve()) for each in sources):
        raise InputError(f"{folder} is among the files to predict, which are only read; name another --out")
    check_writable(folder)


def write(results: Sequence[Prediction], made: Predictor, out: str | Path) -> int:
    """Write what is a picture in each answer, and that over the photo: all of them or none.

    Args:
        results: of files.
        made: that answered.
        out: folder, new or empty.

    Returns:
        how many files there are. They are named by the photos; of two photos of one name the later has a number.
    """
    folder, written, seen = Path(out).resolve(), 0, set()
    with atomic_folder(folder.parent) as partial:
        for result in results:
            if result.error:
                continue
            plain = Path(result.name).stem
            stem = next(
                each for each in chain([plain], (f"{plain}_{n}" for n in count(2))) if each.casefold() not in seen
            )
            seen.add(stem.casefold())
            pictures = {f"{stem}{suffix}": base64.b64decode(result.answer[n]) for n, suffix in files(made.task).items()}
            over = made.task.overlay(result.answer, Path(result.name), made.kind)
            pictures |= {} if over is None else {f"{stem}_overlay.png": as_png(over)}
            for name, content in pictures.items():
                (partial / name).write_bytes(content)
            written += len(pictures)
        if folder.exists():
            folder.rmdir()  # fails, rather than overwrites, if somebody has written into it meanwhile
        partial.rename(folder)
    return written
