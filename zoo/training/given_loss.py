"""A loss that a caller brings, on targets as tasks have them. Importing this imports Keras."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class GivenLoss(keras.losses.Loss):
    """A loss on one-hot targets where tasks have positions of classes, or on targets as they are.

    Args:
        loss: of Keras, or its name.
        config: of the loss, as the card tells it.
        one_hot: whether targets are positions (batch, ...), of which the loss gets one-hot rows (batch, ..., classes).
    """

    def __init__(self, loss: keras.losses.Loss | str, config: Any, *, one_hot: bool, **options: Any) -> None:
        function = keras.losses.get(loss)
        self._is_loss = isinstance(function, keras.losses.Loss)
        super().__init__(**{"reduction": getattr(function, "reduction", "sum_over_batch_size")} | options)
        self.loss, self.given, self.config, self.one_hot = loss, function, config, one_hot

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each example, before its reduction."""
        if self.one_hot:
            y_true = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
        return self.given.call(y_true, y_pred) if self._is_loss else self.given(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """The arguments of `__init__`."""
        loss = self.loss if isinstance(self.loss, str) else keras.saving.serialize_keras_object(self.loss)
        return super().get_config() | {"loss": loss, "config": self.config, "one_hot": self.one_hot}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GivenLoss:
        """The loss of `get_config`."""
        loss = config["loss"]
        loss = loss if isinstance(loss, str) else keras.saving.deserialize_keras_object(loss)
        return cls(**config | {"loss": loss})
