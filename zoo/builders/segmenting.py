"""Convolutional networks that answer for every pixel of an image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from zoo.builders import checks

if TYPE_CHECKING:
    import keras

MOMENTUM = 0.9  # of the normalisations' means: trainings on images with masks have few steps, 0.99 would lag behind
GREY_LEVEL = 1 / 255  # an image whose pixels deviate by less than this is noise, and is not made larger


def unet(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    output: str = "softmax",
    filters: int = 8,
    depth: int = 4,
    kernel_size: int = 3,
    activation: str = "relu",
    initializer: str | None = None,
    l2: float = 0.0,
    dropout: float = 0.0,
    batch_normalization: bool = True,
    standardization: bool = True,
    name: str = "unet",
) -> keras.Model:
    """U-Net, which gives each pixel a class: it halves the image several times, and returns to its size.

    Each stage is two convolutions. On the way back an image meets what was seen at its size on the way down, so that
    outlines stay sharp. Unlike in the paper, convolutions keep the size, so that the answer covers the whole image,
    and are normalised.

    Input: float32 (batch, height, width, channels), pixels 0-255.
    Output: float32 (batch, height, width, num_classes): for each pixel probabilities that sum to 1 (softmax), one
        probability each (sigmoid), numbers (linear).

    Args:
        input_shape: (height, width, channels); height and width are multiples of 2 ** depth.
        num_classes: classes, labels or values.
        output: activation of the output: "softmax" for one class of several, "sigmoid" for labels or one probability
            each, "linear" for numbers, "softplus" or "exponential" for numbers over 0.
        filters: channels at the image's size; each halving doubles them. The paper has 64.
        depth: how often the image is halved. The deepest pixel sees some 2 ** depth * 8 pixels of the image on a side.
        kernel_size: of every convolution, in pixels.
        activation: relu, leaky_relu, elu, gelu, tanh or sigmoid.
        initializer: of the kernels, a Keras name; None picks He for relu and its relatives, Glorot for tanh and
            sigmoid.
        l2: penalty on the sum of squared weights of every kernel.
        dropout: share of the outputs of the deepest stage set to 0 in training, in [0, 1).
        batch_normalization: normalise before each activation.
        standardization: bring each image to mean 0 and deviation 1, so that dark and bright ones look alike; else
            pixels are divided by 255.
        name: of the model.

    Raises:
        ValueError: height or width is no multiple of 2 ** depth; or another shape, size or name that is none of these.

    Source: Ronneberger, Fischer and Brox 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
        page 237, figure 1; He et al. 2015 for the initial weights, which its section 3 asks for.
    """
    import keras
    from keras import layers

    sizes = checks.shape("unet", input_shape, (3,), "images (height, width, channels)")
    num_classes = checks.outputs(num_classes, output)
    filters = checks.positive("filters", filters)
    depth = checks.positive("depth", depth)
    kernel_size = checks.positive("kernel_size", kernel_size)
    kernel_initializer = checks.initial(initializer, activation)
    regularizer = checks.penalty(l2=l2)
    checks.rate("dropout", dropout)
    checks.one_of("batch_normalization", batch_normalization, (True, False))
    checks.one_of("standardization", standardization, (True, False))
    checks.divisible("unet", sizes, depth, f"a depth of {depth}", "a smaller depth")

    stage = partial(
        convolutions,
        kernel_size=kernel_size,
        activation=activation,
        batch_normalization=batch_normalization,
        kernel_initializer=kernel_initializer,
        kernel_regularizer=regularizer,
    )
    inputs = keras.Input(sizes)
    x = standardized(inputs) if standardization else layers.Rescaling(1 / 255, dtype="float32")(inputs)
    passed = []
    for level in range(depth):
        x = stage(x, filters * 2**level)
        passed.append(x)
        x = layers.MaxPooling2D()(x)
    x = stage(x, filters * 2**depth)
    if dropout:
        x = layers.Dropout(dropout)(x)
    for level in reversed(range(depth)):
        x = layers.Conv2DTranspose(filters * 2**level, 2, strides=2, padding="same")(x)
        x = stage(layers.Concatenate()([passed[level], x]), filters * 2**level)
    values = layers.Conv2D(
        num_classes,
        1,
        activation=output,
        kernel_regularizer=regularizer,
        dtype="float32",  # probabilities and their logarithms need it under mixed precision
        name="output",
    )(x)
    return keras.Model(inputs, values, name=name)


def standardized(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Pixels 0-255 of each image at mean 0 and deviation 1."""
    from keras import layers

    # In float32, as half precision would round the squares of dark images.
    x = layers.Rescaling(1 / 255, dtype="float32")(pixels)
    return layers.LayerNormalization((1, 2, 3), GREY_LEVEL**2, center=False, scale=False, dtype="float32")(x)


def convolutions(
    x: keras.KerasTensor,
    channels: int,
    *,
    count: int = 2,
    kernel_size: int = 3,
    activation: str = "relu",
    batch_normalization: bool = True,
    kernel_initializer: str = "he_normal",
    kernel_regularizer: Any = None,
) -> keras.KerasTensor:
    """Convolutions that keep the size, each normalised and activated; arguments as those of `unet`."""
    from keras import layers

    for _ in range(count):
        x = layers.Conv2D(
            channels,
            kernel_size,
            padding="same",
            use_bias=not batch_normalization,  # the normalisation brings its own
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
        )(x)
        if batch_normalization:
            x = layers.BatchNormalization(momentum=MOMENTUM)(x)
        x = layers.Activation(activation)(x)
    return x
