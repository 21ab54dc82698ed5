"""Convolutional networks for small images: a plain one and the residual network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.builders import checks

if TYPE_CHECKING:
    import keras

_TAKES = "images (height, width, channels)"


def cnn(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    output: str = "softmax",
    filters: Sequence[int] = (16, 32, 64),
    kernel_size: int = 3,
    units: int = 128,
    activation: str = "relu",
    initializer: str | None = None,
    l2: float = 0.0,
    dropout: float = 0.3,
    batch_normalization: bool = True,
    name: str = "cnn",
    task: str | None = None,
) -> keras.Model:
    """Small convolutional network: stages of two convolutions and a pooling, then a dense layer.

    Input: float32 (batch, height, width, channels), pixels 0-255.
    Output: float32 (batch, num_classes): probabilities that sum to 1 (softmax), one probability each (sigmoid),
        numbers (linear).

    Args:
        input_shape: (height, width, channels).
        num_classes: classes, labels or values.
        output: activation of the output: "softmax" for one class of several, "sigmoid" for labels or one probability
            each, "linear" for numbers, "softplus" or "exponential" for numbers over 0.
        filters: channels of each stage; every stage halves height and width.
        kernel_size: of every convolution, in pixels.
        units: width of the dense layer.
        activation: relu, leaky_relu, elu, gelu, tanh or sigmoid.
        initializer: of the kernels, a Keras name; None picks He for relu and its relatives, Glorot for tanh and
            sigmoid.
        l2: penalty on the sum of squared weights of every kernel.
        dropout: share of the outputs set to 0 in training after each stage and after the dense layer, in [0, 1).
        batch_normalization: normalise before each activation.
        name: of the model.
        task: deprecated, goes in the next version; give `output`.

    Raises:
        ValueError: the image is smaller than 2 ** len(filters) pixels on a side; or another shape, size or name
            that is none of these.

    Source: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition"; the layout of a stage
        follows Simonyan and Zisserman 2014.
    """
    import keras
    from keras import layers

    sizes = checks.shape("cnn", input_shape, (3,), _TAKES)
    output = checks.activation(output, task)
    num_classes = checks.outputs(num_classes, output)
    filters = checks.several("filters", filters)
    kernel_size = checks.positive("kernel_size", kernel_size)
    units = checks.positive("units", units)
    kernel_initializer = checks.initial(initializer, activation)
    checks.rate("dropout", dropout)
    checks.one_of("batch_normalization", batch_normalization, (True, False))
    regularizer = checks.penalty(l2=l2)
    _check_size("cnn", sizes, 2 ** len(filters), f"{len(filters)} stages, each halving it; give fewer filters")

    common = {
        "use_bias": not batch_normalization,  # the normalisation brings its own
        "kernel_initializer": kernel_initializer,
        "kernel_regularizer": regularizer,
    }

    def activated(x: keras.KerasTensor) -> keras.KerasTensor:
        if batch_normalization:
            x = layers.BatchNormalization()(x)
        return layers.Activation(activation)(x)

    inputs = keras.Input(sizes)
    x = layers.Rescaling(1 / 255)(inputs)
    for channels in filters:
        for _ in range(2):
            x = activated(layers.Conv2D(channels, kernel_size, padding="same", **common)(x))
        x = layers.MaxPooling2D()(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    x = activated(layers.Dense(units, **common)(layers.Flatten()(x)))
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, checks.output(x, num_classes, output, regularizer=regularizer), name=name)


def resnet(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    output: str = "softmax",
    depth: int = 20,
    width: int = 16,
    shortcut: str = "padding",
    activation: str = "relu",
    initializer: str | None = None,
    l2: float = 5e-5,
    dropout: float = 0.0,
    name: str = "resnet",
    task: str | None = None,
) -> keras.Model:
    """Residual network for small images: each block adds to its input what it has learnt.

    Three stages of width, 2 * width and 4 * width channels; the second and the third halve height and width.

    Input: float32 (batch, height, width, channels), pixels 0-255.
    Output: float32 (batch, num_classes): probabilities that sum to 1 (softmax), one probability each (sigmoid),
        numbers (linear).

    Args:
        input_shape: (height, width, channels).
        num_classes: classes, labels or values.
        output: activation of the output: "softmax" for one class of several, "sigmoid" for labels or one probability
            each, "linear" for numbers, "softplus" or "exponential" for numbers over 0.
        depth: layers with weights, 6 * n + 2 for n blocks a stage: 8, 14, 20, 32, 44, 56, 110.
        width: channels of the first stage.
        shortcut: where a stage begins: "padding" (every second pixel, zeros for the new channels: no weights) or
            "projection" (a 1x1 convolution).
        activation: relu, leaky_relu, elu, gelu, tanh or sigmoid.
        initializer: of the kernels, a Keras name; None picks He for relu and its relatives, Glorot for tanh and
            sigmoid.
        l2: penalty on the sum of squared weights of every kernel; 5e-5 is the paper's weight decay of 1e-4.
        dropout: share of the pooled features set to 0 in training, in [0, 1).
        name: of the model.
        task: deprecated, goes in the next version; give `output`.

    Raises:
        ValueError: the depth is not 6 * n + 2, the image is smaller than 4 pixels on a side; or another shape, size
            or name that is none of these.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2.
    """
    import keras
    from keras import layers

    sizes = checks.shape("resnet", input_shape, (3,), _TAKES)
    output = checks.activation(output, task)
    num_classes = checks.outputs(num_classes, output)
    if checks.positive("depth", depth) < 8 or (depth - 2) % 6:
        raise checks.ArgumentError(f"expected depth to be 6 * n + 2, as 8, 14, 20, 32, 44 or 56; received {depth!r}")
    width = checks.positive("width", width)
    checks.one_of("shortcut", shortcut, ("padding", "projection"))
    kernel_initializer = checks.initial(initializer, activation)
    checks.rate("dropout", dropout)
    regularizer = checks.penalty(l2=l2)
    _check_size("resnet", sizes, 4, "two stages that halve it")

    def convolved(x: keras.KerasTensor, channels: int, stride: int, kernel_size: int = 3) -> keras.KerasTensor:
        x = layers.Conv2D(
            channels,
            kernel_size,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=regularizer,
        )(x)
        return layers.BatchNormalization()(x)

    def passed(x: keras.KerasTensor, channels: int, stride: int) -> keras.KerasTensor:
        more = channels - x.shape[-1]
        if stride == 1 and not more:
            return x
        if shortcut == "projection":
            return convolved(x, channels, stride, 1)
        x = layers.AveragePooling2D(1, strides=stride)(x)  # a window of one pixel: every second one, as it is
        # Told that the second axis has the channels, the layer pads the last two: width (by none) and channels.
        return layers.ZeroPadding2D(((0, 0), (more // 2, more - more // 2)), data_format="channels_first")(x)

    inputs = keras.Input(sizes)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = layers.Activation(activation)(convolved(x, width, 1))
    for stage in range(3):
        channels = width * 2**stage
        for block in range((depth - 2) // 6):
            stride = 2 if stage and not block else 1
            y = layers.Activation(activation)(convolved(x, channels, stride))
            y = convolved(y, channels, 1)
            x = layers.Activation(activation)(layers.Add()([passed(x, channels, stride), y]))
    x = layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, checks.output(x, num_classes, output, regularizer=regularizer), name=name)


def _check_size(builder: str, sizes: tuple[int, ...], least: int, reason: str) -> None:
    """Raise ValueError if the image is smaller than `least` pixels on a side."""
    if min(sizes[:2]) < least:
        raise ValueError(
            f"{builder}: expected images of at least {least} pixels on a side for {reason}; "
            f"received {sizes[0]} x {sizes[1]}"
        )
