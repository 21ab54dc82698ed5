"""The one training loop: everything that is trained by gradients goes through `fit`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import progress
from zoo.training.batches import Arrays, Batches, check_finite
from zoo.training.callbacks import Watchers, check
from zoo.training.checkpoints import Checkpoint
from zoo.training.compiling import Logs, Reuse, session

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class History:
    """What a training run left.

    Attributes:
        best_epoch: epoch whose weights the model has, counted from 1; 0 for those it began with.
        epochs: one row an epoch: ``loss`` and metrics, ``val_loss`` and so on where there was a validation part, and
            ``learning_rate``.
    """

    best_epoch: int
    epochs: list[dict[str, float]]


def fit(
    model: keras.Model,
    batches: Batches,
    *,
    epochs: int,
    optimizer: keras.optimizers.Optimizer | tuple[keras.optimizers.Optimizer, ...],
    loss: Any = None,
    metrics: Sequence[Any] = (),
    validation: Arrays | None = None,
    patience: int | None = None,
    stop_at: int | None = None,
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    deadline: float | None = None,
    reuse: Reuse | None = None,
) -> History:
    """Train `model`; with a validation part it ends with the weights of the epoch of least validation loss.

    Those it began with count as an epoch too. Without a validation part it ends with the last ones.

    Args:
        model: uncompiled; compiled here. One with a ``train_step`` of its own is trained by that.
        batches: what to learn from.
        epochs: at most.
        optimizer: not used before; several for a model whose ``compile`` takes and builds them.
        loss: a Keras loss; None for a model that brings its own.
        metrics: Keras metrics to report beside the loss.
        validation: examples that choose the epoch.
        patience: epochs without improvement after which training ends, 0 as 1; None for no early end.
        stop_at: epochs to train, where fewer than the schedule's: a choice made by an earlier run is repeated.
        checkpoint: where to go on from, and what to keep up to date; None to start anew and keep nothing.
        callbacks: Keras callbacks, called as Keras does, but for batches of the validation part.
        deadline: of `time.monotonic`; the epoch in which it passes is broken off and does not count, nor do the
            weights it left.
        reuse: compiled functions of models before, for many short trainings.

    Raises:
        InputError: a callback can't work here; an example is not finite: told before the first step where `batches`
            are `Arrays`.
        FloatingPointError: the loss or a weight is no longer finite.
    """
    several = optimizer if isinstance(optimizer, tuple) else (optimizer,)
    callbacks = check(callbacks, several, validation is not None)
    if isinstance(batches, Arrays):
        check_finite(batches.columns)
    if validation is not None:
        check_finite(validation.columns, "validation ")
    arguments = (batches, optimizer, loss, metrics, validation)
    given, made = model, (reuse.session if reuse else session)(model, *arguments)
    model = made.model
    model.stop_training = False
    best = _Best(model)
    rows: list[dict[str, float]] = []
    if checkpoint is not None:
        changed = getattr(batches, "augment", None)
        state = [*made.variables, *made.learnt, *(changed.variables if changed else [])]
        rows, best.epoch, best.loss, best.weights = checkpoint.restore(state)
    if validation is not None and not rows:
        best.start(made.score()["loss"])
    watchers = Watchers(made, callbacks, epochs, len(batches))
    watchers.all.on_train_begin()
    last = min(epochs, stop_at or epochs)
    if rows and validation is not None and _impatient(len(rows) - best.epoch, patience):
        last = len(rows)  # it had ended
    whole, before = True, model.get_weights() if deadline is not None and validation is None else None
    with progress.bar("training", last * len(batches)) as advance:
        advance(len(rows) * len(batches))

        def stepped(steps: int, logs: Logs) -> None:
            advance(steps)
            watchers.stepped(logs)
            if deadline is not None and time.monotonic() > deadline:
                raise _OutOfTime

        for epoch in range(len(rows), last):
            watchers.began(epoch)
            try:
                row = made.train(batches, epoch, stepped, watchers.chunk)
            except _OutOfTime:
                whole = False
                break
            rate = float(made.optimizers[0].learning_rate)
            finite = np.isfinite(row["loss"])
            reason = broken_weights(made.variables) if finite else f"the training loss is {row['loss']}"
            if reason:
                raise FloatingPointError(
                    f"{reason} in epoch {epoch + 1}; lower the learning rate ({rate:.3g} now), or clip gradients"
                )
            row |= {f"val_{name}": value for name, value in watchers.scored(validation is not None).items()}
            rows.append(row | {"learning_rate": rate})
            waited = best.look(epoch + 1, row.get("val_loss"))
            before = before and model.get_weights()
            watchers.all.on_epoch_end(epoch, dict(rows[-1]))
            if checkpoint is not None:
                checkpoint.keep(state, rows, best.epoch, best.loss, best.weights)
            if model.stop_training or _impatient(waited, patience):
                break
    made.give_back()
    watchers.all.on_train_end(dict(rows[-1]) if rows else None)
    if checkpoint is not None and whole:
        checkpoint.keep(state, rows, best.epoch, best.loss, best.weights, last=True)
    if validation is not None:
        best.restore()
    elif not whole:
        model.set_weights(before)
    if model is not given:
        given.set_weights(model.get_weights())
    return History(len(rows) if validation is None else best.epoch, rows)


def _impatient(waited: int, patience: int | None) -> bool:
    """Whether to wait no longer: the epoch that is best is never one without improvement, whatever the patience."""
    return patience is not None and waited >= max(1, patience)


def broken_weights(variables: Sequence[keras.Variable]) -> str:
    """Which variable is no longer finite, in words; empty where all are. Their loss may be: ReLU can hide NaN."""
    import keras

    for each in variables:
        if keras.backend.is_float_dtype(each.dtype) and not np.isfinite(keras.ops.convert_to_numpy(each.value)).all():
            return f"the weights {each.path} are no longer finite"
    return ""


class _OutOfTime(Exception):
    """The deadline passed within an epoch."""


class _Best:
    """Weights of the best epoch, kept in memory."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.epoch, self.loss, self.weights = 0, float("inf"), None

    def start(self, loss: float) -> None:
        if np.isfinite(loss):  # else any epoch of which the loss is a number is better
            self.loss = loss
        self.weights = self.model.get_weights()

    def look(self, epoch: int, loss: float | None) -> int:
        """Epochs since the best one, this one included."""
        if loss is None:
            return 0
        if loss < self.loss:
            self.epoch, self.loss, self.weights = epoch, loss, self.model.get_weights()
        return epoch - self.epoch

    def restore(self) -> None:
        if self.weights is not None:
            self.model.set_weights(self.weights)
