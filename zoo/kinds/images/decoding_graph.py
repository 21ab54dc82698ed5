"""`zoo.kinds.images.decoding.decode` in TensorFlow operations, for exported models: the same pixels, bit for bit.

TensorFlow decodes the formats that it decodes exactly: JPEG, PNG, still WebP, and GIF frames that were cut out and made
opaque first. This module reads BMP. An assertion refuses images that can't be decoded exactly. A damaged file may be
read by one decoder and refused by the other, because they check checksums and the ends of compressed data differently.

Two rewrites of TensorFlow's optimizer would change the last bit, and are avoided: a division by a constant becomes a
multiplication by its reciprocal (`divide_no_nan` does not), and sums are computed in another order (`cumsum` is not).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from fractions import Fraction

import tensorflow as tf

from zoo.kinds.images import decoding
from zoo.kinds.images.resizing_graph import resize

Step = Callable[[tf.Tensor], tf.Tensor]
Read = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


@tf.autograph.experimental.do_not_convert  # nothing to convert
def decode_batch(image_bytes: tf.Tensor, size: tuple[int, int], crop: float | None = 1.0, bits: int = 16) -> tf.Tensor:
    """Decode a batch of encoded images, as `zoo.kinds.images.decoding.decode` does each.

    Args:
        image_bytes: string (batch,), each a JPEG, PNG, GIF, BMP or WebP file.
        size: height and width of the result, known when the graph is built.
        crop: how much of the largest centred box with the proportions of `size` is kept, in (0, 1]; None for the whole
            image.
        bits: that the samples of 16-bit grey images have.

    Returns:
        uint8 (batch, height, width, 3), RGB, 0-255.

    Raises:
        ValueError: `size` or `crop` is out of range.
        tf.errors.InvalidArgumentError: when it runs; one of the images can't be read, or not exactly as
            `decoding.decode` does: 16-bit BMP, compressed BMP, animated WebP, another format.
    """
    return decode_sized(image_bytes, size, crop, bits)[0]


@tf.autograph.experimental.do_not_convert
def decode_sized(
    image_bytes: tf.Tensor, size: tuple[int, int], crop: float | None = 1.0, bits: int = 16
) -> tuple[tf.Tensor, tf.Tensor]:
    """As `decode_batch`, and height and width of each image, upright, before it was resized: int32 (batch, 2)."""
    decoding.check(size, crop)
    with tf.device("/CPU:0"):  # the decoding operations are there, and so are the exact double-precision ones
        return tf.map_fn(
            lambda encoded: _decode(encoded, size, crop, bits),
            image_bytes,
            fn_output_signature=(tf.TensorSpec((*size, 3), tf.uint8), tf.TensorSpec((2,), tf.int32)),
            parallel_iterations=10,
        )


def grey(pixels: tf.Tensor) -> tf.Tensor:
    """Luma of uint8 RGB pixels (..., 3), uint8 (..., 1); as `zoo.kinds.images.decoding.grey`."""
    weighted = tf.reduce_sum(tf.cast(pixels, tf.int32) * tf.constant([19595, 38470, 7471]), axis=-1, keepdims=True)
    return tf.cast(tf.bitwise.right_shift(weighted + 0x8000, 16), tf.uint8)


def _decode(encoded: tf.Tensor, size: tuple[int, int], crop: float | None, bits: int) -> tuple[tf.Tensor, tf.Tensor]:
    data = tf.concat([tf.io.decode_raw(encoded, tf.uint8), [0]], 0)  # the 0 is what `_uint` reads past the end
    starts = {
        _jpeg: (b"\xff\xd8\xff",),
        _png: (b"\x89PNG\r\n\x1a\n",),
        _gif: (b"GIF87a", b"GIF89a"),
        _bmp: (b"BM",),
        _webp: (b"RIFF",),
    }
    matches = [
        tf.reduce_any([tf.strings.substr(encoded, 0, len(magic)) == magic for magic in magics])
        for magics in starts.values()
    ]
    known = _require(tf.reduce_any(matches), "not a JPEG, PNG, GIF, BMP or WebP image: bring it to PNG first")
    readers = [functools.partial(_png, bits=bits) if read is _png else read for read in starts]
    branches = [lambda read=read: _read(read, encoded, data) for read in readers]
    with tf.control_dependencies([known]):
        pixels, at, length = tf.switch_case(tf.argmax(matches, output_type=tf.int32), branches)
    pixels = tf.ensure_shape(_upright(pixels, data, at, length), (None, None, 3))
    full_size = tf.shape(pixels)[:2]
    if crop is None:
        return resize(pixels, size), full_size
    left, top, width, height = _crop_box(full_size[1], full_size[0], size, crop)
    return resize(pixels[top : top + height, left : left + width], size), full_size


def _read(read: Callable[[tf.Tensor, tf.Tensor], Read], encoded: tf.Tensor, data: tf.Tensor) -> Read:
    pixels, at, length = read(encoded, data)
    return tf.ensure_shape(pixels, (None, None, 3)), tf.cast(at, tf.int64), tf.cast(length, tf.int64)


# Formats. Each takes the file as a string and as bytes, and returns uint8 (height, width, 3), on white, with the place
# and length of its EXIF data; of none the length is 0.


def _jpeg(encoded: tf.Tensor, data: tf.Tensor) -> Read:
    with tf.control_dependencies([_fits(*tf.unstack(tf.io.extract_jpeg_shape(encoded)[:2]))]):
        pixels = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")

    def segment_length(at: tf.Tensor) -> tf.Tensor:
        marker = _uint(data, at + 1, 1)
        alone = (marker >= 0xD0) & (marker <= 0xD9)
        return tf.where(
            (_uint(data, at, 1) != 0xFF) | (marker == 0xFF) | (marker == 0),
            tf.constant(1, tf.int64),  # padding
            tf.where(alone, tf.constant(2, tf.int64), 2 + _uint(data, at + 2, 2, big=True)),
        )

    def wanted(at: tf.Tensor) -> tf.Tensor:
        exif = (_uint(data, at, 2, big=True) == 0xFFE1) & (_uint(data, at + 4, 6, big=True) == _name(b"Exif\0\0"))
        return exif | (_uint(data, at, 2, big=True) == 0xFFDA)  # where the compressed data starts

    at = _walk(data, 2, segment_length, wanted)
    is_exif = _uint(data, at, 2, big=True) == 0xFFE1
    return pixels, at + 4, tf.where(is_exif, _uint(data, at + 2, 2, big=True) - 2, 0)


def _png(encoded: tf.Tensor, data: tf.Tensor, bits: int = 16) -> Read:
    depth, colour = _uint(data, 24, 1), _uint(data, 25, 1)

    def find(*names: bytes) -> tf.Tensor:
        return _walk(
            data,
            8,
            lambda at: 12 + _uint(data, at, 4, big=True),
            lambda at: _one_of(_uint(data, at + 4, 4, big=True), map(_name, names)),
        )

    keyed = _uint(data, find(b"tRNS", b"IDAT") + 4, 4, big=True) == _name(b"tRNS")
    size = _fits(_uint(data, 20, 4, big=True), _uint(data, 16, 4, big=True))
    key = _require(~keyed | (depth < 16), "16-bit PNG with a transparent colour: not supported")
    with tf.control_dependencies([size, key]):
        pixels = tf.cond(
            keyed | (colour >= 4),
            lambda: _on_white(tf.io.decode_png(encoded, channels=4)),
            lambda: tf.io.decode_png(encoded, channels=3),
        )
        if bits < 16:
            pixels = tf.cond(
                ~keyed & (colour == 0) & (depth == 16),
                lambda: _high_byte(tf.io.decode_png(encoded, channels=1, dtype=tf.uint16), bits),
                lambda: pixels,
            )
    at = find(b"eXIf")
    return pixels, at + 8, _uint(data, at, 4, big=True)  # a length of 0 past the end


def _high_byte(samples: tf.Tensor, bits: int) -> tf.Tensor:
    """Uint8 (height, width, 3) of uint16 (height, width, 1) samples that have so many bits."""
    bright = tf.minimum(tf.bitwise.right_shift(tf.cast(samples, tf.int32), bits - 8), 255)
    return tf.tile(tf.cast(bright, tf.uint8), (1, 1, 3))


def _gif(encoded: tf.Tensor, data: tf.Tensor) -> Read:
    """The first frame.

    TensorFlow reads neither frames smaller than the canvas nor transparency. So a GIF of this frame alone is put
    together, with white in place of the transparent colour, and the canvas is filled in afterwards.
    """
    end = tf.size(data, tf.int64) - 1

    def table(flags: tf.Tensor) -> tf.Tensor:  # bytes in a colour table
        return tf.where(flags >= 128, 3 * tf.bitwise.left_shift(tf.constant(2, tf.int64), flags & 7), 0)

    def skip_blocks(at: tf.Tensor) -> tf.Tensor:  # to the zero that ends them
        return _walk(data, at, lambda at: 1 + _uint(data, at, 1), lambda at: _uint(data, at, 1) == 0)

    def extension(at: tf.Tensor, transparent: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        known = _uint(data, at, 1) == ord("!")
        control = known & (_uint(data, at + 1, 1) == 0xF9) & (_uint(data, at + 3, 1) % 2 == 1)
        following = tf.where(known, skip_blocks(at + 2) + 1, at + 1)
        return following, tf.where(control, _uint(data, at + 6, 1), transparent)

    screen = table(_uint(data, 10, 1))
    frame, transparent = tf.while_loop(
        lambda at, _: (at < end) & (_uint(data, at, 1) != ord(",")), extension, (13 + screen, tf.constant(-1, tf.int64))
    )
    left, top, width, height = (_uint(data, frame + 1 + 2 * i, 2) for i in range(4))
    local = table(_uint(data, frame + 9, 1))
    body = frame + 10 + local
    last = skip_blocks(body + 1)
    complete = _require((frame < end) & (last < end), "truncated GIF")
    colours = tf.where(local > 0, frame + 10, tf.constant(13, tf.int64))
    has_table = _require(tf.maximum(local, screen) > 0, "GIF without a colour table: not supported")
    canvas = (tf.maximum(_uint(data, 8, 2), top + height), tf.maximum(_uint(data, 6, 2), left + width))

    def part(start: tf.Tensor | int, stop: tf.Tensor | int) -> tf.Tensor:
        start = tf.cast(start, tf.int64)
        return tf.strings.substr(encoded, start, tf.cast(stop, tf.int64) - start)

    def painted(start: tf.Tensor | int, stop: tf.Tensor) -> tf.Tensor:  # the same, with the transparent colour white
        spot = colours + 3 * transparent
        inside = (transparent >= 0) & (spot >= start) & (spot + 3 <= stop)
        white = tf.strings.join([part(start, tf.where(inside, spot, start)), b"\xff\xff\xff"])
        return tf.where(
            inside, tf.strings.join([white, part(tf.where(inside, spot + 3, stop), stop)]), part(start, stop)
        )

    with tf.control_dependencies([complete, has_table, _fits(*canvas)]):
        sides = part(frame + 5, frame + 9)
        header = [b"GIF89a", sides, part(10, 13), painted(13, 13 + screen)]
        image = [
            b",\0\0\0\0",
            sides,
            part(frame + 9, frame + 10),
            painted(frame + 10, body),
            part(body, last + 1),
            b";",
        ]
        pixels = tf.io.decode_gif(tf.strings.join([*header, *image]))[0]
    background = tf.where(
        transparent >= 0, tf.constant(255, tf.uint8), tf.gather(data, colours + tf.range(3, dtype=tf.int64))
    )
    margins = [[top, canvas[0] - top - height], [left, canvas[1] - left - width], [0, 0]]
    inside = tf.pad(tf.ones_like(pixels, tf.bool), margins)
    return tf.where(inside, tf.pad(pixels, margins), background), 0, 0


def _bmp(encoded: tf.Tensor, data: tf.Tensor) -> Read:
    start, header, bits, compression = (_uint(data, at, n) for at, n in ((10, 4), (14, 4), (28, 2), (30, 4)))
    width, height = _uint(data, 18, 4), _uint(data, 22, 4)
    downwards = _uint(data, 25, 1) == 0xFF  # a negative height
    height = tf.where(downwards, 2**32 - height, height)
    colours = tf.where(
        _uint(data, 46, 4) > 0, _uint(data, 46, 4), tf.bitwise.left_shift(tf.constant(1, tf.int64), bits & 15)
    )
    masks = [_uint(data, at, 4) for at in (54, 58, 62)]
    alpha = tf.where(header >= 56, _uint(data, 66, 4), 0)
    plain = (compression == 0) & _one_of(bits, (1, 4, 8, 24, 32))
    masked = (compression == 3) & (bits == 32) & _one_of(alpha, (0, 0xFF000000))
    masked &= tf.reduce_all([mask == value for mask, value in zip(masks, (0xFF0000, 0xFF00, 0xFF), strict=True)])
    table = tf.where(bits <= 8, 4 * colours, 0)
    sound = _one_of(header, (40, 52, 56, 64, 108, 124)) & (start >= 14 + header + table) & ((bits != 8) | (colours > 2))
    kind = _require(
        sound & (plain | masked), "BMP of a kind that is not supported (16-bit, compressed, OS/2 or damaged)"
    )
    stride = (width * bits + 31) // 32 * 4
    complete = _require(start + stride * height < tf.size(data, tf.int64), "truncated BMP")
    with tf.control_dependencies([kind, _fits(height, width), complete]):
        rows = tf.reshape(data[start : start + stride * height], (height, stride))

    def indexed() -> tf.Tensor:
        shifts = tf.range(8 - bits, -1, -bits)
        indices = tf.bitwise.right_shift(tf.cast(rows, tf.int32)[..., None], tf.cast(shifts, tf.int32))
        indices = indices & tf.cast(tf.bitwise.left_shift(tf.constant(1, tf.int64), bits) - 1, tf.int32)
        palette = tf.reshape(data[14 + header : 14 + header + 4 * colours], (-1, 4))[:, 2::-1]
        return tf.gather(palette, tf.reshape(indices, (height, -1))[:, :width])

    def direct() -> tf.Tensor:
        samples = bits // 8
        pixels = tf.reshape(rows[:, : width * samples], (height, width, samples))
        return tf.cond(
            masked & (alpha > 0),
            lambda: _on_white(tf.gather(pixels, (2, 1, 0, 3), axis=2)),
            lambda: pixels[..., 2::-1],
        )

    pixels = tf.cond(bits <= 8, indexed, direct)
    return tf.cond(downwards, lambda: pixels, lambda: pixels[::-1]), 0, 0


def _webp(encoded: tf.Tensor, data: tf.Tensor) -> Read:
    chunk, flags = _uint(data, 12, 4, big=True), _uint(data, 20, 1)
    extended, lossless = chunk == _name(b"VP8X"), chunk == _name(b"VP8L")
    still = _require(~(extended & (flags & 2 > 0)), "animated WebP: not supported, bring its first frame to PNG first")
    packed = _uint(data, 21, 4)
    width = tf.where(
        extended, _uint(data, 24, 3) + 1, tf.where(lossless, packed % 2**14 + 1, _uint(data, 26, 2) % 2**14)
    )
    height = tf.where(
        extended, _uint(data, 27, 3) + 1, tf.where(lossless, packed // 2**14 % 2**14 + 1, _uint(data, 28, 2) % 2**14)
    )
    alpha = tf.where(extended, flags & 16 > 0, lossless & (packed // 2**28 % 2 > 0))
    with tf.control_dependencies([still, _fits(height, width)]):
        pixels = tf.io.decode_webp(encoded)[0]  # 3 or 4 channels: it takes no other number than the file has
    pixels = tf.cond(alpha & (tf.shape(pixels)[2] == 4), lambda: _on_white(pixels), lambda: pixels[..., :3])
    at = _walk(
        data,
        12,
        lambda at: 8 + (_uint(data, at + 4, 4) + 1) // 2 * 2,
        lambda at: _uint(data, at, 4, big=True) == _name(b"EXIF"),
    )
    is_exif = extended & (flags & 8 > 0)
    return pixels, at + 8, tf.where(is_exif, _uint(data, at + 4, 4), 0)


# Steps from bytes to pixels.


def _name(name: bytes) -> int:
    return int.from_bytes(name, "big")


def _uint(data: tf.Tensor, at: tf.Tensor | int, count: int, big: bool = False) -> tf.Tensor:
    """The number in `count` bytes: int64, of the shape of `at`. The last of `data` is a 0, as are all past the end."""
    offsets = tf.expand_dims(tf.cast(at, tf.int64), -1) + tf.constant(list(range(count)), tf.int64)
    digits = tf.cast(tf.gather(data, tf.minimum(offsets, tf.size(data, tf.int64) - 1)), tf.int64)
    weights = [256**place for place in range(count)]
    return tf.reduce_sum(digits * tf.constant(weights[::-1] if big else weights, tf.int64), -1)


def _one_of(value: tf.Tensor, values: Iterable[int]) -> tf.Tensor:
    return tf.reduce_any(value == tf.constant(list(values), tf.int64))


def _walk(data: tf.Tensor, start: tf.Tensor | int, length: Step, wanted: Step) -> tf.Tensor:
    """Go from block to block until one is wanted; where it starts, or a place past the end."""
    end = tf.size(data, tf.int64) - 1
    return tf.while_loop(
        lambda at: (at < end) & ~wanted(at), lambda at: (at + length(at),), (tf.cast(start, tf.int64),)
    )[0]


def _require(condition: tf.Tensor, message: str) -> tf.Operation:
    return tf.debugging.Assert(condition, [message])


def _fits(height: tf.Tensor, width: tf.Tensor) -> tf.Operation:
    pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    message = f"no pixels, or over the limit of {decoding.MAX_PIXELS}"
    return _require((pixels > 0) & (pixels <= decoding.MAX_PIXELS), message)


def _on_white(pixels: tf.Tensor) -> tf.Tensor:
    """Red, green, blue and alpha to the first three: `(colour * a + 255 * (255 - a) + 127) // 255`."""
    colour, alpha = tf.cast(pixels[..., :3], tf.int32), tf.cast(pixels[..., 3:], tf.int32)
    total = colour * alpha + 255 * (255 - alpha) + 128
    return tf.cast(tf.bitwise.right_shift(total + tf.bitwise.right_shift(total, 8), 8), tf.uint8)


def _upright(pixels: tf.Tensor, data: tf.Tensor, at: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Pixels turned by the EXIF data at a place: `decoding.orientation`, then its transposition."""
    marked = (length >= 6) & (_uint(data, at, 6, big=True) == _name(b"Exif\0\0"))
    exif = tf.concat([data[tf.where(marked, at + 6, at) : at + length], [0]], 0)
    little, big = (_uint(exif, 0, 4, big=True) == _name(order) for order in (b"II*\0", b"MM\0*"))

    def number(at: tf.Tensor | int, count: int) -> tf.Tensor:
        return tf.where(little, _uint(exif, at, count), _uint(exif, at, count, big=True))

    first = number(4, 4) + 2
    last = tf.minimum(first + 12 * number(first - 2, 2), tf.size(exif, tf.int64) - 1)
    entries = tf.range(first, tf.maximum(first, last), 12)
    tagged = tf.boolean_mask(entries, (number(entries, 2) == 0x0112) & (number(entries + 2, 2) == 3))
    value = tf.concat([number(tagged + 8, 2), [1]], 0)[0]
    value = tf.where((little | big) & (value <= 8), value, 1)
    pixels = tf.cond(value >= 5, lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
    flips = tf.stack([_one_of(value, (3, 4, 7, 8)), _one_of(value, (2, 3, 6, 7)), False])
    return tf.cond(tf.reduce_any(flips), lambda: tf.raw_ops.Reverse(tensor=pixels, dims=flips), lambda: pixels)


def _crop_box(width: tf.Tensor, height: tf.Tensor, size: tuple[int, int], crop: float) -> tuple[tf.Tensor, ...]:
    """`decoding.crop_box`, as left, top, width and height."""
    numerator, denominator = Fraction(crop).limit_denominator(10_000).as_integer_ratio()
    width, height = tf.cast(width, tf.int64), tf.cast(height, tf.int64)
    across = 2 * numerator * tf.minimum(width * size[0], height * size[1])
    box_width, box_height = (tf.maximum((across // (denominator * side) + 1) // 2, 1) for side in size)
    return (width - box_width) // 2, (height - box_height) // 2, box_width, box_height
