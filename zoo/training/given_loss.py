"""A loss that a caller brings, on targets as tasks have them. Importing this imports Keras."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class GivenLoss(keras.losses.Loss):
    """A loss on one-hot targets where tasks have positions of classes, or on targets as they are.

    Args:
        loss: of Keras, or its name.
        config: of the loss, as the card tells it.
        one_hot: whether targets are positions (batch, ...), of which the loss gets one-hot rows (batch, ..., classes).
    """

    def __init__(self, loss: keras.losses.Loss | str, config: Any, *, one_hot: bool) -> None:
        function = keras.losses.get(loss)
        self._is_loss = isinstance(function, keras.losses.Loss)
        super().__init__(reduction=function.reduction if self._is_loss else "sum_over_batch_size")
        self.given, self.described, self.one_hot = function, config, one_hot

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each example, before its reduction."""
        if self.one_hot:
            y_true = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
        return self.given.call(y_true, y_pred) if self._is_loss else self.given(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """What tells it from others."""
        return super().get_config() | {"given": self.described, "one_hot": self.one_hot}
