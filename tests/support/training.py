"""A small network, and examples that it can learn."""

from __future__ import annotations

import keras
import numpy as np


def blobs(count: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 3
    return (rng.normal(size=(count, 4)) + targets[:, None]).astype(np.float32), targets.astype(np.int64)


def network(seed: int = 0, dropout: float = 0.0, width: int = 8) -> keras.Model:
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((4,)), keras.layers.Dense(width, "relu"), keras.layers.Dropout(dropout)]
    return keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])


def options(epochs: int = 5) -> dict:
    return {"epochs": epochs, "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
