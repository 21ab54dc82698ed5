"""Pretrained image models, as they are and on your own folder.

Importing this package loads neither TensorFlow nor Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import startup  # silences the import of TensorFlow

if TYPE_CHECKING:  # the same names as in `_PUBLIC`, for editors and type checkers
    from applications.backbones import BACKBONES as BACKBONES
    from applications.backbones import Backbone as Backbone
    from applications.backbones import backbone as backbone
    from applications.fine_tuning import FineTuned as FineTuned
    from applications.fine_tuning import fine_tune as fine_tune
    from applications.pretrained import classifier as classifier
    from applications.similarity import embed as embed
    from applications.similarity import similar as similar
    from applications.weights import WeightsUnavailable as WeightsUnavailable

_PUBLIC = {
    "BACKBONES": "applications.backbones",
    "Backbone": "applications.backbones",
    "FineTuned": "applications.fine_tuning",
    "WeightsUnavailable": "applications.weights",
    "backbone": "applications.backbones",
    "classifier": "applications.pretrained",
    "embed": "applications.similarity",
    "fine_tune": "applications.fine_tuning",
    "similar": "applications.similarity",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = startup.lazy(__name__, _PUBLIC)
