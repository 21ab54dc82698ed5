"""The one decoder: an encoded image in, the pixels a model sees out. Pillow and NumPy only.

`zoo.kinds.images.decoding_graph` gives the same pixels, bit for bit, in TensorFlow operations, so every rule here is
integer arithmetic that both can follow. In this order:

1. the first frame of an animation, on its whole canvas;
2. the high byte of 16-bit samples, which is also what Pillow and libpng do; of grey ones the high byte of as many bits
   as they have, if that is said;
3. CMYK to RGB as ``(255 - ink) * (255 - black) // 255``; a JPEG without an Adobe marker stores inks, with one their
   inverse. Colour profiles are not applied;
4. alpha, or a transparent colour, composited on white: ``(colour * a + 255 * (255 - a) + 127) // 255``;
5. the EXIF orientation, from its standard place in JPEG, PNG, WebP and TIFF;
6. `crop_box`, cut out, so that no pixel outside it has a part in the result; nothing is cut off without a crop;
7. one antialiased bicubic resize, that of Pillow: across, rounded to 8 bits, then down.
"""

from __future__ import annotations

import ctypes
import io
import threading
import warnings
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from zoo.files import read_bytes

VERSION = 1  # of the pixels: raised whenever a file would decode to others, so that caches are made anew
MAX_PIXELS = 178_956_970  # where Pillow refuses too, as a decompression bomb

EXTENSIONS: dict[str, str] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".apng": "PNG",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}

GRAPH_FORMATS: frozenset[str] = frozenset({"JPEG", "PNG", "GIF", "BMP", "WEBP"})

# Not Image.open: it warns of large files process-wide and opens some JPEG files as other formats (MPO).
_PLUGINS: dict[bytes, type[ImageFile.ImageFile]] = {
    b"\xff\xd8\xff": JpegImageFile,
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"GIF87a": GifImageFile,
    b"GIF89a": GifImageFile,
    b"BM": BmpImageFile,
    b"RIFF": WebPImageFile,
    b"II*\0": TiffImageFile,
    b"MM\0*": TiffImageFile,
    b"II+\0": TiffImageFile,
    b"MM\0+": TiffImageFile,
}

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_filters = threading.Lock()  # warnings.catch_warnings is not safe in threads

with suppress(OSError, AttributeError):  # libtiff tells of damage on standard error, past Python, and raises as well
    for _name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        _handler = getattr(ctypes.CDLL(Image.core.__file__), _name)
        _handler.argtypes, _handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        _handler(None)

Source = bytes | str | Path | Image.Image | np.ndarray


class DecodeError(ValueError):
    """The image can't be read; the message says why, and does not name the file."""


class Probe(NamedTuple):
    """What the header says: Pillow's name of the format, and the size in pixels before any rotation."""

    format: str
    width: int
    height: int


def probe(source: bytes | str | Path) -> Probe:
    """Read the header only.

    Raises:
        DecodeError: no such file, not an image of a format in `EXTENSIONS`, a damaged header, over `MAX_PIXELS`.
    """
    image = opened(source)
    return Probe(str(image.format), *image.size)


def decode(source: Source, size: tuple[int, int], crop: float | None = 1.0, bits: int = 16) -> np.ndarray:
    """Decode an image, crop its centre and resize it. May be called from threads.

    Args:
        source: an encoded image, its path, a Pillow image, or uint8 pixels (height, width) or (height, width, 1, 3
            or 4), 0-255.
        size: height and width of the result.
        crop: how much of the largest centred box with the proportions of `size` is kept, in (0, 1]; None for the whole
            image, which then gets other proportions.
        bits: that the samples of 16-bit grey images have, 8 to 16: with 12 the sample 4095 is white, and so are others
            above it.

    Returns:
        uint8 (height, width, 3), RGB, 0-255.

    Raises:
        DecodeError: the image can't be read: empty, truncated, of another format, over `MAX_PIXELS`.
        ValueError: `size` or `crop` is out of range.
    """
    check(size, crop)
    image = _image(source)
    try:
        image.load()
        pixels = _rgb(image, bits)
    except Exception as error:
        raise _damaged(image.format, error) from error
    turn = _TRANSPOSE.get(orientation(_exif(image)))
    if turn is not None:
        pixels = pixels.transpose(turn)
    box = crop_box(*pixels.size, size, crop)
    if box != (0, 0, *pixels.size):
        pixels = pixels.crop(box)
    # Across, then down: in one call Pillow 13 may go the other way round, and its predecessors do not.
    pixels = pixels.resize((size[1], pixels.height), Image.Resampling.BICUBIC)
    return np.array(pixels.resize(size[::-1], Image.Resampling.BICUBIC))


def upright_size(source: Source) -> tuple[int, int]:
    """Height and width in pixels once the image is upright, as `decode` turns it. Pixels are read only where needed.

    Raises:
        DecodeError: as `decode`.
    """
    image = _image(source)
    if image.format in ("PNG", "TIFF"):  # EXIF may follow the pixels; Pillow turns TIFF itself as it reads it
        try:
            image.load()
        except Exception as error:
            raise _damaged(image.format, error) from error
    width, height = image.size
    return (width, height) if orientation(_exif(image)) >= 5 else (height, width)


def grey(pixels: np.ndarray) -> np.ndarray:
    """Luma of uint8 RGB pixels (..., 3), uint8 (..., 1): ITU-R BT.601 in 16-bit fixed point, as Pillow has it."""
    red, green, blue = (pixels[..., [channel]].astype(np.int32) for channel in range(3))
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)


def check(size: tuple[int, int], crop: float | None) -> None:
    """Raise ValueError unless `size` is two positive numbers and `crop` is in (0, 1] or None."""
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"expected size = (height, width), both at least 1; received {size}")
    if crop is not None and not 0 < crop <= 1:
        raise ValueError(f"expected crop in (0, 1], received {crop}")


def crop_box(width: int, height: int, size: tuple[int, int], crop: float | None) -> tuple[int, int, int, int]:
    """The part of a width x height image that is kept: left, top, right, bottom.

    The largest centred box with the proportions of `size` = (height, width), times `crop`; sides are rounded half up,
    at least 1, and an odd margin is smaller at the left and top. Whole numbers only: `crop` is taken as the nearest
    fraction with a denominator up to 10,000. Without a crop it is the whole image.
    """
    if crop is None:
        return 0, 0, width, height
    numerator, denominator = Fraction(crop).limit_denominator(10_000).as_integer_ratio()
    across = 2 * numerator * min(width * size[0], height * size[1])
    box_width = max(1, (across // (denominator * size[0]) + 1) // 2)
    box_height = max(1, (across // (denominator * size[1]) + 1) // 2)
    left, top = (width - box_width) // 2, (height - box_height) // 2
    return left, top, left + box_width, top + box_height


def orientation(exif: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it can't be read. Missing bytes count as zeros.

    Not Pillow's own: that falls back on XMP and raises on some damaged directories.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return 1

    def number(at: int, count: int) -> int:
        return int.from_bytes(exif[at : at + count].ljust(count, b"\0"), "little" if exif[:1] == b"I" else "big")

    directory = number(4, 4)
    for entry in range(directory + 2, min(directory + 2 + 12 * number(directory, 2), len(exif)), 12):
        if number(entry, 2) == 0x0112 and number(entry + 2, 2) == 3:  # the tag, as a 16-bit number
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


def _image(source: Source) -> Image.Image:
    if isinstance(source, np.ndarray):
        return _from_array(source)
    return source if isinstance(source, Image.Image) else opened(source)


def opened(source: bytes | str | Path) -> ImageFile.ImageFile:
    """The image with its header read, as `probe` reads it.

    Raises:
        DecodeError: as `probe`.
    """
    if not isinstance(source, bytes):
        try:
            source = read_bytes(source)
        except OSError as error:
            raise DecodeError(f"cannot be read: {error.strerror or error}") from error
    if not source:
        raise DecodeError("empty file (0 bytes)")
    plugin = next((plugin for prefix, plugin in _PLUGINS.items() if source.startswith(prefix)), None)
    if plugin is None or (plugin is WebPImageFile and source[8:12] != b"WEBP"):
        formats = ", ".join(dict.fromkeys(EXTENSIONS.values()))
        raise DecodeError(f"not an image in a format read here ({formats}): it begins with {source[:12]!r}")
    try:
        with _filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = plugin(io.BytesIO(source))
    except Image.DecompressionBombError as error:
        raise DecodeError(f"over the limit of {MAX_PIXELS} pixels: {error}") from error
    except Exception as error:  # damaged files make the plugins raise nearly anything
        raise _damaged(plugin.format, error) from error
    if image.width * image.height > MAX_PIXELS:
        raise DecodeError(f"{image.width} x {image.height} pixels is over the limit of {MAX_PIXELS}")
    if image.format == "PNG" and "transparency" in image.info and image.tile:
        _correct_transparency(image)
    return image


def _correct_transparency(image: ImageFile.ImageFile) -> None:
    """Pillow scales 2-bit and 4-bit grey to 8 bits, but not the grey that stands for transparent."""
    raw = str(image.tile[0].args)
    if "16B" in raw:
        raise DecodeError("16-bit PNG with a transparent colour: not supported, save it with an alpha channel")
    image.info["transparency"] *= {"L;2": 85, "L;4": 17}.get(raw, 1)


def bits_of(source: bytes | str | Path) -> int | None:
    """How many bits the brightest sample of a 16-bit grey image takes; None for other images.

    Raises:
        DecodeError: as `decode`.
    """
    image = opened(source)
    if not image.mode.startswith("I;16"):
        return None
    try:
        return int(np.asarray(image).max()).bit_length()
    except Exception as error:
        raise _damaged(image.format, error) from error


def _damaged(name: str | None, error: Exception) -> DecodeError:
    if isinstance(error, DecodeError):
        return error
    return DecodeError(f"truncated or damaged {name or 'image'}: {error or type(error).__name__}")


def _from_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise DecodeError(
            f"expected uint8 (height, width) or (height, width, 1, 3 or 4), received {array.dtype} {array.shape}"
        )
    if 0 in array.shape:
        raise DecodeError(f"expected at least one pixel, received {array.shape}")
    return Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else np.ascontiguousarray(array))


def _rgb(image: Image.Image, bits: int) -> Image.Image:
    """The loaded image as RGB: rules 2 to 4."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray(np.minimum(np.asarray(image) >> (bits - 8), 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise DecodeError("32-bit samples, which have no fixed range: save it with 8 or 16 bits")
    if image.mode == "CMYK":
        inks = np.asarray(image)
        if image.format == "JPEG" and "adobe_transform" not in image.info:  # libjpeg too ignores a shorter marker
            inks = 255 - inks  # Pillow inverts them all
        lightness = (255 - inks).astype(np.uint16)
        return Image.fromarray((lightness[..., :3] * lightness[..., 3:] // 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)  # divides by 255 with rounding, as rule 4 says
        return white
    return image.convert("RGB")


def _exif(image: Image.Image) -> bytes:
    for name, segment in getattr(image, "applist", ()):  # JPEG; Pillow's "exif" joins several segments
        if name == "APP1" and segment.startswith(b"Exif\0\0"):
            return segment
    exif = image.info.get("exif", b"")
    return exif if isinstance(exif, bytes) else b""
