"""Names of the builders and where they are, so that listing them loads neither Keras nor TensorFlow."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from typing import Any

from zoo.errors import InputError

BUILDERS: dict[str, str] = {
    "cnn": "zoo.builders.convolutional:cnn",
    "conditional_gan": "zoo.builders.adversarial:conditional_gan",
    "conv_autoencoder": "zoo.builders.autoencoders:conv_autoencoder",
    "dcgan": "zoo.builders.adversarial:dcgan",
    "denoising_autoencoder": "zoo.builders.autoencoders:denoising_autoencoder",
    "dense_autoencoder": "zoo.builders.autoencoders:dense_autoencoder",
    "gan": "zoo.builders.adversarial:gan",
    "gru": "zoo.builders.recurrent:gru",
    "lstm": "zoo.builders.recurrent:lstm",
    "mlp": "zoo.builders.dense:mlp",
    "perceptron": "zoo.builders.dense:perceptron",
    "resnet": "zoo.builders.convolutional:resnet",
    "rnn": "zoo.builders.recurrent:rnn",
    "sequence_autoencoder": "zoo.builders.autoencoders:sequence_autoencoder",
    "variational_autoencoder": "zoo.builders.autoencoders:variational_autoencoder",
    "wasserstein_gan": "zoo.builders.adversarial:wasserstein_gan",
}


def builder(name: str) -> Callable[..., Any]:
    """The function of that name, which returns an uncompiled `keras.Model`.

    Raises:
        InputError: there is none; the message lists them.
    """
    if name not in BUILDERS:
        near = difflib.get_close_matches(str(name).lower(), BUILDERS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"expected a builder, one of {', '.join(BUILDERS)}; received {name!r}{hint}")
    module, function = BUILDERS[name].split(":")
    return getattr(importlib.import_module(module), function)


def summary(name: str) -> str:
    """What the builder of that name is, in one line: the first of its docstring."""
    return (builder(name).__doc__ or "").strip().partition("\n")[0]
