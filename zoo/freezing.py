"""Functions of TensorFlow whose variables are constants: smaller to save, quicker to load and to run."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zoo.keras_internals import all_layers
from zoo.startup import without_noise

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

LARGEST = 2**28  # bytes of weights; a graph is one message of Protocol Buffers, of 2 GiB at most


def frozen(function: tf.types.experimental.ConcreteFunction) -> Any:
    """`function` with its variables as they are now; it returns the flat list of the outputs.

    Dictionaries are flat in the order of their keys, as `tf.nest.flatten` has them.
    """
    # TensorFlow has no public name for it; its guide to converting names this one.
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    with without_noise():
        return convert_variables_to_constants_v2(function, lower_control_flow=False)


def traced(function: Callable[[Any], Any], shape: Sequence[int | None]) -> tf.types.experimental.ConcreteFunction:
    """A function of float32 pixels, or a model as it answers outside of training, traced once for batches of all sizes.

    Args:
        function: from pixels to a tensor or a structure of them.
        shape: of a batch; the number of images is free.
    """
    import keras
    import tensorflow as tf

    run = functools.partial(function, training=False) if isinstance(function, keras.Model) else function
    pixels = tf.TensorSpec([None, *shape[1:]], tf.float32, name="pixels")
    return tf.function(lambda pixels: run(pixels)).get_concrete_function(pixels)


def quick(model: keras.Model, function: tf.types.experimental.ConcreteFunction) -> Callable[[Any], Any]:
    """`function`, which calls `model`, frozen; or as it is, if the model is large, has tables or writes variables."""
    import tensorflow as tf

    if tables(model) or sum(math.prod(each.shape) * 4 for each in model.variables) > LARGEST:
        return function
    try:
        constant = frozen(function)
    except ValueError:  # what is written can be no constant
        return function
    return lambda tensor: tf.nest.pack_sequence_as(function.structured_outputs, tf.nest.flatten(constant(tensor)))


def tables(model: keras.Model) -> list[Any]:
    """The tables of words in the layers of a model, layer by layer; TensorFlow does not find them in a list of one."""
    import tensorflow as tf

    table = tf.saved_model.experimental.TrackableResource
    parts = [part for layer in all_layers(model) for part in tf.train.TrackableView(layer).descendants()]
    return list({id(part): part for part in parts if isinstance(part, table)}.values())
