"""The rivals: Keras' own transfer-learning recipes, on the same backbone and weights.

`frozen_then_all` is that of the guide "Transfer learning & fine-tuning" on keras.io: a new head on the frozen
backbone, then everything at a small learning rate, flips and small rotations. `features_once` is the older one of
"Deep Learning with Python" (Chollet 2021, section 8.3.1): features predicted once, a dense head trained on them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SIZE, BATCH = 224, 32


def backbone() -> Any:
    """EfficientNet-Lite0 with its ImageNet weights, any Keras backend."""
    from applications import efficientnet_lite, weights

    model = efficientnet_lite.keras_model("efficientnet_lite0", SIZE)
    efficientnet_lite.assign(model, weights.arrays("efficientnet_lite0"))
    return model


def frozen_then_all(train: Any, validation: Any, classes: int, *, head_epochs: int = 20, all_epochs: int = 5) -> list:
    """Validation accuracy after each epoch.

    Args:
        train: anything `fit` takes that gives (pixels 0-255, labels) in batches; or a tuple of arrays.
        validation: likewise.
        classes: how many.
        head_epochs: on the frozen backbone.
        all_epochs: on everything, at 1e-5.
    """
    import keras

    base = backbone()
    base.trainable = False
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.RandomFlip("horizontal")(inputs)
    x = keras.layers.RandomRotation(0.1)(x)
    x = base(x, training=False)
    x = keras.layers.Dropout(0.2)(x)
    model = keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(x))
    accuracies = []
    for epochs, rate in ((head_epochs, 1e-3), (all_epochs, 1e-5)):
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        accuracies += _fit(model, train, validation, epochs)
        base.trainable = True
    return accuracies


def features_once(train: Any, validation: Any, classes: int, *, epochs: int = 20) -> list:
    """Validation accuracy after each epoch; `train` and `validation` are (embeddings, labels)."""
    import keras

    inputs = keras.Input(train[0].shape[1:])
    x = keras.layers.Dense(256)(inputs)
    x = keras.layers.Dropout(0.5)(x)
    model = keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(x))
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return _fit(model, train, validation, epochs)


def folder(path: Path, part: str, shuffle: bool) -> Any:
    """A part of an image folder as Keras reads it."""
    import keras

    return keras.utils.image_dataset_from_directory(
        path / part, image_size=(SIZE, SIZE), batch_size=BATCH, shuffle=shuffle, seed=0, verbose=False
    )


def pixels(files: list[Path]) -> np.ndarray:
    """uint8 (files, 224, 224, 3), squeezed to a square as `image_dataset_from_directory` does it."""
    from PIL import Image

    def one(file: Path) -> np.ndarray:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    return np.stack([one(file) for file in files])


def _fit(model: Any, train: Any, validation: Any, epochs: int) -> list:
    if isinstance(train, tuple):
        history = model.fit(*train, validation_data=validation, epochs=epochs, batch_size=BATCH, verbose=0)
    else:
        history = model.fit(train, validation_data=validation, epochs=epochs, verbose=0)
    return [float(value) for value in history.history["val_accuracy"]]
