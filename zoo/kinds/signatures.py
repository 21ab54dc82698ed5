"""What an exported model is asked with: named tensors of raw inputs, by kind of input."""

from __future__ import annotations

import functools
import io
import keyword
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.dataset import Inputs
from zoo.files import read_bytes

if TYPE_CHECKING:
    import tensorflow as tf


def columns(description: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Of a table: name of the tensor -> group of columns (``numeric``, ``categorical``) and position in it.

    Tensors are named as the columns are, with ``_`` for what is no letter, digit or underscore. TensorFlow takes names
    of signatures for parameters of a function, and tells no capital from a small letter: a word of Python's, or
    ``self``, has ``column_`` before it, and of names that are else the same, all but the first a number behind them.
    """
    found: dict[str, tuple[str, int]] = {}
    taken: set[str] = set()
    for group in ("numeric", "categorical"):
        for position, column in enumerate(description.get(group, ())):
            plain = re.sub(r"\W", "_", column, flags=re.ASCII)
            if not plain[:1].isalpha() or keyword.iskeyword(plain) or plain == "self":
                plain = f"column_{plain}"
            name, number = plain, 1
            while name.lower() in taken:
                number += 1
                name = f"{plain}_{number}"
            taken.add(name.lower())
            found[name] = (group, position)
    return found


def renamed(description: dict[str, Any]) -> dict[str, str]:
    """Of a table: column -> name of its tensor, where that is another."""
    if description.get("kind") != "table":
        return {}
    names = ((description[group][position], name) for name, (group, position) in columns(description).items())
    return {column: name for column, name in names if column != name}


def feeds(inputs: Inputs, description: dict[str, Any]) -> dict[str, Any]:
    """Raw inputs, as `zoo.data.Part` has them, under the names of the exported model's tensors.

    Returns:
        name -> array (examples, ...); of images ``image_bytes``, a list of encoded files: paths are read, arrays of
        pixels become PNG, and bytes are taken as they are.
    """
    kind = description["kind"]
    if kind == "images":
        return {"image_bytes": [_encoded(each) for each in inputs]}
    if kind == "table":
        return {name: inputs[group][:, position] for name, (group, position) in columns(description).items()}
    return inputs if kind == "code" else {kind: inputs}


def specification(description: dict[str, Any]) -> tuple[dict[str, tf.TensorSpec], Callable[..., Any]]:
    """Of the exported model: name -> tensor, and a function from those tensors to the Keras model's input."""
    import tensorflow as tf

    kind = description["kind"]
    if kind == "table":
        places = columns(description)
        types = {"numeric": tf.float32, "categorical": tf.string}
        specs = {name: tf.TensorSpec([None], types[group], name=name) for name, (group, _) in places.items()}

        def stacked(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
            groups: dict[str, list[tf.Tensor]] = {}
            for name, (group, _) in places.items():
                groups.setdefault(group, []).append(tensors[name])
            return {group: tf.stack(values, axis=1) for group, values in groups.items()}

        return specs, stacked
    if kind == "text":
        return {"text": tf.TensorSpec([None], tf.string, name="text")}, lambda text: text
    if kind == "sequence":
        shape = [None, description["length"], len(description["features"])]
        return {"sequence": tf.TensorSpec(shape, tf.float32, name="sequence")}, lambda sequence: sequence
    if kind == "code":
        return _codes(description["width"], tuple(description["classes"]))
    pixels = _pixels(tuple(description["size"]), description["crop"], description.get("channels", 3))
    return {"image_bytes": tf.TensorSpec([None], tf.string, name="image_bytes")}, pixels


def _codes(width: int, classes: tuple[str, ...]) -> tuple[dict[str, tf.TensorSpec], Callable[..., Any]]:
    """Codes, and of a conditional model labels; one that is none of the classes is an error."""
    import tensorflow as tf

    specs = {"code": tf.TensorSpec([None, width], tf.float32, name="code")}
    if not classes:
        return specs, lambda code: code
    names = tf.constant(classes)

    def both(code: tf.Tensor, label: tf.Tensor) -> list[tf.Tensor]:
        same = label[:, None] == names[None]
        known = tf.debugging.Assert(tf.reduce_all(tf.reduce_any(same, axis=1)), ["no such label", label])
        with tf.control_dependencies([known] if known is not None else []):
            return [code, tf.argmax(tf.cast(same, tf.int32), axis=1, output_type=tf.int32)]

    return specs | {"label": tf.TensorSpec([None], tf.string, name="label")}, both


@functools.cache
def _pixels(size: tuple[int, int], crop: float, channels: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Decoding, traced once in a process: that takes seconds."""
    import tensorflow as tf

    from zoo.kinds.images.decoding_graph import decode_batch, grey

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def pixels(image_bytes: tf.Tensor) -> tf.Tensor:
        decoded = decode_batch(image_bytes, size, crop)
        return tf.cast(grey(decoded) if channels == 1 else decoded, tf.float32)

    with tf.init_scope():  # part of no other function
        return pixels.get_concrete_function()


def _encoded(image: Path | bytes | np.ndarray) -> bytes:
    if isinstance(image, bytes):
        return image
    if isinstance(image, Path):
        return read_bytes(image)
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()
