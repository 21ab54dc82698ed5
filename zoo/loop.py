"""The one training loop: everything that is trained by gradients goes through `fit`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo import progress
from zoo.checkpoints import Checkpoint
from zoo.data.dataset import Inputs, chosen_inputs

if TYPE_CHECKING:
    import keras

CHUNK = 64  # compiled steps between two looks at the clock, the progress bar and Ctrl-C


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


class Batches(Protocol):
    """What `fit` learns from."""

    def __len__(self) -> int:
        """Batches in an epoch."""

    def epoch(self, number: int) -> Iterator[tuple[Any, ...]]:
        """Batches (inputs, targets[, weights]) of epoch `number`, from 0; the same number gives the same ones."""


class Arrays:
    """Examples in memory, dealt out in a new order in each epoch.

    Args:
        inputs: array or dict of arrays, (examples, ...); kept in their dtype, cast to float32 batch by batch.
        targets: (examples, ...).
        weights: float32 (examples,), or None.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        seed: of the order.
        augment: of images, as `zoo.augmentation.augmentation` makes it; None for none.
        whole: leave out the last batch of an epoch where it is smaller; the next epoch has other examples there.
    """

    def __init__(
        self,
        inputs: Inputs,
        targets: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        batch_size: int = 32,
        seed: int = 0,
        augment: keras.Model | None = None,
        whole: bool = False,
    ) -> None:
        self.columns = (inputs, targets) if weights is None else (inputs, targets, weights.astype(np.float32))
        self.batch_size, self.seed, self.augment = batch_size, seed, augment
        self.examples = len(targets)
        self.dealt = self.examples // batch_size * batch_size if whole else self.examples

    def __len__(self) -> int:
        return math.ceil(self.dealt / self.batch_size)

    def order(self, number: int) -> np.ndarray:
        """Positions of the examples in epoch `number`, int32."""
        return np.random.default_rng([self.seed, number]).permutation(self.examples)[: self.dealt].astype(np.int32)

    def epoch(self, number: int) -> Iterator[tuple[Any, ...]]:
        """Batches of epoch `number` as NumPy arrays."""
        order = self.order(number)
        for start in range(0, self.dealt, self.batch_size):
            chosen = order[start : start + self.batch_size]
            inputs, *rest = (chosen_inputs(column, chosen) for column in self.columns)
            if self.augment is not None:
                inputs = self.augment(inputs.astype(np.float32), training=True)
            yield (inputs, *rest)


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
) -> History:
    """Train `model`; with a validation part it ends with the weights of the epoch of least validation loss.

    Those it began with count as an epoch too. Without a validation part it ends with the last ones. On TensorFlow,
    an epoch over `Arrays` runs as compiled chunks of many steps, which for small models saves most of the time.

    Args:
        model: uncompiled; compiled here. One with a ``train_step`` of its own is trained by that.
        batches: what to learn from.
        epochs: at most.
        optimizer: not used before; several for a model whose ``compile`` takes and builds them.
        loss: a Keras loss; None for a model that brings its own.
        metrics: Keras metrics to report beside the loss.
        validation: examples that choose the epoch.
        patience: epochs without improvement after which training ends; None for no early end.
        stop_at: epochs to train, where fewer than the schedule's: a choice made by an earlier run is repeated.
        checkpoint: where to go on from, and what to keep up to date; None to start anew and keep nothing.
        callbacks: Keras callbacks; their events of training and epochs are called.

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    import keras

    model.compile(optimizer, loss, metrics=list(metrics), jit_compile=False)
    optimizers = optimizer if isinstance(optimizer, tuple) else (optimizer,)
    rate = optimizers[0]
    model.stop_training = False
    train, score = _steps(model, batches), _scores(model, validation)
    best = _Best(model)
    rows: list[dict[str, float]] = []
    if checkpoint is not None:
        model.optimizer.build(model.trainable_variables)  # of several the model has built each
        changed = getattr(batches, "augment", None)
        learnt = [variable for each in optimizers for variable in each.variables]
        state = [*model.variables, *learnt, *(changed.variables if changed else [])]
        rows, best.epoch, best.loss, best.weights = checkpoint.restore(state)
    if validation is not None and not rows:
        best.start(score()["loss"])
    watchers = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=epochs)
    watchers.on_train_begin()
    last = min(epochs, stop_at or epochs)
    if rows and patience is not None and validation is not None and len(rows) - best.epoch >= patience:
        last = len(rows)  # it had ended
    with progress.bar("training", last * len(batches)) as advance:
        advance(len(rows) * len(batches))
        for epoch in range(len(rows), last):
            watchers.on_epoch_begin(epoch)
            row = train(epoch, advance)
            if not np.isfinite(row["loss"]):
                raise FloatingPointError(
                    f"the training loss is {row['loss']} in epoch {epoch + 1}; lower the learning rate "
                    f"({float(rate.learning_rate):.3g} now), or clip gradients"
                )
            row |= {f"val_{name}": value for name, value in score().items()} if validation is not None else {}
            rows.append(row | {"learning_rate": float(rate.learning_rate)})
            waited = best.look(epoch + 1, row.get("val_loss"))
            watchers.on_epoch_end(epoch, dict(rows[-1]))
            if checkpoint is not None:
                checkpoint.keep(state, rows, best.epoch, best.loss, best.weights)
            if model.stop_training or (patience is not None and waited >= patience):
                break
    watchers.on_train_end()
    if checkpoint is not None:
        checkpoint.keep(state, rows, best.epoch, best.loss, best.weights, last=True)
    if validation is None:
        return History(len(rows), rows)
    best.restore()
    return History(best.epoch, rows)


class _Best:
    """Weights of the best epoch, kept in memory."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.epoch, self.loss, self.weights = 0, float("inf"), None

    def start(self, loss: float) -> None:
        self.loss, self.weights = loss, self.model.get_weights()

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


def _steps(model: keras.Model, batches: Batches) -> Callable[[int, Callable[[int], None]], dict[str, float]]:
    """A function that takes the number of an epoch, trains it, and gives its mean loss and metrics."""
    import keras

    if keras.backend.backend() != "tensorflow" or not isinstance(batches, Arrays):

        def one_by_one(epoch: int, advance: Callable[[int], None]) -> dict[str, float]:
            sums, examples = Counter(), 0
            for batch in batches.epoch(epoch):
                found = model.train_on_batch(*batch, return_dict=True)  # forgets the batches before
                sums.update({name: float(value) * len(batch[1]) for name, value in found.items()})
                examples += len(batch[1])
                advance(1)
            return {name: value / examples for name, value in sums.items()}

        return one_by_one

    run = _compiled(batches, lambda batch: model.train_step(batch), model, batches.augment)

    def compiled(epoch: int, advance: Callable[[int], None]) -> dict[str, float]:
        model.reset_metrics()
        order, size = batches.order(epoch), CHUNK * batches.batch_size
        for start in range(0, len(order), size):
            run(order[start : start + size])
            advance(math.ceil(len(order[start : start + size]) / batches.batch_size))
        return _results(model)

    return compiled


def _scores(model: keras.Model, validation: Arrays | None) -> Callable[[], dict[str, float]]:
    """A function that gives loss and metrics on the validation part."""
    import keras

    if validation is None:
        return dict
    if keras.backend.backend() != "tensorflow":
        inputs, targets, *weights = validation.columns
        sizes = {"batch_size": validation.batch_size, "verbose": 0, "return_dict": True}
        return lambda: model.evaluate(inputs, targets, sample_weight=weights[0] if weights else None, **sizes)
    run = _compiled(validation, lambda batch: model.test_step(batch), model, None)
    order = np.arange(validation.examples, dtype=np.int32)

    def score() -> dict[str, float]:
        model.reset_metrics()
        run(order)
        return _results(model)

    return score


def _results(model: keras.Model) -> dict[str, float]:
    return {name: float(value) for name, value in model.get_metrics_result().items()}


def _compiled(
    arrays: Arrays, step: Callable[[Any], Any], model: keras.Model, augment: keras.Model | None
) -> Callable[[np.ndarray], None]:
    """A TensorFlow function that takes positions and runs `step` on them, batch after batch."""
    import tensorflow as tf

    columns = tf.nest.map_structure(tf.constant, arrays.columns)
    # Keras makes the variables of metrics and optimizer at the first step, which a loop in a graph does not allow.
    first = np.arange(min(2, arrays.examples))
    model.test_step(tuple(chosen_inputs(column, first) for column in arrays.columns))
    model.optimizer.build(model.trainable_variables)
    model.reset_metrics()

    def body(start: tf.Tensor, positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = positions[start : start + arrays.batch_size]
        inputs, *rest = tf.nest.map_structure(lambda values: tf.gather(values, chosen), columns)
        if augment is not None:
            inputs = augment(tf.cast(inputs, tf.float32), training=True)
        step((inputs, *rest))
        return start + arrays.batch_size, positions

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
    def run(positions: tf.Tensor) -> None:
        count = tf.size(positions)
        tf.while_loop(lambda start, _: start < count, body, (tf.constant(0), positions), parallel_iterations=1)

    return run
