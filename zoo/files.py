"""Where things are kept, and writing them whole or not at all."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import platformdirs

from zoo.errors import InputError

_PARTIAL = ".partial-"
_OURS = re.compile(r"\.partial-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}-")
# Machines may share a folder, and a process number means nothing on another one.
_MACHINE = sha256(platform.node().encode()).hexdigest()[:8]
_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
_OLD = 24 * 3600  # seconds after which what another machine left is given up


def cache_folder(name: str = "") -> Path:
    """The folder for what can be made again: converted weights, embeddings.

    It is ``$ZOO_CACHE`` where that is set, else the user's cache folder of the operating system.

    Args:
        name: a folder inside it, made if absent.
    """
    root = os.environ.get("ZOO_CACHE") or platformdirs.user_cache_dir("keras-model-zoo", appauthor=False)
    folder = Path(root).expanduser() / name
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    return folder


def read_bytes(path: str | Path) -> bytes:
    """The content of an ordinary file: a pipe would be waited for, a device such as /dev/zero may have no end.

    Raises:
        OSError: it can't be read, is no ordinary file, or does not fit into memory.
    """
    path = Path(path)
    _check_ordinary(path, path.stat())  # before it is opened, which may do something to a device
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        _check_ordinary(path, os.fstat(descriptor))  # it may be another by now
        try:
            return file.read()
        except MemoryError as error:
            raise OSError(errno.ENOMEM, "too large for the memory", str(path)) from error


def _check_ordinary(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        what = next((name for kind, name in _KINDS.items() if kind(found.st_mode)), "something else")
        raise OSError(errno.EINVAL, f"{what}, not an ordinary file", str(path))


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

    Two processes may write the same path: the last one wins, and no reader sees half a file. A link is written
    through, and what is no ordinary file, as a pipe or a device, is written to as it is.

    Raises:
        InputError: the folder of `path` does not exist.
    """
    path = Path(path).resolve()
    if not path.parent.is_dir():
        raise InputError(f"{path}: its folder does not exist; make it first")
    if path.exists() and not path.is_file():
        yield path
        return
    partial = path.with_name(_partial_name(path.name))
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
    partial = parent / _partial_name("folder")
    partial.mkdir()
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in `folder`."""
    for partial in folder.glob(f"{_PARTIAL}*"):
        ours = _OURS.match(partial.name)
        if ours and _abandoned(partial, ours[1], int(ours[2])):
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                partial.unlink(missing_ok=True)


def _abandoned(partial: Path, machine: str, pid: int) -> bool:
    if machine == _MACHINE:
        return not _alive(pid)
    try:
        return time.time() - partial.lstat().st_mtime > _OLD
    except FileNotFoundError:
        return False


def _partial_name(name: str) -> str:
    return f"{_PARTIAL}{_MACHINE}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{name}"


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
