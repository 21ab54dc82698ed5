"""A quick and quiet start: imports of Keras and TensorFlow that no command needs, and their noise, are left out."""

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

# Package -> modules that import it needlessly. Each import takes half a second to two. Keras wraps scikit-learn and
# plots if it can, and looks for Orbax by way of JAX; TensorFlow's converter for LiteRT takes models of JAX.
NEEDLESS = {
    "sklearn": ("keras",),
    "matplotlib": ("keras",),
    "pandas": ("keras",),
    "jax": ("tensorflow.lite.python.util", "keras.src.callbacks.orbax_checkpoint"),
}

# Lines of the logs of TensorFlow and LiteRT, and the lines around them.
NOISE = re.compile(
    rb"(WARNING: All log messages before absl::InitializeLog\(\)|To enable the following instructions: |INFO: Created "
    rb"|[IWE]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ \S+:\d+\] |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] ).*\n?"
)


def lazy(package: str, public: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package that imports each public name on first use.

    Args:
        package: name of the package.
        public: name -> the module that defines it, or the module of that name.

    Source: PEP 562.
    """

    def attribute(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(public[name])
        return module if module.__name__ == f"{package}.{name}" else getattr(module, name)

    return attribute, lambda: sorted(public)


def skip_needless_imports() -> None:
    """Make `NEEDLESS` packages seem absent to the modules that import them needlessly, and to no others.

    It is for processes of this project, and must come before the import of Keras: in another program Keras keeps all
    its imports. Garbage is collected less often too: imports and traces make millions of objects that stay, and a
    collection after every 700 takes a fifth of the time.
    """
    gc.set_threshold(20_000)
    if not any(isinstance(finder, _NeedlessImports) for finder in sys.meta_path):
        sys.meta_path.insert(0, _NeedlessImports())


class _NeedlessImports(MetaPathFinder):
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in NEEDLESS and _imported_by(NEEDLESS[name]):
            raise ModuleNotFoundError(f"{name} is not needed to start", name=name)


def _imported_by(modules: tuple[str, ...]) -> bool:
    """Whether this thread is importing one of `modules`. Another thread may need the package for itself."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") in modules:
            return True
        frame = frame.f_back
    return False


def silence_tensorflow() -> None:
    """Make every later import of TensorFlow write nothing to standard error."""
    if not any(isinstance(finder, _QuietTensorFlow) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietTensorFlow())


class _QuietTensorFlow(MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "tensorflow":
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            load = spec.loader.exec_module

            def quietly(module: Any) -> None:
                with without_noise():
                    load(module)
                    with suppress(Exception):  # TensorFlow logs absent devices when it first lists them
                        module.config.list_physical_devices()

            spec.loader.exec_module = quietly
        return spec


@contextmanager
def without_noise() -> Iterator[None]:
    """Remove `NOISE` from standard error within the block, unless the block raises.

    TensorFlow writes before it reads TF_CPP_MIN_LOG_LEVEL, and not through `sys.stderr`. Within the block, file
    descriptor 2 is a temporary file. All other text in it, as that of other threads, is written after the block.
    """
    _stderr_filter.enter()
    failed = False
    try:
        yield
    except Exception:  # but not Ctrl-C
        failed = True
        raise
    finally:
        _stderr_filter.leave(failed)


class _StderrFilter:
    """Blocks of any thread: the first to begin redirects descriptor 2, the last to end restores it."""

    def __init__(self) -> None:
        self.lock, self.blocks, self.failed = threading.Lock(), 0, False
        self.stderr = -1  # a copy of the original descriptor 2
        self.file: BinaryIO | None = None  # takes its place

    def enter(self) -> None:
        import tempfile

        with self.lock:
            self.blocks += 1
            if self.blocks > 1:
                return
            with suppress(Exception):  # sys.stderr may be None
                sys.stderr.flush()
            self.failed = False
            try:
                self.stderr = os.dup(2)
            except OSError:  # standard error is closed: nobody reads it
                return
            try:
                self.file = tempfile.TemporaryFile()  # noqa: SIM115  closed by `_restore`
                os.dup2(self.file.fileno(), 2)
            except OSError:  # no room for a temporary file: noise is better than no result
                self._restore()

    def leave(self, failed: bool) -> None:
        with self.lock:
            self.blocks -= 1
            self.failed |= failed
            if not self.blocks:
                self._restore()

    def _restore(self) -> None:
        if self.stderr >= 0:
            os.dup2(self.stderr, 2)
            os.close(self.stderr)
        file, self.stderr, self.file = self.file, -1, None
        if file is not None:
            with file, suppress(OSError):
                file.seek(0)
                text = file.read()
                with open(2, "wb", closefd=False) as stderr:
                    stderr.write(text if self.failed else NOISE.sub(b"", text))


_stderr_filter = _StderrFilter()
