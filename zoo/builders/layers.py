"""Layers that Keras lacks, registered so that saved models load in safe mode once this module is imported."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

POOLINGS = ("last", "mean", "max", "mean_max")


@keras.saving.register_keras_serializable("zoo")
class Padding(keras.layers.Layer):
    """Turns NaN into 0 and masks the steps that are NaN in every feature.

    Input: float (batch, length, features). Output: the same shape, without NaN, with a Keras mask.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Float (batch, length, features) -> the same."""
        return ops.where(ops.isnan(inputs), ops.zeros_like(inputs), inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Bool (batch, length), False at padding."""
        return ops.logical_not(ops.all(ops.isnan(inputs), axis=-1))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The same."""
        return input_shape


@keras.saving.register_keras_serializable("zoo")
class MaskedPooling(keras.layers.Layer):
    """Mean, maximum or both over the steps that are not masked; 0 where all of them are.

    Input: float (batch, length, features). Output: float (batch, features), twice the features for "mean_max".
    """

    def __init__(self, mode: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mode = mode
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Float (batch, length, features), bool (batch, length) -> float (batch, features)."""
        kept = ops.ones_like(inputs[..., :1]) if mask is None else ops.cast(mask, inputs.dtype)[..., None]
        parts = []
        if "mean" in self.mode:
            parts.append(ops.sum(inputs * kept, axis=1) / ops.maximum(ops.sum(kept, axis=1), 1))
        if "max" in self.mode:
            lowest = ops.where(kept > 0, inputs, ops.full_like(inputs, -6e4))  # near the lowest float16
            parts.append(ops.where(ops.max(kept, axis=1) > 0, ops.max(lowest, axis=1), 0.0))
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """No steps, no mask."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(batch, features)."""
        return input_shape[0], input_shape[-1] * (2 if self.mode == "mean_max" else 1)

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes."""
        return super().get_config() | {"mode": self.mode}
