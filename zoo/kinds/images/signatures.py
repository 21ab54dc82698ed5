"""Signatures of exported models of images: the decoder in the graph, pixels, and the embedding."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zoo.builders.loading import embedding_of
from zoo.freezing import traced
from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def pixels_of(
    size: tuple[int, int], crop: float | None, channels: int, bits: int = 16
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Decoding, from ``image_bytes`` to float32 pixels 0-255."""
    read = sized_pixels_of(size, crop, channels, bits)
    return lambda image_bytes: read(image_bytes=image_bytes)[0]


@functools.cache
def sized_pixels_of(
    size: tuple[int, int], crop: float | None, channels: int, bits: int = 16
) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """Decoding to pixels, and height and width of each image, int32 (batch, 2). Traced once, as that takes seconds."""
    import tensorflow as tf

    from zoo.kinds.images.decoding_graph import decode_sized, grey

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def pixels(image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        decoded, full_size = decode_sized(image_bytes, size, crop, bits)
        return tf.cast(grey(decoded) if channels == 1 else decoded, tf.float32), full_size

    with tf.init_scope():  # part of no other function
        return pixels.get_concrete_function()


def further(
    model: keras.Model,
    task: Task,
    assemble: Callable[..., Any],
    said: Callable[[dict[str, Any]], dict[str, Any]],
) -> tuple[Callable[[Any], dict[str, Any]], dict[str, Any]]:
    """See `zoo.kinds.images.kind.Images.called`: all signatures call one function of pixels, which is traced once."""
    import tensorflow as tf

    both = _with_embedding(model)
    pixels = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="pixels")
    files = tf.TensorSpec([None], tf.string, name="image_bytes")
    run = traced(lambda pixels: tuple(both(pixels, training=False)), model.input_shape)
    signatures = {
        "serving_pixels": tf.function(lambda pixels: _with_outputs(said, task.named(run(pixels)[0])), [pixels]),
        "embed": tf.function(lambda image_bytes: {"embedding": run(assemble(image_bytes))[1]}, [files]),
    }
    return lambda pixels: task.named(run(pixels)[0]), signatures


def _with_outputs(said: Callable[[dict[str, Any]], dict[str, Any]], outputs: dict[str, Any]) -> dict[str, Any]:
    """An answer, and the outputs of the network that are too large to be part of it."""
    return outputs | said(outputs)


def _with_embedding(model: keras.Model) -> keras.Model:
    """`model` with a second output, its embedding."""
    import keras

    return keras.Model(model.inputs, [model.output, embedding_of(model)])
