"""Hyperparameter searches with Keras Tuner whose winner is an artifact.

It stands on `applications` and `zoo`, and neither of them knows it. Importing this package loads neither TensorFlow
nor Keras.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "OBJECTIVES": "tuning.objectives",
    "SearchResult": "tuning.results",
    "search": "tuning.searching",
    "spaces": "tuning.spaces",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tuning' has no attribute {name!r}")
    module = importlib.import_module(_PUBLIC[name])
    return module if module.__name__ == f"tuning.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
