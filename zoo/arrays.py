"""Arrays of any number of rows through a model, a part at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

VALUES = 2**21  # of raw inputs that a model is given at a time


def apply(model: Callable[[Any], Any], inputs: Any, batch: int = 4096) -> Any:
    """What a model, or a function of tensors, makes of `Part.inputs`: an array, one row an example, or several by name.

    At most `batch` examples at a time, and fewer of large ones: of 256 photos Keras would keep 20 GB of activations.
    """
    arrays = keras.tree.flatten(inputs)
    count = len(arrays[0])
    size = sum(values[:1].size for values in arrays)
    batch = together(size, batch)
    done = []
    for start in range(0, max(count, 1), batch):
        part = keras.tree.map_structure(lambda values, start=start: _tensor(values[start : start + batch]), inputs)
        done.append(keras.tree.map_structure(ops.convert_to_numpy, model(part)))
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *done)


def together(size: int, most: int) -> int:
    """How many examples of so many numbers each are asked at a time, at most `most`."""
    return max(1, min(most, VALUES // max(1, size)))


def _tensor(values: np.ndarray) -> Any:
    if values.dtype != object:
        return ops.convert_to_tensor(values)
    import tensorflow as tf  # strings are its own

    return tf.constant(values)
