"""Starting quickly: what Keras and TensorFlow import because it is installed, and no command needs of them."""

from __future__ import annotations

import gc
import inspect
import sys
from importlib.abc import MetaPathFinder

# Each takes half a second to two. Keras wraps scikit-learn and plots where it can, looks whether Orbax is there by way
# of JAX; TensorFlow's converter for LiteRT takes models of JAX.
NEEDLESS = {
    "sklearn": ("keras",),
    "matplotlib": ("keras",),
    "pandas": ("keras",),
    "jax": ("tensorflow.lite.python.util", "keras.src.callbacks.orbax_checkpoint"),
}


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
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") in modules:
            return True
        frame = frame.f_back
    return False
