"""Dense networks: the single layer and the multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.builders import checks

if TYPE_CHECKING:
    import keras

_TAKES = "rows (width,) or images (height, width, channels)"


def perceptron(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    output: str = "softmax",
    initializer: str = "glorot_uniform",
    l1: float = 0.0,
    l2: float = 0.0,
    name: str = "perceptron",
    task: str | None = None,
) -> keras.Model:
    """A single layer of weights: what a straight line can separate, and no more.

    Input: float32 (batch, width), any range, best near unit variance; or float32 (batch, height, width, channels),
        pixels 0-255.
    Output: float32 (batch, num_classes): probabilities that sum to 1 (softmax), one probability each (sigmoid),
        numbers (linear).

    Args:
        input_shape: (width,) or (height, width, channels).
        num_classes: classes, labels or values.
        output: activation of the output: "softmax" for one class of several, "sigmoid" for labels or one probability
            each, "linear" for numbers, "softplus" or "exponential" for numbers over 0.
        initializer: of the kernel, a Keras name as "glorot_uniform" or "zeros".
        l1: penalty on the sum of absolute weights; with enough of it weights become 0.
        l2: penalty on the sum of squared weights.
        name: of the model.
        task: deprecated, goes in the next version; give `output`.

    Raises:
        ValueError: a shape, size or name that is none of these.

    Source: Rosenblatt 1958, "The Perceptron"; trained by gradient descent with a smooth output (with a sigmoid or
        softmax it is logistic regression).
    """
    import keras

    sizes = checks.shape("perceptron", input_shape, (1, 3), _TAKES)
    output = checks.activation(output, task)
    num_classes = checks.outputs(num_classes, output)
    checks.one_of("initializer", initializer, checks.INITIALIZERS)
    regularizer = checks.penalty(l1, l2)

    inputs = keras.Input(sizes)
    outputs = checks.output(_flat(inputs), num_classes, output, initializer, regularizer)
    return keras.Model(inputs, outputs, name=name)


def mlp(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    output: str = "softmax",
    units: Sequence[int] = (128, 64),
    activation: str = "relu",
    initializer: str | None = None,
    l1: float = 0.0,
    l2: float = 0.0,
    dropout: float = 0.0,
    batch_normalization: bool = False,
    name: str = "mlp",
    task: str | None = None,
) -> keras.Model:
    """Multi-layer perceptron: fully connected layers, one after another.

    Input: float32 (batch, width), any range, best near unit variance; or float32 (batch, height, width, channels),
        pixels 0-255.
    Output: float32 (batch, num_classes): probabilities that sum to 1 (softmax), one probability each (sigmoid),
        numbers (linear).

    Args:
        input_shape: (width,) or (height, width, channels).
        num_classes: classes, labels or values.
        output: activation of the output: "softmax" for one class of several, "sigmoid" for labels or one probability
            each, "linear" for numbers, "softplus" or "exponential" for numbers over 0.
        units: width of each hidden layer.
        activation: relu, leaky_relu, elu, gelu, tanh or sigmoid.
        initializer: of the hidden kernels, a Keras name; None picks He for relu and its relatives, Glorot for tanh
            and sigmoid.
        l1: penalty on the sum of absolute weights of every kernel.
        l2: penalty on the sum of squared weights of every kernel.
        dropout: share of each hidden layer's outputs set to 0 in training, in [0, 1).
        batch_normalization: normalise before each activation.
        name: of the model.
        task: deprecated, goes in the next version; give `output`.

    Raises:
        ValueError: a shape, size or name that is none of these.

    Source: Rumelhart, Hinton and Williams 1986, "Learning Representations by Back-propagating Errors"; dropout:
        Srivastava et al. 2014; batch normalization: Ioffe and Szegedy 2015.
    """
    import keras
    from keras import layers

    sizes = checks.shape("mlp", input_shape, (1, 3), _TAKES)
    output = checks.activation(output, task)
    num_classes = checks.outputs(num_classes, output)
    units = checks.several("units", units)
    kernel_initializer = checks.initial(initializer, activation)
    checks.rate("dropout", dropout)
    checks.one_of("batch_normalization", batch_normalization, (True, False))
    regularizer = checks.penalty(l1, l2)

    inputs = keras.Input(sizes)
    x = _flat(inputs)
    for width in units:
        x = layers.Dense(
            width,
            use_bias=not batch_normalization,  # the normalisation brings its own
            kernel_initializer=kernel_initializer,
            kernel_regularizer=regularizer,
        )(x)
        if batch_normalization:
            x = layers.BatchNormalization()(x)
        x = layers.Activation(activation)(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, checks.output(x, num_classes, output, regularizer=regularizer), name=name)


def _flat(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Rows as they are; images as rows in unit range."""
    from keras import layers

    if len(inputs.shape) == 2:
        return inputs
    return layers.Flatten()(layers.Rescaling(1 / 255)(inputs))
