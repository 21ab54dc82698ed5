"""Hyperparameter searches with Keras Tuner, which export the best model as an artifact.

The package uses `applications` and `zoo`; neither of them imports it. Importing it loads neither TensorFlow nor Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import startup  # silences the import of TensorFlow

if TYPE_CHECKING:  # the same names as in `_PUBLIC`, for editors and type checkers
    from tuning import spaces as spaces
    from tuning.objectives import OBJECTIVES as OBJECTIVES
    from tuning.results import SearchResult as SearchResult
    from tuning.searching import search as search
    from tuning.space_models import hypermodel as hypermodel

_PUBLIC = {
    "OBJECTIVES": "tuning.objectives",
    "SearchResult": "tuning.results",
    "hypermodel": "tuning.space_models",
    "search": "tuning.searching",
    "spaces": "tuning.spaces",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = startup.lazy(__name__, _PUBLIC)
