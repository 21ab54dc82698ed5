"""Autoencoders: an encoder to a code and a decoder back, trained to give back their input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from zoo.builders import checks

if TYPE_CHECKING:
    import keras

    from zoo.builders.models import Autoencoder, VariationalAutoencoder

_IMAGES = "images (height, width, channels)"
_ROWS_TOO = f"rows (width,) or {_IMAGES}"
CELLS = {"gru": "GRU", "lstm": "LSTM"}


def dense_autoencoder(
    input_shape: Sequence[int],
    *,
    latent_dim: int = 32,
    units: Sequence[int] = (256, 128),
    activation: str = "relu",
    l2: float = 0.0,
    name: str = "dense_autoencoder",
) -> Autoencoder:
    """Autoencoder of fully connected layers.

    Input: float32 (batch, width), any range, best near unit variance; or float32 (batch, height, width, channels),
        pixels 0-255.
    Output: float32, the shape and range of the input.
    Code: float32 (batch, latent_dim).

    Args:
        input_shape: (width,) or (height, width, channels).
        latent_dim: width of the code.
        units: width of each hidden layer of the encoder; the decoder has them in reverse.
        activation: relu, leaky_relu, elu, gelu, tanh or sigmoid.
        l2: penalty on the sum of squared weights of every kernel.
        name: of the model.

    Raises:
        ValueError: a shape, size or name that is none of these.

    Source: Hinton and Salakhutdinov 2006, "Reducing the Dimensionality of Data with Neural Networks".
    """
    from zoo.builders.models import Autoencoder

    sizes = checks.shape("dense_autoencoder", input_shape, (1, 3), _ROWS_TOO)
    latent_dim = checks.positive("latent_dim", latent_dim)
    return Autoencoder(*_dense(sizes, [latent_dim], checks.several("units", units), activation, l2), name=name)


def conv_autoencoder(
    input_shape: Sequence[int],
    *,
    latent_dim: int = 32,
    filters: Sequence[int] = (32, 64),
    activation: str = "relu",
    l2: float = 0.0,
    name: str = "conv_autoencoder",
) -> Autoencoder:
    """Convolutional autoencoder with a dense code.

    Input: float32 (batch, height, width, channels), pixels 0-255.
    Output: float32 (batch, height, width, channels), pixels 0-255.
    Code: float32 (batch, latent_dim).

    Args:
        input_shape: (height, width, channels).
        latent_dim: width of the code.
        filters: channels of each stage; every stage of the encoder halves height and width, every one of the decoder
            doubles them.
        activation: relu, leaky_relu, elu, gelu, tanh or sigmoid.
        l2: penalty on the sum of squared weights of every kernel.
        name: of the model.

    Raises:
        ValueError: height or width is no multiple of 2 ** len(filters), so that the decoder can't return to it; or
            another shape, size or name that is none of these.

    Source: Masci et al. 2011, "Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction"; kernels of
        4 at a stride of 2: Odena, Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts".
    """
    from zoo.builders.models import Autoencoder

    sizes, filters = checks.halved("conv_autoencoder", input_shape, filters)
    latent_dim = checks.positive("latent_dim", latent_dim)
    return Autoencoder(*_convolutional(sizes, [latent_dim], filters, activation, l2), name=name)


def denoising_autoencoder(
    input_shape: Sequence[int],
    *,
    noise: float = 0.4,
    filters: Sequence[int] = (32, 64),
    activation: str = "relu",
    l2: float = 0.0,
    name: str = "denoising_autoencoder",
) -> Autoencoder:
    """Convolutional autoencoder that learns to give back what noise was added to.

    In training, normal noise is added to its input, which is then clipped to the range of pixels; in inference no noise
    is added. The code keeps its places in the image and is wider than the input: the noise alone keeps the
    network from copying.

    Input: float32 (batch, height, width, channels), pixels 0-255.
    Output: float32 (batch, height, width, channels), pixels 0-255.
    Code: float32 (batch, height / 2 ** stages, width / 2 ** stages, channels of the last stage).

    Args:
        input_shape: (height, width, channels).
        noise: standard deviation of the noise, in unit range.
        filters: channels of each stage; every stage of the encoder halves height and width, every one of the decoder
            doubles them.
        activation: relu, leaky_relu, elu, gelu, tanh or sigmoid.
        l2: penalty on the sum of squared weights of every kernel.
        name: of the model.

    Raises:
        ValueError: height or width is no multiple of 2 ** len(filters), so that the decoder can't return to it; or
            another shape, size or name that is none of these.

    Source: Vincent et al. 2008, "Extracting and Composing Robust Features with Denoising Autoencoders".
    """
    from zoo.builders.models import Autoencoder

    sizes, filters = checks.halved("denoising_autoencoder", input_shape, filters)
    checks.rate("noise", noise, float("inf"))
    return Autoencoder(*_convolutional(sizes, [], filters, activation, l2, noise), name=name)


def sequence_autoencoder(
    input_shape: Sequence[int],
    *,
    latent_dim: int = 16,
    units: int = 64,
    cell: str = "gru",
    name: str = "sequence_autoencoder",
) -> Autoencoder:
    """Recurrent autoencoder: one layer reads a sequence into a code, another writes it from there, last step first.

    Steps that are NaN in every feature are padding: not read, and not compared with what is written.

    Input: float32 (batch, length, features), best near unit variance.
    Output: float32 (batch, length, features).
    Code: float32 (batch, latent_dim).

    Args:
        input_shape: (length, features).
        latent_dim: width of the code.
        units: width of both recurrent layers.
        cell: gru or lstm.
        name: of the model.

    Raises:
        ValueError: a shape, size or name that is none of these.

    Source: Srivastava, Mansimov and Salakhutdinov 2015, "Unsupervised Learning of Video Representations using LSTMs",
        section 2.2, the unconditioned decoder; for anomalies Malhotra et al. 2016, "LSTM-based Encoder-Decoder for
        Multi-sensor Anomaly Detection".
    """
    import keras
    from keras import layers

    from zoo.builders.layers import Padding
    from zoo.builders.models import Autoencoder

    length, features = checks.shape("sequence_autoencoder", input_shape, (2,), "sequences (length, features)")
    latent_dim = checks.positive("latent_dim", latent_dim)
    units = checks.positive("units", units)
    checks.one_of("cell", cell, tuple(CELLS))
    recurrent = getattr(layers, CELLS[cell])

    inputs = keras.Input((length, features))
    encoder = keras.Model(inputs, layers.Dense(latent_dim)(recurrent(units)(Padding()(inputs))), name="encoder")
    code = keras.Input((latent_dim,))
    x = recurrent(units, return_sequences=True, go_backwards=True)(layers.RepeatVector(length)(code))
    decoder = keras.Model(code, layers.Dense(features, dtype="float32")(_reversed(x)), name="decoder")
    return Autoencoder(encoder, decoder, name=name)


def variational_autoencoder(
    input_shape: Sequence[int],
    *,
    latent_dim: int = 32,
    beta: float = 1.0,
    filters: Sequence[int] = (32, 64),
    units: Sequence[int] = (256, 128),
    activation: str = "relu",
    l2: float = 0.0,
    name: str = "variational_autoencoder",
) -> VariationalAutoencoder:
    """Variational autoencoder: its codes are near a standard normal distribution, from which it makes new examples.

    Input: float32 (batch, height, width, channels), pixels 0-255; or float32 (batch, width), any range, best near
        unit variance.
    Output: float32, the shape and range of the input: the reconstruction of the mean code.
    Code: float32 (batch, latent_dim), the mean; the encoder also gives the logarithm of the variance.

    Args:
        input_shape: (height, width, channels) or (width,).
        latent_dim: width of the code.
        beta: weight of the divergence between codes and the standard normal distribution; 1 for the bound itself,
            more for codes that are independent, less for better reconstructions.
        filters: of images, channels of each stage; every stage of the encoder halves height and width, every one of
            the decoder doubles them.
        units: of rows, width of each hidden layer of the encoder; the decoder has them in reverse.
        activation: relu, leaky_relu, elu, gelu, tanh or sigmoid.
        l2: penalty on the sum of squared weights of every kernel.
        name: of the model.

    Raises:
        ValueError: height or width is no multiple of 2 ** len(filters), so that the decoder can't return to it; or
            another shape, size or name that is none of these.

    Source: Kingma and Welling 2014, "Auto-Encoding Variational Bayes"; beta: Higgins et al. 2017, "beta-VAE"; the
        loss: Rybkin, Daniilidis and Levine 2021, "Simple and Effective VAE Training with Calibrated Decoders".
    """
    from zoo.builders.models import VariationalAutoencoder

    sizes = checks.shape("variational_autoencoder", input_shape, (1, 3), _ROWS_TOO)
    latent_dim = checks.positive("latent_dim", latent_dim)
    checks.rate("beta", beta, float("inf"))
    units, filters = checks.several("units", units), checks.several("filters", filters)
    if len(sizes) == 1:
        networks = _dense(sizes, [latent_dim, latent_dim], units, activation, l2)
    else:
        checks.halved("variational_autoencoder", sizes, filters)
        networks = _convolutional(sizes, [latent_dim, latent_dim], filters, activation, l2)
    return VariationalAutoencoder(*networks, beta=beta, name=name)


def _dense(
    sizes: tuple[int, ...], codes: Sequence[int], units: tuple[int, ...], activation: str, l2: float
) -> tuple[keras.Model, keras.Model]:
    """Encoder with an output for each of `codes`, and decoder from the first one."""
    import keras
    from keras import layers

    dense, images = _layer(activation, l2), len(sizes) == 3
    inputs = keras.Input(sizes)
    x = layers.Flatten()(layers.Rescaling(1 / 255)(inputs)) if images else inputs
    for width in units:
        x = dense(layers.Dense, width)(x)
    encoder = _encoder(inputs, x, codes)
    code = x = keras.Input((codes[0],))
    for width in reversed(units):
        x = dense(layers.Dense, width)(x)
    x = layers.Dense(prod(sizes), dtype="float32")(x)
    outputs = _pixels(layers.Reshape(sizes)(x)) if images else x
    return encoder, keras.Model(code, outputs, name="decoder")


def _convolutional(
    sizes: tuple[int, ...],
    codes: Sequence[int],
    filters: tuple[int, ...],
    activation: str,
    l2: float,
    noise: float = 0.0,
) -> tuple[keras.Model, keras.Model]:
    """Encoder with a dense output for each of `codes`, or its last stage where there is none, and decoder."""
    import keras
    from keras import layers

    made, halving = _layer(activation, l2), {"kernel_size": 4, "strides": 2, "padding": "same"}
    inputs = keras.Input(sizes)
    x = layers.Rescaling(1 / 255)(inputs)
    if noise:
        x = layers.ReLU(max_value=1.0)(layers.GaussianNoise(noise)(x))
    for channels in filters:
        x = made(layers.Conv2D, channels, **halving)(x)
    last = tuple(x.shape[1:])
    if codes:
        encoder = _encoder(inputs, layers.Flatten()(x), codes)
        code = keras.Input((codes[0],))
        x = layers.Reshape(last)(made(layers.Dense, prod(last))(code))
    else:
        encoder = keras.Model(inputs, x, name="encoder")
        code = x = keras.Input(last)
    for channels in reversed(filters[:-1]):
        x = made(layers.Conv2DTranspose, channels, **halving)(x)
    x = layers.Conv2DTranspose(sizes[-1], dtype="float32", **halving)(x)
    return encoder, keras.Model(code, _pixels(x), name="decoder")


def _layer(activation: str, l2: float) -> Callable[..., Any]:
    """A function that makes a layer of a class with activation, initializer and penalty; checks both."""
    initializer, regularizer = checks.initial(None, activation), checks.penalty(l2=l2)

    def made(kind: Any, size: int, **options: Any) -> keras.layers.Layer:
        common = {"kernel_initializer": initializer, "kernel_regularizer": regularizer}
        return kind(size, activation=activation, **common, **options)

    return made


def _encoder(inputs: keras.KerasTensor, features: keras.KerasTensor, codes: Sequence[int]) -> keras.Model:
    import keras

    outputs = [keras.layers.Dense(width, dtype="float32")(features) for width in codes]
    return keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name="encoder")


def _pixels(logits: keras.KerasTensor) -> keras.KerasTensor:
    from keras import layers

    return layers.Rescaling(255.0, dtype="float32")(layers.Activation("sigmoid", dtype="float32")(logits))


def _reversed(steps: keras.KerasTensor) -> keras.KerasTensor:
    """Steps in the other order, as the layer wrote the last one first."""
    from keras import ops

    return ops.flip(steps, axis=1)
