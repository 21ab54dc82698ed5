"""Hyperparameter searches with Keras Tuner whose winner is an artifact.

It stands on `applications` and `zoo`, and neither of them knows it. Importing this package loads neither TensorFlow
nor Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import zoo  # noqa: F401  which sees to it that TensorFlow is imported quietly

if TYPE_CHECKING:  # the same names as in `_PUBLIC`, for editors and type checkers
    from tuning import spaces as spaces
    from tuning.objectives import OBJECTIVES as OBJECTIVES
    from tuning.results import SearchResult as SearchResult
    from tuning.searching import search as search

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
