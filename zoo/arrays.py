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
    count = len(next(iter(inputs.values()))) if isinstance(inputs, dict) else len(inputs)
    if isinstance(inputs, np.ndarray) and count:
        batch = max(1, min(batch, VALUES // max(1, inputs[:1].size)))
    done = []
    for start in range(0, max(count, 1), batch):
        here = slice(start, start + batch)
        if isinstance(inputs, dict):
            part = {name: _tensor(values[here]) for name, values in inputs.items()}
        else:
            part = _tensor(inputs[here])
        done.append(keras.tree.map_structure(ops.convert_to_numpy, model(part)))
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *done)


def _tensor(values: np.ndarray) -> Any:
    if values.dtype != object:
        return ops.convert_to_tensor(values)
    import tensorflow as tf  # strings are its own

    return tf.constant(values)
