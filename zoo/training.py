"""The one training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class History:
    """What a training run left.

    Attributes:
        best_epoch: epoch whose weights the model has, counted from 1; 0 for those it began with.
        epochs: one row an epoch: ``loss``, and ``val_loss`` where there was a validation part.
    """

    best_epoch: int
    epochs: list[dict[str, float]]


def fit(
    model: keras.Model,
    batches: keras.utils.PyDataset,
    *,
    loss: Any,
    epochs: int,
    learning_rate: float,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    patience: int | None = None,
    stop_at: int | None = None,
) -> History:
    """Train `model` with Adam, a linear warm-up over a tenth of the steps, cosine decay and clipped gradients.

    With a validation part the model ends with the weights of the epoch of least validation loss, those it began
    with included; else with the last ones.

    Args:
        model: uncompiled; compiled here.
        batches: gives (inputs, targets[, weights]); its length is an epoch.
        loss: a Keras loss.
        epochs: of the schedule.
        learning_rate: at its peak.
        validation: inputs and targets.
        patience: epochs without improvement after which training ends; None for no early end.
        stop_at: epochs to train, where fewer than the schedule's: a choice made by an earlier run is repeated.

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    import keras

    steps = len(batches) * epochs
    warm_up = max(1, steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm_up), warmup_target=learning_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.Adam(schedule, clipnorm=1.0)
    model.compile(optimizer, loss)
    best = _Best(model, patience)
    if validation is not None:
        best.start(float(model.evaluate(*validation, verbose=0)))
    history = model.fit(
        batches,
        epochs=stop_at or epochs,
        validation_data=validation,
        callbacks=[best.callback(keras)],
        shuffle=False,
        verbose=0,  # standard output belongs to the command
    ).history
    rows = [dict(zip(history, map(float, values), strict=True)) for values in zip(*history.values(), strict=True)]
    if any(not np.isfinite(row["loss"]) for row in rows):
        raise FloatingPointError(f"the training loss is no longer finite; lower the learning rate ({learning_rate:g})")
    if validation is None:
        return History(len(rows), rows)
    best.restore()
    return History(best.epoch, rows)


class _Best:
    """Weights of the best epoch, kept in memory."""

    def __init__(self, model: keras.Model, patience: int | None) -> None:
        self.model, self.patience = model, patience
        self.epoch, self.loss, self.weights = 0, float("inf"), None

    def start(self, loss: float) -> None:
        self.loss, self.weights = loss, self.model.get_weights()

    def end_of_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        if not np.isfinite(logs["loss"]):
            self.model.stop_training = True
            return
        if logs.get("val_loss", float("inf")) < self.loss:
            self.epoch, self.loss, self.weights = epoch + 1, logs["val_loss"], self.model.get_weights()
        elif self.patience is not None and epoch + 1 - self.epoch >= self.patience:
            self.model.stop_training = True

    def callback(self, keras: Any) -> keras.callbacks.Callback:
        return keras.callbacks.LambdaCallback(on_epoch_end=self.end_of_epoch)

    def restore(self) -> None:
        if self.weights is not None:
            self.model.set_weights(self.weights)
