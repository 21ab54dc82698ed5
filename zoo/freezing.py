"""Models as functions of TensorFlow, traced once, and with constants in place of their variables.

An exported SavedModel keeps its variables: constants are folded into one another, and answers would differ from those
of the model in the sixth digit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zoo.startup import without_noise

if TYPE_CHECKING:
    import tensorflow as tf


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
