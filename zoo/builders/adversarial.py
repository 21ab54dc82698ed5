"""Generative adversarial networks: a generator of images and a critic that learns to tell them from real ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from zoo.builders import checks

if TYPE_CHECKING:
    import keras

    from zoo.builders.adversarial_model import Adversarial

_IMAGES = "images (height, width, channels)"


def gan(
    input_shape: Sequence[int],
    *,
    latent_dim: int = 64,
    units: Sequence[int] = (256, 512),
    dropout: float = 0.3,
    label_smoothing: float = 0.1,
    critic_rate: float = 1.0,
    name: str = "gan",
) -> Adversarial:
    """Generative adversarial network of fully connected layers.

    Input: float32 (batch, latent_dim), standard normal.
    Output: float32 (batch, height, width, channels), pixels 0-255.

    Args:
        input_shape: (height, width, channels) of the images.
        latent_dim: width of the codes that images are made of.
        units: width of each hidden layer of the generator; the critic has them in reverse.
        dropout: share of the outputs of each of the critic's layers set to 0 in training, in [0, 1).
        label_smoothing: what the critic's target for real images is below 1, in [0, 1).
        critic_rate: the critic's learning rate over the generator's.
        name: of the model.

    Raises:
        ValueError: a shape, size or name that is none of these.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets"; label smoothing: Salimans et al. 2016, "Improved
        Techniques for Training GANs", section 3.4.
    """
    import keras
    from keras import layers

    from zoo.builders.adversarial_model import Adversarial

    sizes = checks.shape("gan", input_shape, (3,), _IMAGES)
    latent_dim = checks.positive("latent_dim", latent_dim)
    units = checks.several("units", units)
    checks.rate("dropout", dropout)
    settings = _settings(label_smoothing, critic_rate)

    code = x = keras.Input((latent_dim,))
    for width in units:
        x = layers.Dense(width, kernel_initializer="he_normal", use_bias=False)(x)
        x = layers.LeakyReLU(0.2)(layers.BatchNormalization(momentum=0.9)(x))
    generator = keras.Model(code, _pixels(layers.Reshape(sizes)(layers.Dense(prod(sizes))(x))), name="generator")

    images = keras.Input(sizes)
    x = layers.Flatten()(_unit(images))
    for width in reversed(units):
        x = layers.LeakyReLU(0.2)(layers.Dense(width, kernel_initializer="he_normal")(x))
        if dropout:
            x = layers.Dropout(dropout)(x)
    return Adversarial(generator, keras.Model(images, _score(x), name="critic"), name=name, **settings)


def dcgan(
    input_shape: Sequence[int],
    *,
    latent_dim: int = 64,
    filters: Sequence[int] = (32, 64),
    label_smoothing: float = 0.1,
    critic_rate: float = 1.0,
    name: str = "dcgan",
) -> Adversarial:
    """Convolutional generative adversarial network.

    Batch normalization in both networks, but for the critic's first layer.

    Input: float32 (batch, latent_dim), standard normal.
    Output: float32 (batch, height, width, channels), pixels 0-255.

    Args:
        input_shape: (height, width, channels) of the images.
        latent_dim: width of the codes that images are made of.
        filters: channels of each stage of the critic, which halves height and width; the generator has them in
            reverse, and doubles.
        label_smoothing: what the critic's target for real images is below 1, in [0, 1).
        critic_rate: the critic's learning rate over the generator's.
        name: of the model.

    Raises:
        ValueError: height or width is no multiple of 2 ** len(filters), so that the generator can't come to it; or
            another shape, size or name that is none of these.

    Source: Radford, Metz and Chintala 2016, "Unsupervised Representation Learning with Deep Convolutional Generative
        Adversarial Networks", section 3.
    """
    from zoo.builders.adversarial_model import Adversarial

    sizes, filters = checks.halved("dcgan", input_shape, filters)
    settings = _settings(label_smoothing, critic_rate)
    networks = _generator(sizes, latent_dim, filters, 0), _critic(sizes, filters, 0, "batch")
    return Adversarial(*networks, name=name, **settings)


def conditional_gan(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    latent_dim: int = 64,
    filters: Sequence[int] = (32, 64),
    class_weight: float = 1.0,
    label_smoothing: float = 0.1,
    critic_rate: float = 1.0,
    name: str = "conditional_gan",
) -> Adversarial:
    """Convolutional generative adversarial network that makes images of a requested class.

    The class enters the generator as an embedding beside its code. The critic also classifies: the logit of the
    requested class adds to its score, and the cross-entropy is a loss of both networks.

    Input: float32 (batch, latent_dim), standard normal, and int32 (batch,), classes.
    Output: float32 (batch, height, width, channels), pixels 0-255.

    Args:
        input_shape: (height, width, channels) of the images.
        num_classes: how many classes there are to ask for.
        latent_dim: width of the codes that images are made of.
        filters: channels of each stage of the critic, which halves height and width; the generator has them in
            reverse, and doubles.
        class_weight: weight of the cross-entropy of the classes that the critic sees.
        label_smoothing: what the critic's target for real images is below 1, in [0, 1).
        critic_rate: the critic's learning rate over the generator's.
        name: of the model.

    Raises:
        ValueError: height or width is no multiple of 2 ** len(filters), so that the generator can't come to it; or
            another shape, size or name that is none of these.

    Source: Mirza and Osindero 2014, "Conditional Generative Adversarial Nets"; the score:
        Miyato and Koyama 2018, "cGANs with Projection Discriminator"; the loss: Odena, Olah and Shlens 2017,
        "Conditional Image Synthesis with Auxiliary Classifier GANs".
    """
    from zoo.builders.adversarial_model import Adversarial

    sizes, filters = checks.halved("conditional_gan", input_shape, filters)
    classes = checks.outputs(num_classes, "softmax")
    checks.rate("class_weight", class_weight, float("inf"))
    settings = _settings(label_smoothing, critic_rate) | {"class_weight": class_weight}
    networks = _generator(sizes, latent_dim, filters, classes), _critic(sizes, filters, classes, "batch")
    return Adversarial(*networks, num_classes=classes, name=name, **settings)


def wasserstein_gan(
    input_shape: Sequence[int],
    *,
    latent_dim: int = 64,
    filters: Sequence[int] = (32, 64),
    critic_steps: int = 5,
    gradient_penalty: float = 10.0,
    critic_rate: float = 1.0,
    name: str = "wasserstein_gan",
) -> Adversarial:
    """Convolutional Wasserstein network: the critic estimates how far generated images are from real ones.

    Its slope is held near 1 by a penalty, example by example, so it has layer instead of batch normalization. One
    training step takes `critic_steps` batches.

    Input: float32 (batch, latent_dim), standard normal.
    Output: float32 (batch, height, width, channels), pixels 0-255.

    Args:
        input_shape: (height, width, channels) of the images.
        latent_dim: width of the codes that images are made of.
        filters: channels of each stage of the critic, which halves height and width; the generator has them in
            reverse, and doubles.
        critic_steps: steps of the critic for one of the generator.
        gradient_penalty: weight of the penalty.
        critic_rate: the critic's learning rate over the generator's.
        name: of the model.

    Raises:
        ValueError: height or width is no multiple of 2 ** len(filters), so that the generator can't come to it; or
            another shape, size or name that is none of these.

    Source: Arjovsky, Chintala and Bottou 2017, "Wasserstein GAN"; Gulrajani et al. 2017, "Improved Training of
        Wasserstein GANs", algorithm 1.
    """
    from zoo.builders.adversarial_model import Adversarial

    sizes, filters = checks.halved("wasserstein_gan", input_shape, filters)
    critic_steps = checks.positive("critic_steps", critic_steps)
    checks.rate("gradient_penalty", gradient_penalty, float("inf"))
    settings = _settings(0.0, critic_rate) | {"critic_steps": critic_steps, "gradient_penalty": gradient_penalty}
    networks = _generator(sizes, latent_dim, filters, 0), _critic(sizes, filters, 0, "layer")
    return Adversarial(*networks, loss_name="wasserstein", name=name, **settings)


def _settings(label_smoothing: float, critic_rate: float) -> dict[str, Any]:
    """Both checked."""
    checks.rate("label_smoothing", label_smoothing)
    checks.rate("critic_rate", critic_rate, float("inf"))
    if not critic_rate:
        raise checks.ArgumentError(
            f"expected critic_rate to be over 0, as a critic has to learn; received {critic_rate!r}"
        )
    return {"label_smoothing": label_smoothing, "critic_rate": critic_rate}


def _generator(sizes: tuple[int, ...], latent_dim: int, filters: tuple[int, ...], classes: int) -> keras.Model:
    import keras
    from keras import layers

    latent_dim = checks.positive("latent_dim", latent_dim)
    code = x = keras.Input((latent_dim,))
    inputs = code
    if classes:
        label = keras.Input((), dtype="int32")
        x = layers.Concatenate()([code, layers.Embedding(classes, latent_dim)(label)])
        inputs = [code, label]
    unit = 2 ** len(filters)
    first = (sizes[0] // unit, sizes[1] // unit, filters[-1])
    x = layers.Reshape(first)(layers.Dense(prod(first), use_bias=False, kernel_initializer="he_normal")(x))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    for channels in reversed(filters[:-1]):
        x = layers.Conv2DTranspose(channels, 4, 2, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Conv2DTranspose(sizes[-1], 4, 2, padding="same")(x)
    return keras.Model(inputs, _pixels(x), name="generator")


def _critic(sizes: tuple[int, ...], filters: tuple[int, ...], classes: int, normalization: str) -> keras.Model:
    """`normalization`: "batch", or "layer" where examples must not mix; the first stage has none."""
    import keras
    from keras import layers

    images = keras.Input(sizes)
    x = _unit(images)
    for stage, channels in enumerate(filters):
        x = layers.Conv2D(channels, 4, 2, padding="same", kernel_initializer="he_normal")(x)
        if stage:
            x = (
                layers.BatchNormalization(momentum=0.9)(x)
                if normalization == "batch"
                else layers.LayerNormalization()(x)
            )
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    if not classes:
        return keras.Model(images, _score(x), name="critic")
    label = keras.Input((), dtype="int32")
    x = layers.LeakyReLU(0.2)(layers.Dense(128, kernel_initializer="he_normal")(x))
    classes_seen = layers.Dense(classes, dtype="float32")(x)
    requested = layers.CategoryEncoding(classes, "one_hot")(label)
    score = layers.Add(dtype="float32")([_score(x), layers.Dot(1, dtype="float32")([classes_seen, requested])])
    return keras.Model([images, label], layers.Concatenate(dtype="float32")([score, classes_seen]), name="critic")


def _unit(images: keras.KerasTensor) -> keras.KerasTensor:
    from keras import layers

    return layers.Rescaling(1 / 127.5, offset=-1.0)(images)


def _pixels(x: keras.KerasTensor) -> keras.KerasTensor:
    from keras import layers

    return layers.Rescaling(127.5, offset=127.5, dtype="float32")(layers.Activation("tanh", dtype="float32")(x))


def _score(x: keras.KerasTensor) -> keras.KerasTensor:
    from keras import layers

    return layers.Dense(1, dtype="float32")(x)
