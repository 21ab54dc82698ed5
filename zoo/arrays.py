"""Models applied to arrays of any length, batch by batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

VALUES = 2**21  # numbers of raw input in a batch, at most


def apply(model: Callable[[Any], Any], inputs: Any, batch: int = 4096) -> Any:
    """Outputs of a model, or of a function of tensors, for `Part.inputs`: an array, one row an example, or a structure.

    A batch has at most `batch` examples, and fewer if they are large: for 256 photos Keras would hold 20 GB of
    activations. A model answers as outside of training, which Keras' random layers do only where they are told.
    """
    run = functools.partial(model, training=False) if isinstance(model, keras.Model) else model
    arrays = keras.tree.flatten(inputs)
    count = len(arrays[0])
    size = sum(values[:1].size for values in arrays)
    batch = together(size, batch)
    outputs = []
    for start in range(0, max(count, 1), batch):
        part = keras.tree.map_structure(lambda values, start=start: _tensor(values[start : start + batch]), inputs)
        outputs.append(keras.tree.map_structure(ops.convert_to_numpy, run(part)))
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *outputs)


def together(size: int, most: int) -> int:
    """Examples of so many numbers each that go through a model at a time, at most `most`."""
    return max(1, min(most, VALUES // max(1, size)))


def _tensor(values: np.ndarray) -> Any:
    if values.dtype != object:
        return ops.convert_to_tensor(values)
    import tensorflow as tf  # Keras has no tensors of strings

    return tf.constant(values)
