"""Compiled functions for training steps and scores, which models of the same structure can share."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.parts import chosen_inputs
from zoo.keras_internals import compiled_state, learning_rate
from zoo.training.augmentation import augmented
from zoo.training.batches import Arrays, Batches, check_finite
from zoo.training.structures import structure

if TYPE_CHECKING:
    import keras

    from zoo.training.fused import FusedOptimizer

CHUNK = 64  # compiled steps between two updates of the progress bar, which also check the deadline and Ctrl-C

Logs = Callable[[], dict[str, float]]
Advance = Callable[[int, Logs], None]
Epoch = Callable[[Batches, int, Advance, int], dict[str, float]]


@dataclass(frozen=True)
class Session:
    """A compiled model, with functions to train and to score it.

    Attributes:
        model: compiled.
        optimizers: of the model.
        variables: of the model: weights and the states of its random layers.
        train: a function of batches, the number of an epoch, a callback, and the number of steps between two calls of
            it at most; the callback takes the number of steps, and a function that returns loss and metrics so far.
            It returns the mean loss and metrics of the epoch.
        score: a function that returns loss and metrics on the validation part.
        fused: updates all weights in place of the optimizer; None if the optimizer does so itself.
        compiled: attributes that compiling set of the model, by name.
    """

    model: keras.Model
    optimizers: tuple[keras.optimizers.Optimizer, ...]
    variables: list[keras.Variable]
    train: Epoch
    score: Callable[[], dict[str, float]]
    fused: FusedOptimizer | None
    compiled: dict[str, Any]

    @property
    def optimizer_variables(self) -> list[keras.Variable]:
        """Variables of the optimizers, and the scale of the loss that float16 needs."""
        variables = [variable for each in self.optimizers for variable in each.variables]
        if self.fused is not None:
            variables = self.fused.variables
        if self.scaler is None:
            return variables
        inner = {id(variable) for variable in self.scaler.inner_optimizer.variables}
        return [*variables, *(variable for variable in self.scaler.variables if id(variable) not in inner)]

    @property
    def scaler(self) -> keras.optimizers.LossScaleOptimizer | None:
        """The optimizer that scales the loss of a model in float16; Keras wraps the given one with it."""
        outer = self.compiled["optimizer"]
        return None if any(outer is each for each in self.optimizers) else outer

    def begin(self, values: Sequence[Any], rates: Any) -> None:
        """Reset the session to the state after compiling, with other `values` of its variables, and other rates."""
        vars(self.model).update(self.compiled)
        for variable, value in zip(self.variables, values, strict=True):
            if variable is not value:
                variable.assign(value)
        for variable in self.optimizer_variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))  # the initial value of all but the scale
        if self.scaler is not None:
            self.scaler.dynamic_scale.assign(self.scaler.initial_scale)
        learning_rate(self.optimizers[0]).table.assign(rates)

    def sync_optimizer(self) -> None:
        """Set the state of the optimizer from that of `fused`, for callbacks that read or save it."""
        if self.fused is not None:
            self.fused.sync()


def session(
    model: keras.Model,
    batches: Batches,
    optimizer: keras.optimizers.Optimizer | tuple[keras.optimizers.Optimizer, ...],
    loss: Any,
    metrics: Sequence[Any],
    validation: Arrays | None,
    constants: Constants | None = None,
) -> Session:
    """Compile `model`; arguments as those of `zoo.training.loop.fit`.

    On TensorFlow, an epoch over `Arrays` runs as compiled chunks of many steps, which saves most of the time for small
    models.
    """
    import keras

    variables = states(model)
    optimizers = optimizer if isinstance(optimizer, tuple) else (optimizer,)
    quick = keras.backend.backend() == "tensorflow" and isinstance(batches, Arrays)
    model.compile(optimizer, loss, metrics=list(metrics), jit_compile=False)
    examples, fused = batches if isinstance(batches, Arrays) else validation, None
    if examples is not None and keras.backend.backend() == "tensorflow":
        _make_metrics(model, examples)
    if quick and len(optimizers) == 1:
        from zoo.training.fused import FusedOptimizer, fusable

        fused = FusedOptimizer(optimizer, model.trainable_variables) if fusable(optimizer, model) else None
    if model.built and not model.optimizer.built and (fused is None or model.optimizer is not optimizer):
        model.optimizer.build(model.trainable_variables)
    constants = constants or Constants()
    with fused.in_place() if fused else nullcontext():
        train = _train(model, batches, constants) if quick else _one_by_one(model)
    score = _score(model, validation, constants)
    return Session(model, optimizers, variables, train, score, fused, compiled_state(model))


def states(model: keras.Model) -> list[keras.Variable]:
    """Variables of a model without those of its metrics: weights, and the states of random layers."""
    measured = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in measured]


class Constants:
    """A cache of tensors that are made from arrays."""

    def __init__(self) -> None:
        self._cache: dict[int, tuple[np.ndarray, Any]] = {}

    def tensors(self, columns: Any) -> Any:
        """The same structure of tensors."""
        import tensorflow as tf

        def tensor(array: np.ndarray) -> Any:
            if id(array) not in self._cache:  # it holds the array too, so that no other one gets its id
                self._cache[id(array)] = array, tf.constant(array)
            return self._cache[id(array)][1]

        return tf.nest.map_structure(tensor, columns)


@contextmanager
def unoptimized() -> Iterator[None]:
    """Turn off the optimization of graphs within the block, for networks without convolutions, which gain nothing.

    The optimization takes a tenth of a second a graph, as much as three short epochs on a small table. Functions that
    are compiled within the block must be used within it, or they are optimized after all.
    """
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})


class SessionCache:
    """A cache of sessions for models that differ in numbers alone.

    A graph is traced once for a structure, optimizer, batch size and number of steps. Another such model gives its
    weights to the cached one, whose compiled functions train it. A later call may train on the model that was given
    to `zoo.training.loop.fit` with this cache, so read its weights before.

    Args:
        capacity: number of sessions to hold, the latest used.
    """

    def __init__(self, capacity: int = 4) -> None:
        self.capacity, self.constants = capacity, Constants()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def session(
        self,
        model: keras.Model,
        batches: Batches,
        optimizer: keras.optimizers.Optimizer | tuple[keras.optimizers.Optimizer, ...],
        loss: Any,
        metrics: Sequence[Any],
        validation: Arrays | None,
    ) -> Session:
        """A cached session, with the numbers of `model` and `optimizer`; a new one if none fits."""
        arguments = (model, batches, optimizer, loss, metrics, validation)
        same = structure(*arguments)
        if same is None:
            return session(*arguments, self.constants)
        if same in self._sessions:
            compiled_session = self._sessions[same]
            compiled_session.begin(states(model), learning_rate(optimizer).table)
        else:
            compiled_session = self._sessions[same] = session(*arguments, self.constants)
        self._sessions.move_to_end(same)
        while len(self._sessions) > self.capacity:
            self._sessions.popitem(last=False)
        return compiled_session


def _one_by_one(model: keras.Model) -> Epoch:
    def train(batches: Batches, epoch: int, advance: Advance, chunk: int) -> dict[str, float]:
        sums, examples = Counter(), 0

        def means() -> dict[str, float]:
            return {name: value / examples for name, value in sums.items()}

        for batch in batches.epoch(epoch):
            if not isinstance(batches, Arrays):  # `Arrays` are checked before training
                check_finite(batch, "batch ")
            logs = model.train_on_batch(*batch, return_dict=True)  # forgets the batches before
            sums.update({name: float(value) * len(batch[1]) for name, value in logs.items()})
            examples += len(batch[1])
            advance(1, means)
        return means()

    return train


def _train(model: keras.Model, first: Arrays, constants: Constants) -> Epoch:
    run = _compiled(first, lambda batch: model.train_step(batch), model, constants, first.augment)

    def train(batches: Batches, epoch: int, advance: Advance, chunk: int) -> dict[str, float]:
        model.reset_metrics()
        order, size = batches.order(epoch), chunk * batches.batch_size
        for start in range(0, len(order), size):
            run(order[start : start + size])
            advance(math.ceil(len(order[start : start + size]) / batches.batch_size), lambda: _results(model))
        return _results(model)

    return train


def _score(model: keras.Model, validation: Arrays | None, constants: Constants) -> Callable[[], dict[str, float]]:
    import keras

    if validation is None:
        return dict
    if keras.backend.backend() != "tensorflow":
        inputs, targets, *weights = validation.columns
        sizes = {"batch_size": validation.batch_size, "verbose": 0, "return_dict": True}
        return lambda: model.evaluate(inputs, targets, sample_weight=weights[0] if weights else None, **sizes)
    run = _compiled(validation, lambda batch: model.test_step(batch), model, constants)
    order = np.arange(validation.examples, dtype=np.int32)

    def score() -> dict[str, float]:
        model.reset_metrics()
        run(order)
        return _results(model)

    return score


def _make_metrics(model: keras.Model, arrays: Arrays) -> None:
    """Make the variables of metrics, which Keras makes at the first step: a loop in a graph does not allow that."""
    first, values = np.arange(min(2, arrays.examples)), [(each, each.numpy()) for each in model.variables]
    model.test_step(tuple(chosen_inputs(column, first) for column in arrays.columns))
    for variable, value in values:  # undo the draws of random layers, as a cached session would not have them
        variable.assign(value)


def _results(model: keras.Model) -> dict[str, float]:
    return {name: float(value) for name, value in model.get_metrics_result().items()}


def _compiled(
    arrays: Arrays,
    step: Callable[[Any], Any],
    model: keras.Model,
    constants: Constants,
    augment: keras.Model | None = None,
) -> Callable[[np.ndarray], None]:
    """A TensorFlow function of positions that runs `step` on the examples there, batch by batch."""
    import tensorflow as tf

    columns = constants.tensors(arrays.columns)
    model.reset_metrics()

    def body(start: tf.Tensor, positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = positions[start : start + arrays.batch_size]
        inputs, targets, *rest = tf.nest.map_structure(lambda values: tf.gather(values, chosen), columns)
        if augment is not None:
            inputs, targets = augmented(augment, tf.cast(inputs, tf.float32), targets, arrays.moves)
        step((inputs, targets, *rest))
        return start + arrays.batch_size, positions

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
    def run(positions: tf.Tensor) -> None:
        count = tf.size(positions)
        tf.while_loop(lambda start, _: start < count, body, (tf.constant(0), positions), parallel_iterations=1)

    traced = run.get_concrete_function()
    return lambda positions: traced(tf.constant(positions))
