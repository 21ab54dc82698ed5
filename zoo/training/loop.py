"""The training loop: everything that is trained by gradients goes through `fit`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import progress
from zoo.training.batches import Arrays, Batches, check_finite
from zoo.training.callbacks import CallbackRunner, check
from zoo.training.checkpoints import Checkpoint
from zoo.training.compiling import Logs, SessionCache, session

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class History:
    """The history of a training run.

    Attributes:
        best_epoch: epoch whose weights the model has, counted from 1; 0 for the initial weights.
        epochs: one row an epoch: ``loss`` and metrics, ``val_loss`` and so on if there is a validation part, and
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
    reuse: SessionCache | None = None,
) -> History:
    """Train `model`. With a validation part, it ends with the weights of the epoch of least validation loss.

    The initial weights count as an epoch too. Without a validation part, it ends with the last weights.

    Args:
        model: uncompiled; it is compiled here. A ``train_step`` of its own is used.
        batches: to learn from.
        epochs: at most.
        optimizer: not used before; several for a model whose ``compile`` takes and builds them.
        loss: a Keras loss; None for a model with a loss of its own.
        metrics: Keras metrics to report beside the loss.
        validation: examples that choose the best epoch.
        patience: epochs without improvement after which training ends, 0 as 1; None for no early end.
        stop_at: epochs to train, if fewer than those of the schedule, as chosen by an earlier run.
        checkpoint: to continue from, and to update; None to start anew and write nothing.
        callbacks: Keras callbacks, called in the way of Keras, except for batches of the validation part.
        deadline: of `time.monotonic`; the epoch in which it passes is stopped, and neither the epoch nor its weights
            count.
        reuse: a cache of compiled functions, for many short trainings.

    Raises:
        InputError: a callback is not supported, or an example is not finite; for `Arrays` before the first step.
        FloatingPointError: the loss or a weight is no longer finite.
    """
    several = optimizer if isinstance(optimizer, tuple) else (optimizer,)
    callbacks = check(callbacks, several, validation is not None)
    if isinstance(batches, Arrays):
        check_finite(batches.columns)
    if validation is not None:
        check_finite(validation.columns, "validation ")
    arguments = (batches, optimizer, loss, metrics, validation)
    given, compiled = model, (reuse.session if reuse else session)(model, *arguments)
    model = compiled.model
    model.stop_training = False
    best = _Best(model)
    rows: list[dict[str, float]] = []
    if checkpoint is not None:
        augment = getattr(batches, "augment", None)
        state = [*compiled.variables, *compiled.optimizer_variables, *(augment.variables if augment else [])]
        rows, best.epoch, best.loss, best.weights = checkpoint.restore(state)
    if validation is not None and not rows:
        best.start(compiled.score()["loss"])
    runner = CallbackRunner(compiled, callbacks, epochs, len(batches))
    runner.all.on_train_begin()
    last = min(epochs, stop_at or epochs)
    if rows and validation is not None and _impatient(len(rows) - best.epoch, patience):
        last = len(rows)  # the run had ended early
    complete, before = True, model.get_weights() if deadline is not None and validation is None else None
    with progress.bar("training", last * len(batches)) as advance:
        advance(len(rows) * len(batches))

        def on_chunk(steps: int, logs: Logs) -> None:
            advance(steps)
            runner.chunk_end(logs)
            if deadline is not None and time.monotonic() > deadline:
                raise _OutOfTime

        for epoch in range(len(rows), last):
            runner.epoch_begin(epoch)
            try:
                row = compiled.train(batches, epoch, on_chunk, runner.chunk)
            except _OutOfTime:
                complete = False
                break
            rate = float(compiled.optimizers[0].learning_rate)
            finite = np.isfinite(row["loss"])
            reason = broken_weights(compiled.variables) if finite else f"the training loss is {row['loss']}"
            if reason:
                raise FloatingPointError(
                    f"{reason} in epoch {epoch + 1}; lower the learning rate ({rate:.3g} now), or clip gradients"
                )
            row |= {f"val_{name}": value for name, value in runner.score(validation is not None).items()}
            rows.append(row | {"learning_rate": rate})
            waited = best.update(epoch + 1, row.get("val_loss"))
            before = before and model.get_weights()
            runner.all.on_epoch_end(epoch, dict(rows[-1]))
            if checkpoint is not None:
                checkpoint.keep(state, rows, best.epoch, best.loss, best.weights)
            if model.stop_training or _impatient(waited, patience):
                break
    compiled.sync_optimizer()
    runner.all.on_train_end(dict(rows[-1]) if rows else None)
    if checkpoint is not None and complete:
        checkpoint.keep(state, rows, best.epoch, best.loss, best.weights, last=True)
    if validation is not None:
        best.restore()
    elif not complete:
        model.set_weights(before)
    if model is not given:
        given.set_weights(model.get_weights())
    return History(len(rows) if validation is None else best.epoch, rows)


def _impatient(waited: int, patience: int | None) -> bool:
    """Whether to stop after `waited` epochs without improvement; the best epoch itself never stops training."""
    return patience is not None and waited >= max(1, patience)


def broken_weights(variables: Sequence[keras.Variable]) -> str:
    """Words on a variable that is no longer finite; empty if all are. The loss may still be: ReLU can hide NaN."""
    import keras

    for each in variables:
        if keras.backend.is_float_dtype(each.dtype) and not np.isfinite(keras.ops.convert_to_numpy(each.value)).all():
            return f"the weights {each.path} are no longer finite"
    return ""


class _OutOfTime(Exception):
    """The deadline passed within an epoch."""


class _Best:
    """The weights of the best epoch, in memory."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.epoch, self.loss, self.weights = 0, float("inf"), None

    def start(self, loss: float) -> None:
        if np.isfinite(loss):  # otherwise any epoch with a finite loss is better
            self.loss = loss
        self.weights = self.model.get_weights()

    def update(self, epoch: int, loss: float | None) -> int:
        """Compare an epoch with the best one, and return the number of epochs since the best."""
        if loss is None:
            return 0
        if loss < self.loss:
            self.epoch, self.loss, self.weights = epoch, loss, self.model.get_weights()
        return epoch - self.epoch

    def restore(self) -> None:
        if self.weights is not None:
            self.model.set_weights(self.weights)
