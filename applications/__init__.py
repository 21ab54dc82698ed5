"""Pretrained image models on your own folder.

Importing this package loads neither TensorFlow nor Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import zoo  # noqa: F401  which sees to it that TensorFlow is imported quietly

if TYPE_CHECKING:  # the same names as in `_PUBLIC`, for editors and type checkers
    from applications.backbones import BACKBONES as BACKBONES
    from applications.backbones import Backbone as Backbone
    from applications.backbones import backbone as backbone
    from applications.fine_tuning import FineTuned as FineTuned
    from applications.fine_tuning import fine_tune as fine_tune
    from applications.weights import WeightsUnavailable as WeightsUnavailable

_PUBLIC = {
    "BACKBONES": "applications.backbones",
    "Backbone": "applications.backbones",
    "FineTuned": "applications.fine_tuning",
    "WeightsUnavailable": "applications.weights",
    "backbone": "applications.backbones",
    "fine_tune": "applications.fine_tuning",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'applications' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
