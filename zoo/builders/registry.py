"""The registry of builders; listing them loads neither Keras nor TensorFlow."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from zoo.errors import InputError
from zoo.settings import suggestion


class Builder(NamedTuple):
    """A row of the registry, known before the builder is imported.

    Attributes:
        path: of its function, as module:function.
        kinds: of inputs that it takes, out of images, table, text, sequence.
        shape: of one input, as is usual for it.
        task: that it brings, as reconstruction or generation; "" where the task is the data's.
        per_pixel: whether it answers for each pixel of an image, rather than for the image.
        uncropped: whether it sees all of a photo, whatever their proportions, rather than the square in their middle.
        adapts: whether it learns in one step without gradients, so that it has no optimizer, epochs or search space.
    """

    path: str
    kinds: tuple[str, ...]
    shape: tuple[int, ...]
    task: str = ""
    per_pixel: bool = False
    uncropped: bool = False
    adapts: bool = False


IMAGE, PHOTO, ROW, STEPS = (28, 28, 1), (128, 128, 3), (64,), (30, 8)
BUILDERS: dict[str, Builder] = {
    "cnn": Builder("zoo.builders.convolutional:cnn", ("images",), IMAGE),
    "conditional_gan": Builder("zoo.builders.adversarial:conditional_gan", ("images",), IMAGE, "generation"),
    "conv_autoencoder": Builder("zoo.builders.autoencoders:conv_autoencoder", ("images",), IMAGE, "reconstruction"),
    "dcgan": Builder("zoo.builders.adversarial:dcgan", ("images",), IMAGE, "generation"),
    "denoising_autoencoder": Builder(
        "zoo.builders.autoencoders:denoising_autoencoder", ("images",), IMAGE, "reconstruction"
    ),
    "dense_autoencoder": Builder(
        "zoo.builders.autoencoders:dense_autoencoder", ("table", "images"), IMAGE, "reconstruction"
    ),
    "gan": Builder("zoo.builders.adversarial:gan", ("images",), IMAGE, "generation"),
    "gru": Builder("zoo.builders.recurrent:gru", ("sequence", "text"), STEPS),
    "lstm": Builder("zoo.builders.recurrent:lstm", ("sequence", "text"), STEPS),
    "mlp": Builder("zoo.builders.dense:mlp", ("table", "images"), ROW),
    "perceptron": Builder("zoo.builders.dense:perceptron", ("table", "images"), ROW),
    "resnet": Builder("zoo.builders.convolutional:resnet", ("images",), IMAGE),
    "rnn": Builder("zoo.builders.recurrent:rnn", ("sequence", "text"), STEPS),
    "sequence_autoencoder": Builder(
        "zoo.builders.autoencoders:sequence_autoencoder", ("sequence",), STEPS, "reconstruction"
    ),
    "unet": Builder("zoo.builders.segmenting:unet", ("images",), PHOTO, per_pixel=True),
    "variational_autoencoder": Builder(
        "zoo.builders.autoencoders:variational_autoencoder", ("table", "images"), IMAGE, "reconstruction"
    ),
    "wasserstein_gan": Builder("zoo.builders.adversarial:wasserstein_gan", ("images",), IMAGE, "generation"),
}
# Other packages add rows by the entry-point group ``zoo.builders``: name = module:dict of the fields of `Builder`.
BUILDERS |= {entry.name: Builder(**entry.load()) for entry in entry_points(group="zoo.builders")}
BUILDERS = dict(sorted(BUILDERS.items()))


def builder(name: str) -> Callable[..., Any]:
    """The function of that name, which returns an uncompiled `keras.Model`.

    Raises:
        InputError: there is no such builder; the message lists them.
    """
    if name not in BUILDERS:
        raise InputError(
            f"expected a builder, one of {', '.join(BUILDERS)}; received {name!r}{suggestion(name, BUILDERS)}"
        )
    module, function = BUILDERS[name].path.split(":")
    return getattr(importlib.import_module(module), function)


def row(build: Callable[..., Any]) -> Builder | None:
    """The row in `BUILDERS` of a function of the zoo; None for any other."""
    name = getattr(build, "__name__", None)
    return BUILDERS[name] if name in BUILDERS and builder(name) is build else None


def row_of(given: Any) -> Builder | None:
    """The row of a builder as users give it, by name or as a function of the zoo; None for any other, or a model.

    Raises:
        InputError: there is no builder of that name.
    """
    return row(builder(given) if isinstance(given, str) else given)


def summary(name: str) -> str:
    """What the builder of that name is, in one line: the first of its docstring."""
    return (builder(name).__doc__ or "").strip().partition("\n")[0]
