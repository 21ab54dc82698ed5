"""Pillow's 8-bit antialiased bicubic resize in TensorFlow operations, bit for bit.

The two rewrites of TensorFlow's optimizer that `zoo.kinds.images.decoding_graph` names are kept away from here too.
"""

from __future__ import annotations

import tensorflow as tf

# Outputs of one resampling step that share a matrix product: more means fewer products, with more zeros in each.
_BLOCK = 8


def resize(pixels: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Resize one image: across, rounded to uint8, then down.

    Args:
        pixels: uint8 (any height, any width, 3), 0-255.
        size: height and width of the result, known when the graph is built.

    Returns:
        uint8 (height, width, 3), 0-255.
    """
    across = tf.transpose(_resample(tf.transpose(pixels, (1, 0, 2)), size[1]), (1, 0, 2))
    return tf.ensure_shape(_resample(across, size[0]), (*size, 3))


def _resample(lines: tf.Tensor, length: int) -> tf.Tensor:
    """uint8 (n, m, 3) to (length, m, 3).

    Pillow computes the weights in double precision and rounds them to 22 binary places; sums of their products with
    pixels are whole numbers below 2 ** 53, so that a matrix product in double precision has no error. Each block of
    outputs is multiplied with the lines it can see.
    """
    count, block = tf.shape(lines, tf.int64)[0], min(_BLOCK, length)
    blocks = -(-length // block)

    def resampled() -> tf.Tensor:
        scale = tf.math.divide_no_nan(tf.cast(count, tf.float64), tf.constant(length, tf.float64))
        stretch = tf.maximum(scale, 1.0)
        centre = (tf.range(blocks * block, dtype=tf.float64) + 0.5) * scale
        first = tf.clip_by_value(tf.cast(centre - 2.0 * stretch + 0.5, tf.int64), 0, count)
        stop = tf.minimum(tf.cast(centre + 2.0 * stretch + 0.5, tf.int64), count)
        sources = first[:, None] + tf.range(tf.cast(tf.math.ceil(2.0 * stretch), tf.int64) * 2 + 1)
        distance = tf.cast(sources, tf.float64) - centre[:, None] + 0.5
        weights = _bicubic(distance * tf.math.divide_no_nan(tf.constant(1.0, tf.float64), stretch))
        weights = tf.where(sources < stop[:, None], weights, 0.0)
        weights = tf.math.divide_no_nan(weights, tf.cumsum(weights, 1)[:, -1:]) * 2.0**22
        weights = tf.cast(tf.cast(weights + 0.5 * tf.sign(weights), tf.int64), tf.float64)

        def one(start: tf.Tensor) -> tf.Tensor:
            part = slice(start, start + block)
            low, high = first[start], stop[start + block - 1]
            columns = tf.minimum(sources[part] - low, high - low - 1)  # those beyond have weight 0
            rows = tf.broadcast_to(tf.range(block, dtype=tf.int64)[:, None], tf.shape(columns))
            matrix = tf.scatter_nd(tf.stack([rows, columns], -1), weights[part], (block, high - low))
            sums = matrix @ tf.reshape(tf.cast(lines[low:high], tf.float64), (high - low, -1))
            return tf.cast(tf.clip_by_value(tf.floor((sums + 2.0**21) * 2.0**-22), 0.0, 255.0), tf.uint8)

        starts = tf.range(0, blocks * block, block)
        blocks_of_rows = tf.map_fn(
            one, starts, fn_output_signature=tf.TensorSpec((block, None), tf.uint8), parallel_iterations=1
        )
        return tf.reshape(blocks_of_rows, (blocks * block, -1, 3))[:length]

    return tf.cond(count == length, lambda: lines, resampled)


def _bicubic(distance: tf.Tensor) -> tf.Tensor:
    x = tf.abs(distance)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
    return tf.where(x < 1.0, near, tf.where(x < 2.0, far, tf.zeros_like(x)))
