"""Starting quickly and quietly: what Keras and TensorFlow import that no command needs, and what they write then."""

from __future__ import annotations

import gc
import importlib
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from typing import Any, BinaryIO

# Each takes half a second to two. Keras wraps scikit-learn and plots where it can, looks whether Orbax is there by way
# of JAX; TensorFlow's converter for LiteRT takes models of JAX.
NEEDLESS = {
    "sklearn": ("keras",),
    "matplotlib": ("keras",),
    "pandas": ("keras",),
    "jax": ("tensorflow.lite.python.util", "keras.src.callbacks.orbax_checkpoint"),
}

# Lines of TensorFlow's and LiteRT's logs, and what goes before and after them.
NOISE = re.compile(
    rb"(WARNING: All log messages before absl::InitializeLog\(\)|To enable the following instructions: |INFO: Created "
    rb"|[IWE]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ \S+:\d+\] |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] ).*\n?"
)


def lazy(package: str, public: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package whose public names are imported when they are asked for.

    Args:
        package: its name.
        public: name -> the module that has it, or that it is.

    Source: PEP 562.
    """

    def attribute(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(public[name])
        return module if module.__name__ == f"{package}.{name}" else getattr(module, name)

    return attribute, lambda: sorted(public)


def quicken() -> None:
    """From now on `NEEDLESS` packages seem absent to those that import them needlessly, and to nobody else.

    For processes of our own, before Keras is imported: in somebody else's program Keras keeps what it finds. Garbage is
    looked for less often too: imports and traces make objects by the million that stay, and to look through them after
    every 700 is a fifth of the time.
    """
    gc.set_threshold(20_000)
    if not any(isinstance(finder, _Spared) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Spared())


class _Spared(MetaPathFinder):
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in NEEDLESS and _imported_by(NEEDLESS[name]):
            raise ModuleNotFoundError(f"{name} is not needed to start", name=name)


def _imported_by(modules: tuple[str, ...]) -> bool:
    """Whether one of them is being imported by this very thread: another may need what they do not."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") in modules:
            return True
        frame = frame.f_back
    return False


def hush() -> None:
    """From now on TensorFlow is imported without a line on standard error, whoever imports it."""
    if not any(isinstance(finder, _Hushed) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Hushed())


class _Hushed(MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "tensorflow":
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            load = spec.loader.exec_module

            def quietly(module: Any) -> None:
                with hushed():
                    load(module)
                    with suppress(Exception):  # at the first look at devices it tells which are not there
                        module.config.list_physical_devices()

            spec.loader.exec_module = quietly
        return spec


@contextmanager
def hushed() -> Iterator[None]:
    """Keep `NOISE` within the block off standard error; where the block raises it is written after all.

    TensorFlow writes before it looks at TF_CPP_MIN_LOG_LEVEL, and past `sys.stderr`: file descriptor 2 is a temporary
    file within the block. What else was written to it, as by other threads, follows after the block.
    """
    _aside.enter()
    failed = False
    try:
        yield
    except Exception:  # rather than Ctrl-C
        failed = True
        raise
    finally:
        _aside.leave(failed)


class _Aside:
    """Blocks of any thread: the first to begin puts descriptor 2 aside, the last to end brings it back."""

    def __init__(self) -> None:
        self.lock, self.blocks, self.failed = threading.Lock(), 0, False
        self.kept = -1  # a copy of descriptor 2 as it was
        self.file: BinaryIO | None = None  # in its place

    def enter(self) -> None:
        import tempfile

        with self.lock:
            self.blocks += 1
            if self.blocks > 1:
                return
            with suppress(Exception):  # there may be no such thing
                sys.stderr.flush()
            self.failed = False
            try:
                self.kept = os.dup(2)
            except OSError:  # closed: nobody is there to be disturbed
                return
            try:
                self.file = tempfile.TemporaryFile()  # noqa: SIM115  closed by `_back`
                os.dup2(self.file.fileno(), 2)
            except OSError:  # no place for such a file: noise rather than no result
                self._back()

    def leave(self, failed: bool) -> None:
        with self.lock:
            self.blocks -= 1
            self.failed |= failed
            if not self.blocks:
                self._back()

    def _back(self) -> None:
        if self.kept >= 0:
            os.dup2(self.kept, 2)
            os.close(self.kept)
        file, self.kept, self.file = self.file, -1, None
        if file is not None:
            with file, suppress(OSError):
                file.seek(0)
                said = file.read()
                with open(2, "wb", closefd=False) as stderr:
                    stderr.write(said if self.failed else NOISE.sub(b"", said))


_aside = _Aside()
