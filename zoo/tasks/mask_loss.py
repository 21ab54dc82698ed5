"""The loss of masks. Importing this imports Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

EPSILON = 1e-7


@keras.saving.register_keras_serializable(package="zoo")
class MaskLoss(keras.losses.Loss):
    """`mask_losses` of whole numbers (batch, height, width) and probabilities (batch, height, width, classes)."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Float32 (batch,)."""
        true = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype="float32")
        return mask_losses(true, ops.cast(y_pred, "float32"), ops)


def mask_losses(true: Any, said: Any, xp: Any) -> Any:
    """Of each image the mean cross-entropy of its pixels, in nats, and 1 less the mean soft Dice of the classes it has.

    Dice weighs each class of an image alike, however few pixels it has, as the scores do; cross-entropy gives steady
    gradients where a class is not found at all. A class that is not in the true mask is left to the cross-entropy: its
    Dice would be 0 whatever is predicted.

    Args:
        true: float (images, height, width, classes) of 0 and 1.
        said: predicted probabilities, float, the same shape.
        xp: numpy or keras.ops.

    Returns:
        float (images,).

    Source: Milletari, Navab and Ahmadi 2016, "V-Net", section 3 (soft Dice); Isensee et al. 2021, "nnU-Net", methods
        (the sum of both).
    """
    said = xp.clip(said, EPSILON, 1.0)
    cross = -xp.mean(xp.sum(true * xp.log(said), axis=-1), axis=(1, 2))
    there, both = xp.sum(true, axis=(1, 2)), xp.sum(true * said, axis=(1, 2))
    dice = 2.0 * both / xp.maximum(there + xp.sum(said, axis=(1, 2)), 1.0)
    has = xp.minimum(there, 1.0)
    return cross + 1.0 - xp.sum(dice * has, axis=-1) / xp.maximum(xp.sum(has, axis=-1), 1.0)


def of_positions(positions: np.ndarray, said: np.ndarray) -> np.ndarray:
    """`mask_losses` in NumPy, one image at a time, float64 (images,).

    Args:
        positions: of the classes, whole numbers (images, height, width).
        said: probabilities (images, height, width, classes).
    """
    hot = np.eye(said.shape[-1])
    pairs = zip(positions, said, strict=True)
    return np.array([mask_losses(hot[true][None], one[None].astype(np.float64), np)[0] for true, one in pairs])
