"""What is measured on a network to tell why it does not learn: gradients, units, losses, what training left undone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

STEPS = 20  # down the gradient, to see whether there is something left to learn
STRIDES = (0.001, 0.003, 0.01, 0.03, 0.1)  # sizes of a step, as shares of the size of the weights
FEWEST = 8  # units of a layer, of which a share says something
BATCH = 256


class Examples(NamedTuple):
    """Prepared inputs float32 (examples, ...), targets as the network learns them, and the task."""

    inputs: np.ndarray
    targets: np.ndarray
    task: Task

    @property
    def loss(self) -> keras.losses.Loss:
        """The loss of the task."""
        return self.task.plan(None).loss


class Gradients(NamedTuple):
    """Root mean squares of the gradients of kernels.

    Attributes:
        first, last: of the first and the last layer with weights.
        relative: the largest one over that of the layer's own weights; infinite where one is not finite.
        loss: as in training, without penalties.
    """

    first: float
    last: float
    relative: float
    loss: float


def untrained(network: keras.Model) -> keras.Model:
    """The same network with other initial weights, the same at every call."""
    before = random.getstate()
    random.seed(0)  # where Keras takes the seeds of initial weights from
    try:
        return type(network).from_config(network.get_config())
    finally:
        random.setstate(before)


def gradients(network: keras.Model, seen: Examples) -> Gradients:
    """Those of the loss on `seen`, as in training."""
    import tensorflow as tf

    kernels = [weight for weight in network.trainable_weights if len(weight.shape) > 1]

    def found() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(seen.loss(seen.targets, network(seen.inputs, training=True)))
        return loss, tape.gradient(loss, [weight.value for weight in kernels], unconnected_gradients="zero")

    before = network.get_weights()
    loss, slopes = _compiled(found)()
    network.set_weights(before)  # training moves the means of batch normalization
    if not kernels or min(map(_size, kernels)) == 0:  # a layer that begins with zeros hides those before it, on purpose
        return Gradients(1.0, 1.0, 0.0, float(loss))
    sizes = [_size(slope) for slope in slopes]
    relative = max(size / _size(kernel) for size, kernel in zip(sizes, kernels, strict=True))
    return Gradients(sizes[0], sizes[-1], relative if np.isfinite(sizes).all() else float("inf"), float(loss))


def _size(values: tf.Tensor) -> float:
    """Root of the mean square; of a sparse gradient too."""
    import tensorflow as tf

    return float(tf.sqrt(tf.reduce_mean(tf.square(tf.convert_to_tensor(values)))))


def dead_units(network: keras.Model, inputs: np.ndarray) -> tuple[float, str]:
    """The largest share of a relu layer's units that answer 0 to all `inputs`, and the layer's name.

    Layers of a few units, any of which may be dead by chance, are passed over; 0 without others.
    """
    import keras

    def rectifies(layer: keras.layers.Layer) -> bool:
        function = getattr(layer, "activation", None)
        return isinstance(layer, keras.layers.ReLU) or getattr(function, "__name__", "") == "relu"

    layers = [layer for layer in network.layers if rectifies(layer) and layer.output.shape[-1] >= FEWEST]
    if not layers:
        return 0.0, ""
    before = network.get_weights()
    outputs = keras.Model(network.input, [layer.output for layer in layers])(inputs, training=True)
    network.set_weights(before)
    answers = [np.asarray(answer) for answer in keras.tree.flatten(outputs)]
    shares = [float((answer.reshape(-1, answer.shape[-1]).max(axis=0) <= 0).mean()) for answer in answers]
    worst = int(np.argmax(shares))
    return shares[worst], layers[worst].name


def losses(network: keras.Model, *several: Examples) -> list[np.ndarray]:
    """Float64 (examples,) for each of `several`: the losses, as in prediction, without penalties."""
    import tensorflow as tf

    from zoo.arrays import together

    form = tf.TensorSpec([None, *several[0].inputs.shape[1:]], several[0].inputs.dtype)
    answer = _compiled(lambda inputs: network(inputs, training=False), form)

    def answers(inputs: np.ndarray) -> np.ndarray:
        batch = together(inputs[:1].size, BATCH)
        batches = [inputs[at : at + batch] for at in range(0, len(inputs), batch)]
        return np.concatenate([answer(tf.constant(batch)).numpy().astype(np.float64) for batch in batches])

    return [_losses(answers(asked.inputs), asked) for asked in several]


def losses_of_constant(known: np.ndarray, asked: Examples) -> np.ndarray:
    """Float64 (examples,): the loss of each where the mean, or the shares, of the targets `known` are the answer."""
    return _losses(np.repeat(asked.task.constant(known)[None], len(asked.targets), axis=0), asked)


def _compiled(function: Callable[..., Any], *forms: tf.TensorSpec) -> Callable[..., Any]:
    """A graph of `function`. TensorFlow warns of one that is called a few times where there are many such."""
    import tensorflow as tf

    return tf.function(function).get_concrete_function(*forms)


def _losses(answers: np.ndarray, asked: Examples) -> np.ndarray:
    """Nats, or squared units of the scaled target; what Keras' losses are the mean of."""
    return asked.task.losses(asked.targets, asked.task.named(answers))


def descended(network: keras.Model, seen: Examples, enough: float) -> float:
    """The loss on `seen` after up to 20 steps down its gradient and that of the penalties, the weights then as before.

    Each step goes as far as is best, up to a tenth of the size of the weights, whatever the gradient's; they end where
    the loss is below `enough`.
    """
    import tensorflow as tf

    weights, before = network.trainable_weights, network.get_weights()

    def losses() -> tuple[tf.Tensor, tf.Tensor]:
        """With penalties, and without."""
        plain = tf.reduce_mean(seen.loss(seen.targets, network(seen.inputs, training=False)))
        return tf.add_n([plain, *network.losses]), plain

    def slopes() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            whole, _ = losses()
        return tape.gradient(whole, [weight.value for weight in weights], unconnected_gradients="zero")

    loss, slope = _compiled(losses), _compiled(slopes)

    def go(start: list[np.ndarray], downhill: list[tf.Tensor], stride: float) -> tuple[float, float]:
        for weight, value, gradient in zip(weights, start, downhill, strict=True):
            weight.assign(value - stride * gradient)
        whole, plain = loss()
        return float(whole), float(plain)

    now, plain = map(float, loss())
    for _ in range(STEPS):
        downhill, start = [tf.convert_to_tensor(each) for each in slope()], [weight.numpy() for weight in weights]
        length = float(tf.linalg.global_norm([weight.value for weight in weights]))
        length /= max(float(tf.linalg.global_norm(downhill)), 1e-12)
        after, best = min((go(start, downhill, stride * length)[0], stride * length) for stride in STRIDES)
        if not after < now:
            break
        now, plain = go(start, downhill, best)
        if plain < enough:
            break
    network.set_weights(before)
    return plain
