"""Where things are kept, and writing them whole or not at all."""

from __future__ import annotations

import atexit
import errno
import functools
import os
import platform
import re
import shutil
import stat
import tempfile
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import platformdirs

from zoo.errors import InputError, JobError, Notice

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

    It is ``$ZOO_CACHE`` where that is set, else the user's cache folder of the operating system. Where that can't be
    written it is a temporary one of this process, which a warning tells once.

    Args:
        name: a folder inside it, made if absent.

    Raises:
        JobError: no temporary folder can be made either.
    """
    folder = _cache_root() / name
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


def _cache_root() -> Path:
    named = os.environ.get("ZOO_CACHE") or platformdirs.user_cache_dir("keras-model-zoo", appauthor=False)
    try:
        root = Path(named).expanduser()
        root.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(root, os.W_OK | os.X_OK) else "no permission"
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        reason = getattr(error, "strerror", None) or str(error)
    return _instead(named, reason) if reason else root


@functools.cache
def _instead(named: str, reason: str) -> Path:
    """A temporary folder in place of a cache that can't be written, removed at the end of the process."""
    try:
        root = Path(tempfile.mkdtemp(prefix="zoo-cache-"))
    except OSError as error:
        raise JobError(
            f"neither the cache {named} ({reason}) nor a temporary folder can be written ({error.strerror}); "
            "name others with ZOO_CACHE and TMPDIR"
        ) from error
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    warnings.warn(
        f"the cache {named} can't be written ({reason}): nothing is kept for the next run; ZOO_CACHE names another",
        Notice,
        stacklevel=4,
    )
    return root


def check_writable(path: Path, option: str = "--out") -> None:
    """Raise an InputError where `path`, a file or folder that may not be there yet, can't be written."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if place != path.absolute() and not place.is_dir():
        raise InputError(f"{path} can't be made: {place} is a file; name another place with {option}")
    if not os.access(place, os.W_OK | os.X_OK if place.is_dir() else os.W_OK):
        raise InputError(f"{path} can't be written: no permission for {place}; name another place with {option}")


def run_folder(out: Path, mark: str) -> Path:
    """The folder of a run; the same job finds the same one, so that a crashed run goes on in it.

    It is in ``$ZOO_RUNS``, which several current folders may share, by default in ``.runs`` of the current one.

    Args:
        out: folder of the artifact. Two in different places are two jobs, whatever their names.
        mark: of the job, the same for the same arguments.
    """
    shared = os.environ.get("ZOO_RUNS")
    if shared or out.resolve().parent != Path("saved_models").resolve():
        mark = sha256(f"{mark} {out.resolve()}".encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return Path(shared or ".runs") / f"{out.name}-{mark}"


def remove_run(run: Path) -> None:
    """Remove a run that ended, all at once: a process killed meanwhile leaves no half of it to go on with."""
    gone = run.with_name(_partial_name("run"))
    with suppress(FileNotFoundError):
        os.replace(run, gone)
    shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def claimed(run: Path) -> Iterator[Path]:
    """`run`, made if absent, and for as long as the block lasts this thread's alone.

    The system gives it free when the process ends, however that ends. Within the block it may be claimed again.

    Raises:
        InputError: the folder can't be made.
        JobError: another process, or another thread of this one, works in it.
    """
    key, thread = run.resolve(), threading.get_ident()
    with _claims_lock:
        holder = _claims.get(key)
        if holder is not None and holder != thread:
            raise _taken(run, f"another thread of this process ({os.getpid()})")
        _claims[key] = thread
    if holder is not None:
        yield run
        return
    descriptor = None
    try:
        descriptor = _locked(run)
        yield run
    finally:
        if descriptor is not None:
            with suppress(OSError):  # while it is still locked; who waits for it looks whether it is there
                if _is_that_of(run, descriptor):  # rather than of one that began where this one was removed
                    (run / ".lock").unlink()
            os.close(descriptor)
        with _claims_lock:
            del _claims[key]


_claims: dict[Path, int] = {}  # folder -> thread, of those that this process has claimed
_claims_lock = threading.Lock()


def _locked(run: Path) -> int:
    """An open file that has the lock of `run`. Its file is removed with the folder, so it is looked at again."""
    while True:
        try:
            run.mkdir(parents=True, exist_ok=True)
            sweep(run.parent)
            descriptor = os.open(run / ".lock", os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:  # removed by who had it, between the two
            continue
        except OSError as error:
            raise InputError(
                f"the run's folder {run} can't be written ({error.strerror}); go to another folder, or name one with "
                "ZOO_RUNS"
            ) from error
        try:
            _lock(descriptor)
        except BlockingIOError:
            told = os.pread(descriptor, 200, 0).decode(errors="replace").strip() if hasattr(os, "pread") else ""
            os.close(descriptor)
            raise _taken(run, told or "another process") from None
        with suppress(FileNotFoundError):
            if _is_that_of(run, descriptor):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()}, since {time.strftime('%H:%M:%S')},".encode())
                return descriptor
        os.close(descriptor)


def _is_that_of(run: Path, descriptor: int) -> bool:
    return os.path.samestat(os.fstat(descriptor), os.stat(run / ".lock"))


def _lock(descriptor: int) -> None:
    """Take the lock of an open file, or raise BlockingIOError; nothing where the system has no such locks."""
    with suppress(ImportError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _taken(run: Path, who: str) -> JobError:
    return JobError(f"{who} does this same job already, in {run}; wait for it, or name another --out")


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
    except OSError as error:
        _name(error, path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def reserve(path: Path, size: int) -> None:
    """Make sure of room for `size` bytes at `path`, for writers that end the process where it runs out, as HDF5 does.

    Raises:
        OSError: there is none.
    """
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


@contextmanager
def whole_folder(parent: Path) -> Iterator[Path]:
    """A new temporary folder in `parent`; whoever uses it renames it, and what is left of it is removed."""
    parent.mkdir(parents=True, exist_ok=True)
    partial = parent / _partial_name("folder")
    partial.mkdir()
    try:
        yield partial
    except OSError as error:
        _name(error, parent)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _name(error: OSError, path: Path) -> None:
    """Say where: of a disk that is full there is no file name. One without a number says what it says."""
    if error.errno is not None:
        error.filename = error.filename or str(path)


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
