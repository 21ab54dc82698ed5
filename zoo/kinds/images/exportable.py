"""Which images the graph of an exported model reads, seen from their bytes and without TensorFlow.

`zoo.kinds.images.decoding` reads more than `zoo.kinds.images.decoding_graph` does: TIFF, animations, some BMP and GIF
files. This module detects each of these before training. It does not detect damaged files that only one of the two
reads.
"""

from __future__ import annotations

import numpy as np

from zoo.kinds.images.decoding import GRAPH_FORMATS, decode, probe

_BMP_HEADERS = (40, 52, 56, 64, 108, 124)


def refusal(encoded: bytes) -> str | None:
    """The reason why the exported graph does not read an image that `decoding.decode` reads; None if it does.

    Args:
        encoded: the whole file.

    Raises:
        DecodeError: it is no image that `decoding` reads, by its header.
    """
    kind = probe(encoded).format
    if kind not in GRAPH_FORMATS:
        return kind
    return {"BMP": _bmp, "GIF": _gif, "WEBP": _webp}.get(kind, lambda encoded: None)(encoded)


def _uint(encoded: bytes, at: int, count: int) -> int:
    """A little-endian number; bytes past the end count as zeros, as in the graph."""
    return int.from_bytes(encoded[at : at + count], "little")


def _webp(encoded: bytes) -> str | None:
    return "animated WebP" if encoded[12:16] == b"VP8X" and _uint(encoded, 20, 1) & 2 else None


def _gif(encoded: bytes) -> str | None:
    """The walk of the graph to the first frame: it needs a colour table, codes of at most 8 bits and an end."""

    def table(flags: int) -> int:  # bytes in a colour table
        return 3 * 2 << (flags & 7) if flags & 128 else 0

    def blocks_end(at: int) -> int:  # the zero that ends them
        while at < len(encoded) and encoded[at]:
            at += 1 + encoded[at]
        return at

    screen = table(_uint(encoded, 10, 1))
    at = 13 + screen
    while at < len(encoded) and encoded[at] != ord(","):
        at = blocks_end(at + 2) + 1 if encoded[at] == ord("!") else at + 1
    local = table(_uint(encoded, at + 9, 1))
    body = at + 10 + local
    if not screen and not local:
        return "GIF without a colour table"
    if blocks_end(body + 1) >= len(encoded):
        return "GIF that is cut off"
    return "GIF with codes of over 8 bits" if _uint(encoded, body, 1) > 8 else None


def _bmp(encoded: bytes) -> str | None:
    start, header, bits, compression = (_uint(encoded, at, n) for at, n in ((10, 4), (14, 4), (28, 2), (30, 4)))
    if header not in _BMP_HEADERS:
        return "BMP of OS/2"
    if bits == 16:
        return "BMP with 16 bits a pixel"
    masks = [_uint(encoded, at, 4) for at in (54, 58, 62)]
    alpha = _uint(encoded, 66, 4) if header >= 56 else 0
    if compression == 3:
        if bits != 32 or masks != [0xFF0000, 0xFF00, 0xFF] or alpha not in (0, 0xFF000000):
            return "BMP with unusual places of the colours"
    elif compression != 0:
        return "compressed BMP"
    width, height = _uint(encoded, 18, 4), _uint(encoded, 22, 4)
    height = 2**32 - height if _uint(encoded, 25, 1) == 0xFF else height
    colours = _uint(encoded, 46, 4) or 1 << (bits & 15)
    if start < 14 + header + (4 * colours if bits <= 8 else 0) or (bits == 8 and colours <= 2):
        return "BMP with an unusual colour table"
    stride = (width * bits + 31) // 32 * 4
    if start + stride * height > len(encoded):
        return "BMP that is cut off"
    if bits <= 8:
        rows = np.frombuffer(encoded, np.uint8, stride * height, start).reshape(height, stride)
        indices = rows[..., None] >> np.arange(8 - bits, -1, -bits, dtype=np.uint8) & (1 << bits) - 1
        if indices.reshape(height, -1)[:, :width].max() >= colours:
            return "BMP with pixels outside its colour table"
    return None


def as_png(encoded: bytes) -> bytes:
    """An image that `decoding.decode` reads as a PNG file, which the graph reads to the same pixels."""
    import io

    import PIL.Image

    with PIL.Image.open(io.BytesIO(encoded)) as image:
        buffer, exif = io.BytesIO(), image.getexif()
        if image.mode in ("CMYK", "LAB", "YCbCr"):  # of which there is no PNG
            bare = PIL.Image.merge(image.mode, image.split())  # turned by the graph, and not before
            image = PIL.Image.fromarray(decode(bare, image.size[::-1]))
        image.save(buffer, "PNG", exif=exif)
    return buffer.getvalue()
