"""Folders for caches and runs, locks, and atomic writes."""

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
_OLD = 24 * 3600  # seconds after which a leftover of another machine is removed


def cache_folder(name: str = "") -> Path:
    """The cache folder, for files that can be computed again: converted weights, embeddings.

    It is ``$ZOO_CACHE`` if that is set, else the user's cache folder of the operating system. If that can't be
    written, it is a temporary folder of this process, and a warning says so once.

    Args:
        name: of a folder inside it; made if absent.

    Raises:
        JobError: no temporary folder can be made either.
    """
    folder = _cache_root() / name
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    return folder


def read_bytes(path: str | Path) -> bytes:
    """The content of an ordinary file. A pipe would block, and a device such as /dev/zero may have no end.

    Raises:
        OSError: the file can't be read, is no ordinary file, or does not fit into memory.
    """
    path = Path(path)
    _check_ordinary(path, path.stat())  # before opening it, which may change the state of a device
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        _check_ordinary(path, os.fstat(descriptor))  # another file may have taken its place
        try:
            return file.read()
        except MemoryError as error:
            raise OSError(errno.ENOMEM, "too large for the memory", str(path)) from error


def _check_ordinary(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = next((name for kind, name in _KINDS.items() if kind(status.st_mode)), "something else")
        raise OSError(errno.EINVAL, f"{what}, not an ordinary file", str(path))


def _cache_root() -> Path:
    name = os.environ.get("ZOO_CACHE") or platformdirs.user_cache_dir("keras-model-zoo", appauthor=False)
    try:
        root = Path(name).expanduser()
        root.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(root, os.W_OK | os.X_OK) else "no permission"
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home folder
        reason = getattr(error, "strerror", None) or str(error)
    return _temporary_cache(name, reason) if reason else root


@functools.cache
def _temporary_cache(name: str, reason: str) -> Path:
    """A temporary folder that replaces a cache that can't be written; removed when the process ends."""
    try:
        root = Path(tempfile.mkdtemp(prefix="zoo-cache-"))
    except OSError as error:
        raise JobError(
            f"neither the cache {name} ({reason}) nor a temporary folder can be written ({error.strerror}); "
            "name others with ZOO_CACHE and TMPDIR"
        ) from error
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    warnings.warn(
        f"the cache {name} can't be written ({reason}): nothing is kept for the next run; ZOO_CACHE names another",
        Notice,
        stacklevel=4,
    )
    return root


def check_writable(path: Path, option: str = "--out") -> None:
    """Raise InputError if `path`, a file or folder that need not exist yet, can't be written."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if place != path.absolute() and not place.is_dir():
        raise InputError(f"{path} can't be made: {place} is a file; name another place with {option}")
    if not os.access(place, os.W_OK | os.X_OK if place.is_dir() else os.W_OK):
        raise InputError(f"{path} can't be written: no permission for {place}; name another place with {option}")


def run_folder(out: Path, job: str) -> Path:
    """The folder of a run. The same job has the same folder, so that a crashed run continues there.

    It lies in ``$ZOO_RUNS``, which several working folders may share, by default in ``.runs`` of the current folder.

    Args:
        out: folder of the artifact. Artifacts in different places belong to different jobs, whatever their names.
        job: a hash of the arguments of the job.
    """
    shared = os.environ.get("ZOO_RUNS")
    if shared or out.resolve().parent != Path("saved_models").resolve():
        job = sha256(f"{job} {out.resolve()}".encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return Path(shared or ".runs") / f"{out.name}-{job}"


def remove_run(run: Path) -> None:
    """Remove the folder of a finished run atomically: a process that is killed meanwhile leaves no half of it."""
    renamed = run.with_name(_partial_name("run"))
    with suppress(FileNotFoundError):
        os.replace(run, renamed)
    shutil.rmtree(renamed, ignore_errors=True)


@contextmanager
def locked(run: Path, *, wait: bool = False) -> Iterator[Path]:
    """The folder `run`, made if absent and locked for this thread within the block.

    The operating system releases the lock when the process ends, in whatever way. The lock is reentrant.

    Args:
        run: the folder.
        wait: whether to wait for another holder of the lock, rather than raise an error.

    Raises:
        InputError: the folder can't be made.
        JobError: another process, or another thread of this one, holds the lock.
    """
    key, thread = run.resolve(), threading.get_ident()
    with _released:
        while (holder := _holders.get(key)) not in (None, thread):
            if not wait:
                raise _in_use(run, f"another thread of this process ({os.getpid()})")
            _released.wait()
        _holders[key] = thread
    if holder is not None:
        yield run
        return
    descriptor = None
    try:
        descriptor = _open_lock(run, wait)
        yield run
    finally:
        if descriptor is not None:
            with suppress(OSError):  # removed while the lock is held; a waiting process checks that the file exists
                if _is_lock_of(run, descriptor):  # not the lock of a new run whose folder took the place of this one
                    (run / ".lock").unlink()
            os.close(descriptor)
        with _released:
            del _holders[key]
            _released.notify_all()


_holders: dict[Path, int] = {}  # locked folder of this process -> thread that holds the lock
_released = threading.Condition()  # guards it, and tells those that wait of a released lock


def _open_lock(run: Path, wait: bool) -> int:
    """Descriptor of the locked lock file of `run`. The folder may be removed before the lock is taken: try again."""
    while True:
        try:
            run.mkdir(parents=True, exist_ok=True)
            remove_leftovers(run.parent)
            descriptor = os.open(run / ".lock", os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:  # the last holder removed the folder between the two calls
            continue
        except OSError as error:
            raise InputError(
                f"the run's folder {run} can't be written ({error.strerror}); go to another folder, or name one with "
                "ZOO_RUNS"
            ) from error
        try:
            _lock(descriptor, wait)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() if hasattr(os, "pread") else ""
            os.close(descriptor)
            raise _in_use(run, holder or "another process") from None
        with suppress(FileNotFoundError):
            if _is_lock_of(run, descriptor):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()}, since {time.strftime('%H:%M:%S')},".encode())
                return descriptor
        os.close(descriptor)


def _is_lock_of(run: Path, descriptor: int) -> bool:
    return os.path.samestat(os.fstat(descriptor), os.stat(run / ".lock"))


def _lock(descriptor: int, wait: bool) -> None:
    """Lock an open file, or raise BlockingIOError unless `wait`; do nothing on a system without such locks."""
    with suppress(ImportError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _in_use(run: Path, holder: str) -> JobError:
    return JobError(f"{holder} does this same job already, in {run}; wait for it, or name another --out")


def digest(path: str | Path) -> str:
    """Sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        hasher = sha256()
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to `path` when the block succeeds and removed when it fails.

    Two processes may write the same path: the last one wins, and no reader sees half a file. Symbolic links are
    followed. A pipe or a device is written to directly.

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
    """Reserve `size` bytes at `path`, for writers that end the process when the disk is full, as HDF5 does.

    Raises:
        OSError: the disk has no room for them.
    """
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


@contextmanager
def atomic_folder(parent: Path) -> Iterator[Path]:
    """A new temporary folder in `parent`. The caller renames it; otherwise it is removed when the block ends."""
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
    """Add the file name to an error that has none, as that of a full disk. An error without a number stays as it is."""
    if error.errno is not None:
        error.filename = error.filename or str(path)


def remove_leftovers(folder: Path) -> None:
    """Remove half-written files and folders that killed processes left in `folder`."""
    for partial in folder.glob(f"{_PARTIAL}*"):
        match = _OURS.match(partial.name)
        if match and _abandoned(partial, match[1], int(match[2])):
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
    except OSError:  # the process is alive and belongs to another user
        return True
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
