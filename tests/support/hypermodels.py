"""Models as people write them for Keras Tuner, and the data that they are for."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_breast_cancer, load_digits

import zoo
from support.places import SHARED
from zoo.kinds import samples


def dense(hp: keras_tuner.HyperParameters) -> keras.Model:
    """One probability for two classes, a loop of layers; built by the data."""
    model = keras.Sequential()
    for number in range(hp.Int("num_layers", 1, 3)):
        activation = hp.Choice("activation", ["relu", "tanh"])
        model.add(layers.Dense(hp.Int(f"units_{number}", 8, 64, step=8), activation))
    if hp.Boolean("dropout"):
        model.add(layers.Dropout(0.25))
    model.add(layers.Dense(1, "sigmoid"))
    rate = hp.Float("lr", 1e-4, 1e-2, sampling="log", default=5e-3)
    metrics = ["accuracy", keras.metrics.AUC(name="auc")]
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=metrics)
    return model


def scoped(hp: keras_tuner.HyperParameters, input_shape: Any, num_outputs: int) -> keras.Model:
    """Convolutions or none, with scopes and parent names; logits."""
    model = keras.Sequential([keras.Input(input_shape), layers.Rescaling(1 / 255)])
    kind = hp.Choice("kind", ["conv", "dense"])
    with hp.conditional_scope("kind", ["conv"]):
        if kind == "conv":
            model.add(layers.Conv2D(hp.Choice("filters", [4, 8]), 3, activation="relu"))
            model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(hp.Int("units", 16, 48, 16, parent_name="kind", parent_values=["dense"]) or 16, "relu"))
    model.add(layers.Dense(num_outputs))
    hp.Fixed("version", "1")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


class Tuned(keras_tuner.HyperModel):
    """The guide's: the size of the batches and their order are tuned in `fit`."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        model = keras.Sequential([layers.Flatten(), layers.Rescaling(1 / 255)])
        model.add(layers.Dense(hp.Int("units", 16, 64, 16), "relu"))
        model.add(layers.Dense(10, "softmax"))
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
        order = {"shuffle": hp.Boolean("shuffle", default=True)}
        return model.fit(x, y, batch_size=hp.Choice("batch_size", [16, 32]), **order, **kwargs)


class Noisy(Tuned):
    """Augments in `fit`, as it is trained."""

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
        if hp.Boolean("noise", default=True):
            x = np.concatenate([x, x + np.random.default_rng(0).normal(0, 8, x.shape)])
            y = np.concatenate([y, y])
        return model.fit(x, y, batch_size=hp.Choice("batch_size", [16, 32]), **kwargs)


def recurrent(hp: keras_tuner.HyperParameters, input_shape: Any, num_outputs: int) -> keras.Model:
    """Either cell, on sequences of unequal length."""
    model = keras.Sequential([keras.Input(input_shape), layers.Masking()])
    model.add({"lstm": layers.LSTM, "gru": layers.GRU}[hp.Choice("cell", ["gru", "lstm"])](hp.Int("units", 8, 32, 8)))
    model.add(layers.Dense(num_outputs, "softmax"))
    rate = hp.Float("lr", 1e-3, 1e-1, sampling="log", default=1e-2)
    model.compile(keras.optimizers.RMSprop(rate), keras.losses.sparse_categorical_crossentropy)
    return model


class RecurrentFit(keras_tuner.HyperModel):
    """`recurrent` with a fit that reverses the sequences too."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return recurrent(hp, (None, 12), 9)

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
        return model.fit(np.concatenate([x, x[:, ::-1]]), np.concatenate([y, y]), **kwargs)


def two_outputs(hp: keras_tuner.HyperParameters) -> keras.Model:
    """A diagnosis, and the inputs again."""
    entry = keras.Input((30,))
    x = layers.Dense(hp.Int("units", 8, 16), "relu")(entry)
    outputs = {"diagnosis": layers.Dense(1, "sigmoid")(x), "again": layers.Dense(30)(x)}
    model = keras.Model(entry, outputs)
    model.compile("adam", {"diagnosis": "binary_crossentropy", "again": "mse"}, loss_weights={"again": 0.1})
    return model


def refusing(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Refuses wide layers."""
    units = hp.Int("units", 16, 256, 16)
    if units > 128:
        raise keras_tuner.errors.FailedTrialError("too large")
    model = keras.Sequential([layers.Dense(units, "relu"), layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def preprocessing(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Random changes of pictures and their scale inside."""
    shift = hp.Float("shift", 0, 0.2)
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.RandomTranslation(shift, 0.1), layers.Rescaling(1 / 255)]
    )
    if hp.Boolean("contrast", default=True):
        model.add(layers.RandomContrast(0.2))
    model.add(layers.Flatten())
    model.add(layers.Dense(hp.Choice("units", [32, 64]), "relu"))
    model.add(layers.Dense(10, "softmax"))
    rule = keras.optimizers.AdamW(hp.Choice("lr", [1e-2, 1e-3]), weight_decay=1e-4)
    model.compile(rule, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def residual(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Keras Tuner's own, with a part of it fixed: version next has a lambda, which can't be saved."""
    for name, value in {"version": "v2", "conv3_depth": 4, "conv4_depth": 6}.items():
        hp.Fixed(name, value)
    return keras_tuner.applications.HyperResNet(input_shape=(32, 32, 3), classes=10).build(hp)


def cancer() -> zoo.data.Data:
    return zoo.data.tables(load_breast_cancer(as_frame=True).frame, target="target")


def digits() -> zoo.data.Data:
    bunch = load_digits()
    return zoo.data.arrays((bunch.images[:600] * 15).astype(np.uint8), bunch.target[:600])


def digits_in_colour() -> zoo.data.Data:
    """100 digits of 32 x 32 pixels, 3 channels."""
    bunch = load_digits()
    pictures = np.kron((bunch.images[:100] * 15).astype(np.uint8), np.ones((4, 4), np.uint8))
    return zoo.data.arrays(np.stack([pictures] * 3, axis=-1), bunch.target[:100])


def fashion() -> zoo.data.Data:
    """The first 2,000 training images of Fashion-MNIST; digits of their size where they are not there."""
    folder = SHARED / "fashion-mnist"
    if folder.is_dir():
        pixels, labels = (
            gzip.decompress((folder / f"train-{name}-ubyte.gz").read_bytes()) for name in ("images-idx3", "labels-idx1")
        )
        pictures = np.frombuffer(pixels, np.uint8, 2000 * 28 * 28, offset=16).reshape(-1, 28, 28)
        return zoo.data.arrays(pictures, np.frombuffer(labels, np.uint8, 2000, offset=8))
    bunch = load_digits()
    pictures = np.pad(
        np.kron((bunch.images * 15).astype(np.uint8), np.ones((3, 3), np.uint8)), ((0, 0), (2, 2), (2, 2))
    )
    return zoo.data.arrays(pictures, bunch.target)


def vowels(place: Path) -> zoo.data.Data:
    pytest.importorskip("aeon")
    samples.write("japanese_vowels", place / "vowels")
    return zoo.data.open(place / "vowels")
