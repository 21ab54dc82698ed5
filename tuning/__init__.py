"""Hyperparameter searches with Keras Tuner whose winner is an artifact.

It stands on `applications` and `zoo`, and neither of them knows it. Importing this package loads neither TensorFlow
nor Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import startup  # which sees to it that TensorFlow is imported quietly

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
__getattr__, __dir__ = startup.lazy(__name__, _PUBLIC)
