"""Measurements on a network for `zoo.training.diagnosis`: gradients, units, losses, and further descent."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

STEPS = 20  # of gradient descent, to see whether the loss can fall further
STRIDES = (0.001, 0.003, 0.01, 0.03, 0.1)  # sizes of a step, as shares of the size of the weights
FEWEST = 8  # units of a layer; of fewer, a share of dead units says little
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
    random.seed(0)  # Keras draws the seeds of initial weights from it
    try:
        return type(network).from_config(network.get_config())
    finally:
        random.setstate(before)


def gradients(network: keras.Model, examples: Examples) -> Gradients:
    """Those of the loss on `examples`, as in training."""
    import tensorflow as tf

    kernels = [weight for weight in network.trainable_weights if len(weight.shape) > 1]

    def loss_and_gradients() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(examples.loss(examples.targets, network(examples.inputs, training=True)))
        return loss, tape.gradient(loss, [weight.value for weight in kernels], unconnected_gradients="zero")

    before = network.get_weights()
    loss, slopes = _compiled(loss_and_gradients)()
    network.set_weights(before)  # training moves the means of batch normalization
    if not kernels or min(map(_size, kernels)) == 0:  # initial zeros in a layer stop the gradients of those before it
        return Gradients(1.0, 1.0, 0.0, float(loss))
    sizes = [_size(slope) for slope in slopes]
    relative = max(size / _size(kernel) for size, kernel in zip(sizes, kernels, strict=True))
    return Gradients(sizes[0], sizes[-1], relative if np.isfinite(sizes).all() else float("inf"), float(loss))


def _size(values: tf.Tensor) -> float:
    """Root mean square of a tensor or a sparse gradient."""
    import tensorflow as tf

    return float(tf.sqrt(tf.reduce_mean(tf.square(tf.convert_to_tensor(values)))))


def dead_units(network: keras.Model, inputs: np.ndarray) -> tuple[float, str]:
    """The largest share of dead units in a ReLU layer, which are 0 for all `inputs`, and the name of the layer.

    Layers of fewer than `FEWEST` units are ignored; 0 if there are no others.
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
    """The losses of each of `several` sets, float64 (examples,), in inference mode and without penalties."""
    import tensorflow as tf

    from zoo.arrays import together

    form = tf.TensorSpec([None, *several[0].inputs.shape[1:]], several[0].inputs.dtype)
    answer = _compiled(lambda inputs: network(inputs, training=False), form)

    def answers(inputs: np.ndarray) -> np.ndarray:
        batch = together(inputs[:1].size, BATCH)
        batches = [inputs[at : at + batch] for at in range(0, len(inputs), batch)]
        return np.concatenate([answer(tf.constant(batch)).numpy().astype(np.float64) for batch in batches])

    return [_losses(answers(each.inputs), each) for each in several]


def losses_of_constant(train_targets: np.ndarray, examples: Examples) -> np.ndarray:
    """The losses of a constant answer, the mean or the shares of `train_targets`: float64 (examples,)."""
    return _losses(np.repeat(examples.task.constant(train_targets)[None], len(examples.targets), axis=0), examples)


def _compiled(function: Callable[..., Any], *forms: tf.TensorSpec) -> Callable[..., Any]:
    """A concrete graph of `function`. For many functions of a few calls each, TensorFlow would warn."""
    import tensorflow as tf

    return tf.function(function).get_concrete_function(*forms)


def _losses(answers: np.ndarray, examples: Examples) -> np.ndarray:
    """The loss of each example, in nats, or in squared units of the scaled target."""
    return examples.task.losses(examples.targets, examples.task.named(answers))


def descended(network: keras.Model, examples: Examples, enough: float) -> float:
    """The loss on `examples` after up to 20 steps of gradient descent, with penalties; the weights are restored then.

    Each step has the best of several sizes, up to a tenth of the size of the weights. The descent ends if the loss is
    below `enough`.
    """
    import tensorflow as tf

    weights, before = network.trainable_weights, network.get_weights()

    def losses() -> tuple[tf.Tensor, tf.Tensor]:
        """With penalties, and without."""
        plain = tf.reduce_mean(examples.loss(examples.targets, network(examples.inputs, training=False)))
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
