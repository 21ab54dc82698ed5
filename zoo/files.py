"""Where things are kept, and writing them whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import platformdirs

_PARTIAL = ".partial-"


def cache_folder(name: str = "") -> Path:
    """The folder for what can be made again: converted weights, embeddings.

    It is ``$ZOO_CACHE`` where that is set, else the user's cache folder of the operating system.

    Args:
        name: a folder inside it, made if absent.
    """
    root = os.environ.get("ZOO_CACHE") or platformdirs.user_cache_dir("keras-model-zoo", appauthor=False)
    folder = Path(root).expanduser() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def digest(path: str | Path) -> str:
    """Sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        hasher = sha256()
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; renamed to it when the block ends well, removed when it fails.

    Two processes may write the same path: the last one wins, and no reader sees half a file.
    """
    path = Path(path)
    partial = path.with_name(_partial_name(path.name))
    sweep(path.parent)
    try:
        yield partial
        _flush(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(parent: Path) -> Iterator[Path]:
    """A new temporary folder in `parent`; whoever uses it renames it, and what is left of it is removed."""
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    partial = parent / _partial_name("folder")
    partial.mkdir()
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in `folder`."""
    for partial in folder.glob(f"{_PARTIAL}*"):
        owner = partial.name.removeprefix(_PARTIAL).split("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                partial.unlink(missing_ok=True)


def _partial_name(name: str) -> str:
    return f"{_PARTIAL}{os.getpid()}-{uuid.uuid4().hex[:8]}-{name}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives, and is another user's
        return True
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
