"""Search spaces: functions from Keras Tuner's `hp` to keyword arguments of a builder and of its training.

Defaults are those of the builder and of the training. A grid varies the last hyperparameter first, so the learning
rate, which matters most (Bengio 2012, "Practical Recommendations for Gradient-Based Training of Deep Architectures",
section 3.1), comes last. Logarithmic steps: Goodfellow, Bengio and Courville 2016, "Deep Learning", section 11.4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from zoo.training.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

Settings = dict[str, dict[str, Any]]


def perceptron(hp: HyperParameters) -> Settings:
    """Penalties alone, because a single layer has no other size (Goodfellow et al. 2016, section 7.1)."""
    return {"model": {"l1": _penalty(hp, "l1"), "l2": _penalty(hp)}, "training": _training(hp)}


def mlp(hp: HyperParameters) -> Settings:
    """1 to 4 layers of up to 512 units; equal widths are as good as halving ones (Bengio 2012, section 3.2)."""
    units = _widths(hp, "units", 4, 2, (32, 64, 128, 256, 512), 128, "halving")
    model = {"units": units, **_kernels(hp), "dropout": _dropout(hp)}
    model["batch_normalization"] = hp.Boolean("batch_normalization", default=False)
    return {"model": model, "training": _training(hp)}


def cnn(hp: HyperParameters) -> Settings:
    """1 to 3 stages, because images of 8 x 8 pixels allow no more. 32 channels cost four times the default's 16.

    Doubling, and kernels of 3: Simonyan and Zisserman 2014, section 2; of 5: LeCun et al. 1998.
    """
    model = {"filters": _widths(hp, "filters", 3, 3, (8, 16, 32), 16), **_kernels(hp), "dropout": _dropout(hp, 0.3)}
    model["kernel_size"] = hp.Choice("kernel_size", [3, 5], default=3)
    model["units"] = hp.Choice("units", [64, 128, 256], default=128)
    model["batch_normalization"] = hp.Boolean("batch_normalization", default=True)
    return {"model": model, "training": _training(hp)}


def resnet(hp: HyperParameters) -> Settings:
    """Depths of He et al. 2016, section 4.2, and two below; width may do more (Zagoruyko and Komodakis 2016).

    The penalty is half the papers' weight decay: 1e-4 in the first, 5e-4 in the second.
    """
    model = {"depth": hp.Choice("depth", [8, 14, 20, 32], default=20)}
    model["width"] = hp.Choice("width", [8, 16, 32], default=16)
    model["shortcut"] = hp.Choice("shortcut", ["padding", "projection"], default="padding")
    model |= {**_kernels(hp, (0.0, 1e-5, 5e-5, 2.5e-4, 1e-3), 5e-5), "dropout": _dropout(hp)}
    return {"model": model, "training": _training(hp)}


def unet(hp: HyperParameters) -> Settings:
    """2 to 4 halvings, as images of 16 pixels allow no more; 64 channels, as in the paper, take a graphics card.

    Width and depth matter less than how a U-Net is trained (Isensee et al. 2021, "nnU-Net"), so few of each; dropout at
    the deepest stage: Ronneberger et al. 2015, section 3.1.
    """
    model = {"filters": hp.Choice("filters", [8, 16, 32], default=8), "depth": hp.Int("depth", 2, 4, default=4)}
    model |= {**_kernels(hp), "dropout": _dropout(hp)}
    model["standardization"] = hp.Boolean("standardization", default=True)
    return {"model": model, "training": _training(hp)}


def recurrent(hp: HyperParameters, tokens: bool = False) -> Settings:
    """For lstm and gru: 1 to 3 layers; width about the 20 to 200 of Greff et al. 2017, "LSTM: A Search Space Odyssey".

    Dropout of tokens up to 0.3: Iyyer et al. 2015; pairs of words: Wang and Manning 2012.

    Args:
        hp: draws the values.
        tokens: whether the sequences are texts.
    """
    layers = hp.Int("layers", 1, 3, default=1)
    model: dict[str, Any] = {"units": (_recurrent_units(hp),) * layers}
    model["bidirectional"] = hp.Boolean("bidirectional", default=False)
    model["pooling"] = hp.Choice("pooling", ["last", "mean", "max", "mean_max"], default="last")
    model |= {"dropout": _dropout(hp), "l2": _penalty(hp)}
    if tokens:
        model["embedding"] = hp.Choice("embedding", [32, 64, 128], default=64)
        model["token_dropout"] = hp.Choice("token_dropout", [0.0, 0.1, 0.2, 0.3], default=0.0)
        model["ngrams"] = hp.Int("ngrams", 0, 2, default=0)
    return {"model": model, "training": _training(hp)}


def rnn(hp: HyperParameters, tokens: bool = False) -> Settings:
    """As `recurrent`, with the activation: relu has a long memory too (Le, Jaitly and Hinton 2015)."""
    activation = {"activation": hp.Choice("activation", ["tanh", "relu"], default="tanh")}
    settings = recurrent(hp, tokens)
    return settings | {"model": settings["model"] | activation}


def dense_autoencoder(hp: HyperParameters) -> Settings:
    """1 to 3 layers to a code; Hinton and Salakhutdinov 2006 take 1000-500-250 to one of 30."""
    units = _widths(hp, "units", 3, 2, (64, 128, 256, 512), 256, "halving")
    return {"model": {"units": units, **_code(hp), **_kernels(hp)}, "training": _training(hp)}


def denoising_autoencoder(hp: HyperParameters) -> Settings:
    """Stages as `_stages`. The noise is part of the task and not searched: with less noise every error is smaller."""
    return {"model": {"filters": _stages(hp), **_kernels(hp)}, "training": _training(hp)}


def conv_autoencoder(hp: HyperParameters) -> Settings:
    """As `denoising_autoencoder`, with the width of the code."""
    code, settings = _code(hp), denoising_autoencoder(hp)
    return settings | {"model": settings["model"] | code}


def variational_autoencoder(hp: HyperParameters, rows: bool = False) -> Settings:
    """For images, or `rows`. Beta is not searched: it weights the loss (Higgins et al. 2017)."""
    return dense_autoencoder(hp) if rows else conv_autoencoder(hp)


def sequence_autoencoder(hp: HyperParameters) -> Settings:
    """Width as in `recurrent`."""
    model = {"units": _recurrent_units(hp), **_code(hp, 16), "cell": hp.Choice("cell", ["gru", "lstm"], default="gru")}
    return {"model": model, "training": _training(hp)}


def gan(hp: HyperParameters) -> Settings:
    """1 to 3 layers, equal or growing towards the image; dropout of the critic."""
    units = _widths(hp, "units", 3, 2, (128, 256, 512), 256)
    return _adversarial(hp, {"units": units, "dropout": _dropout(hp, 0.3), "label_smoothing": _smoothing(hp)})


def dcgan(hp: HyperParameters) -> Settings:
    """For dcgan and conditional_gan: channels double from stage to stage (Radford et al. 2016, figure 1), or don't."""
    return _adversarial(hp, {"filters": _stages(hp), "label_smoothing": _smoothing(hp)})


def wasserstein_gan(hp: HyperParameters) -> Settings:
    """5 steps of the critic (Gulrajani et al. 2017, algorithm 1) or fewer; each takes a batch, so batches are small."""
    steps = {"critic_steps": hp.Choice("critic_steps", [1, 3, 5], default=5)}
    return _adversarial(hp, {"filters": _stages(hp)} | steps, (32, 64))


def fine_tune(
    hp: HyperParameters, backbones: Sequence[str] = ("efficientnet_lite0",), blocks: Sequence[int] = (0,)
) -> Settings:
    """The head of a pretrained backbone, and the training of its last blocks; every key is set, active or not.

    Strengths have the range of those in `applications.linear_heads`. Dropout: Srivastava et al. 2014. Blocks learn at
    a tenth of the head's rate, so that pretrained features stay (Kumar et al. 2022).

    Args:
        hp: draws the values.
        backbones: names to choose from, the default first.
        blocks: numbers of last blocks to choose from, the default first; 0 for none.
    """
    backbone = hp.Choice("backbone", list(backbones)) if len(backbones) > 1 else backbones[0]
    unfreeze = hp.Choice("unfreeze", list(blocks)) if len(blocks) > 1 else blocks[0]
    units = hp.Choice("units", [0, 128, 256, 512], default=0)  # 0: logistic regression
    strength = hp.Float("strength", 1e-4, 1.0, sampling="log", default=1e-2)
    unfreeze_rate, augment = None, "none"
    with hp.conditional_scope("units", [128, 256, 512]):
        dropout = hp.Choice("dropout", [0.0, 0.15, 0.3, 0.45, 0.6], default=0.3)
        learning_rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
    if trained := [count for count in blocks if count]:
        # A constant is no hyperparameter, so no other can depend on it.
        with hp.conditional_scope("unfreeze", trained) if len(blocks) > 1 else nullcontext():
            augment = hp.Choice("augment", ["none", "flip", "flip,crop"], default="flip,crop") or "none"
            unfreeze_rate = hp.Float("unfreeze_rate", 1e-5, 1e-3, sampling="log", default=1e-4)
    # Inactive hyperparameters are None.
    model = {"backbone": backbone, "units": units, "strength": strength, "dropout": dropout or 0.0}
    training = {"learning_rate": learning_rate or 1e-3, "unfreeze_rate": unfreeze_rate or 1e-4}
    training["augment"] = () if augment == "none" else tuple(augment.split(","))
    return {"model": model | {"unfreeze": unfreeze}, "training": training}


SPACES: dict[str, Callable[..., Settings]] = {
    "cnn": cnn,
    "conditional_gan": dcgan,
    "conv_autoencoder": conv_autoencoder,
    "dcgan": dcgan,
    "denoising_autoencoder": denoising_autoencoder,
    "dense_autoencoder": dense_autoencoder,
    "fine_tune": fine_tune,
    "gan": gan,
    "gru": recurrent,
    "lstm": recurrent,
    "mlp": mlp,
    "perceptron": perceptron,
    "resnet": resnet,
    "rnn": rnn,
    "sequence_autoencoder": sequence_autoencoder,
    "unet": unet,
    "variational_autoencoder": variational_autoencoder,
    "wasserstein_gan": wasserstein_gan,
}


def _widths(
    hp: HyperParameters, name: str, most: int, depth: int, widths: Sequence[int], first: int, change: str = "doubling"
) -> tuple[int, ...]:
    """Widths of 1 to `most` layers: their number, the first width, and whether the next ones halve, or double, it."""
    layers = "layers" if name == "units" else "stages"
    count = hp.Int(layers, 1, most, default=depth)
    width = hp.Choice(name, list(widths), default=first)
    with hp.conditional_scope(layers, list(range(2, most + 1))):  # a single layer has no next one
        changing = hp.Boolean(change, default=True)
    factor = {"halving": 0.5, "doubling": 2}[change] if changing else 1
    return tuple(int(width * factor**layer) for layer in range(count))


def _stages(hp: HyperParameters) -> tuple[int, ...]:
    """1 or 2 stages, because 28 pixels can be halved twice."""
    return _widths(hp, "filters", 2, 2, (16, 32, 64), 32)


def _kernels(hp: HyperParameters, penalties: Sequence[float] = (), default: float = 0.0) -> dict[str, Any]:
    """Activation and L2 penalty of the kernels.

    Glorot et al. 2011 (relu), Clevert et al. 2016 (elu), Hendrycks and Gimpel 2016 (gelu). Sigmoid is left out,
    because it saturates (Glorot and Bengio 2010).
    """
    activation = hp.Choice("activation", ["relu", "elu", "gelu", "tanh"], default="relu")
    l2 = hp.Choice("l2", list(penalties), default=default) if penalties else _penalty(hp)
    return {"activation": activation, "l2": l2}


def _penalty(hp: HyperParameters, name: str = "l2") -> float:
    """A penalty of 0, or a power of ten; a choice, because a logarithmic range has no 0."""
    return hp.Choice(name, [0.0, 1e-5, 1e-4, 1e-3, 1e-2], default=0.0)


def _dropout(hp: HyperParameters, default: float = 0.0) -> float:
    """0.2 to 0.5 is usual in hidden layers (Srivastava et al. 2014, appendix A.4); less, and none."""
    return hp.Choice("dropout", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], default=default)


def _code(hp: HyperParameters, default: int = 32) -> dict[str, int]:
    """Around the 30 of Hinton and Salakhutdinov 2006."""
    return {"latent_dim": hp.Choice("latent_dim", [8, 16, 32, 64], default=default)}


def _recurrent_units(hp: HyperParameters) -> int:
    return hp.Choice("units", [32, 64, 128, 256], default=64)


def _training(hp: HyperParameters) -> dict[str, Any]:
    """Batch size, optimizer and learning rate.

    Batches of 32: Bengio 2012, section 3.1; small ones are best (Masters and Luschi 2018). Each kind of optimizer has
    a range of learning rates, from a tenth of its default to ten times that.
    """
    batch_size = hp.Choice("batch_size", [16, 32, 64, 128], default=32)
    optimizer = hp.Choice("optimizer", ["adam", "rmsprop", "momentum"], default="adam")
    with hp.conditional_scope("optimizer", ["adam", "rmsprop"]):
        rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=OPTIMIZERS["adam"])
    with hp.conditional_scope("optimizer", ["momentum"]):
        momentum_rate = hp.Float("momentum_rate", 2e-3, 0.2, sampling="log", default=OPTIMIZERS["momentum"])
    return {"batch_size": batch_size, "optimizer": optimizer, "learning_rate": rate or momentum_rate}


def _smoothing(hp: HyperParameters) -> float:
    """Around the 0.1 of Salimans et al. 2016, section 3.4."""
    return hp.Choice("label_smoothing", [0.0, 0.1, 0.2], default=0.1)


def _adversarial(hp: HyperParameters, model: dict[str, Any], batches: Sequence[int] = (32, 64, 128)) -> Settings:
    """Codes around the 100 of Radford et al. 2016, section 4, batches up to their 128, rates around their 2e-4.

    A critic that learns faster than the generator: Heusel et al. 2017; RMSprop: Arjovsky et al. 2017, algorithm 1.
    """
    model["latent_dim"] = hp.Choice("latent_dim", [32, 64, 128], default=64)
    model["critic_rate"] = hp.Choice("critic_rate", [0.5, 1.0, 2.0, 4.0], default=1.0)
    batch_size = hp.Choice("batch_size", list(batches), default=64)
    optimizer = hp.Choice("optimizer", ["adam", "rmsprop"], default="adam")
    rate = hp.Float("learning_rate", 1e-4, 2e-3, sampling="log", default=5e-4)
    return {"model": model, "training": {"batch_size": batch_size, "optimizer": optimizer, "learning_rate": rate}}
