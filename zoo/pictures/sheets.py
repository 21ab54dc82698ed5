"""Sheets: many images in one picture; and images in a file each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.errors import InputError
from zoo.files import atomic_file, atomic_folder
from zoo.terminal import safe

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
LONGEST = {"PNG": 2**31 - 1, "JPEG": 65_500, "WEBP": 16_383}  # pixels a side that the format holds
TILE, GAP = 56, 2  # pixels of a tile's longer side at least, where no scale is given; and around a tile
LINE = 14  # pixels of a line of text above a tile
BAND, BAND_COLUMNS = 10, 16  # pixels more between the bands of `rows`, and images beside each other in one


def sheet(
    images: np.ndarray,
    path: str | Path,
    *,
    columns: int | None = None,
    scale: int | None = None,
    titles: Sequence[object] | None = None,
) -> None:
    """Write a grid of images as one picture, row by row from the top left.

    Args:
        images: uint8 or float (images, height, width, 1 or 3), pixels 0-255; floats are rounded, and cut to that range.
        path: the picture, .png, .jpg, .jpeg or .webp. Grey images make a grey picture (WebP has none).
        columns: images in a row; by default as many as make the grid nearly square.
        scale: each pixel becomes a square of this side; by default the smallest for tiles of `TILE` pixels.
        titles: what to write above each image, cut to its width.

    Raises:
        InputError: another format, no images, pixels that are no finite numbers, columns or a scale below one, more or
            fewer titles than images, or a grid too large for the format.
    """
    pixels = _pixels(images)
    for name, value in (("columns", columns), ("scale", scale)):
        if value is not None and not (isinstance(value, int) and value >= 1):
            raise InputError(f"expected {name} to be a whole number from 1 on, received {value!r}")
    if titles is not None and len(titles) != len(pixels):
        raise InputError(f"expected {len(pixels)} titles, one an image, received {len(titles)}")
    columns = min(columns or math.ceil(math.sqrt(len(pixels))), len(pixels))
    _write(pixels, Path(path), columns, scale, [str(title) for title in titles or ()])


def rows(*groups: np.ndarray, path: str | Path, labels: Sequence[str] = ()) -> None:
    """Write groups of images one above the other, as originals and their reconstructions.

    Args:
        groups: each as `sheet` takes its images, all of one shape; images in a column belong together. After
            `BAND_COLUMNS` columns, all groups continue in a new band below.
        path: the picture, as in `sheet`.
        labels: what to write above each group's rows; nothing by default.

    Raises:
        InputError: as in `sheet`, groups of different shapes, or more or fewer labels than groups.
    """
    checked = [_pixels(group) for group in groups]
    shapes = sorted({group.shape for group in checked})
    if len(shapes) != 1:
        raise InputError(f"expected groups of images of one shape, received {shapes or 'none'}")
    if labels and len(labels) != len(groups):
        raise InputError(f"expected {len(groups)} labels, one a group, received {len(labels)}")
    columns = min(shapes[0][0], BAND_COLUMNS)
    tiles = np.pad(checked, [(0, 0), (0, -shapes[0][0] % columns), *[(0, 0)] * 3], constant_values=255)
    tiles = tiles.reshape(len(groups), -1, columns, *shapes[0][1:]).swapaxes(0, 1)  # band by band
    titles = [title for label in labels for title in (label, *[""] * (columns - 1))] * len(tiles)
    _write(tiles.reshape(-1, *shapes[0][1:]), Path(path), columns, None, titles, band=len(groups))


def files(images: np.ndarray, folder: str | Path) -> None:
    """Write each image as a PNG file, 0000.png and so on: all of them or none.

    Args:
        images: as `sheet` takes them.
        folder: made if absent, with its parents; else it must be empty.

    Raises:
        InputError: something is in the folder; no images, or pixels that are no finite numbers.
    """
    pixels, folder = _pixels(images), Path(folder).resolve()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: expected a new or an empty folder, as nothing is overwritten; give another one")
    digits = max(4, len(str(len(pixels) - 1)))  # names in the order of the images
    with atomic_folder(folder.parent) as partial:
        for number, image in enumerate(pixels):
            _picture(image).save(partial / f"{number:0{digits}d}.png")
        if folder.exists():
            folder.rmdir()  # fails, rather than overwrites, if somebody has written into it meanwhile
        partial.rename(folder)


def _pixels(images: np.ndarray) -> np.ndarray:
    """Images as uint8."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise InputError(f"expected images (images, height, width, 1 or 3), at least one, received {images.shape}")
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise InputError(f"expected images of uint8 or float, pixels 0-255, received {images.dtype}")
    if not np.isfinite(images).all():
        raise InputError("expected finite pixels 0-255, received NaN or infinity")
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def _picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _write(
    pixels: np.ndarray, path: Path, columns: int, scale: int | None, titles: list[str], band: int | None = None
) -> None:
    """Write the grid; where so many rows make a `band`, a title has a whole row to itself."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"expected a picture's name to end in {', '.join(FORMATS)}, received {path.name!r}")
    kind = FORMATS[path.suffix.lower()]
    height, width, channels = pixels.shape[1:]
    scale = scale or math.ceil(TILE / max(height, width))
    line = LINE if titles else 0
    across, down = width * scale + GAP, height * scale + line + GAP
    tops = [GAP + row * down + row // (band or len(pixels)) * BAND for row in range(math.ceil(len(pixels) / columns))]
    size = tops[-1] + down, GAP + columns * across
    if max(size) > LONGEST[kind]:
        raise InputError(f"{path}: {kind} has at most {LONGEST[kind]} pixels a side, not {max(size)}; use .png")
    canvas = np.full((*size, channels), 255, np.uint8)
    corners = [(GAP + position % columns * across, tops[position // columns]) for position in range(len(pixels))]
    for image, (left, top) in zip(pixels, corners, strict=True):
        tile = image.repeat(scale, 0).repeat(scale, 1)
        canvas[top + line : top + down - GAP, left : left + across - GAP] = tile
    picture = _picture(canvas)
    for title, (left, top) in zip(titles, corners if titles else (), strict=True):
        if title:
            picture.paste(_line(title, picture.mode, size[1] - left if band else width * scale), (left, top))
    with atomic_file(path) as partial:
        picture.save(partial, kind, optimize=True, quality=95, subsampling=0, lossless=True)  # each takes what it has


def _line(text: str, mode: str, width: int) -> Image.Image:
    from matplotlib import get_data_path  # for its font: Pillow's own has no letters beyond ASCII

    font = ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), LINE - 4)
    strip = Image.new(mode, (width, LINE), "white")
    ImageDraw.Draw(strip).text((0, LINE - 4), safe(" ".join(text.split())), "black", font, anchor="ls")
    return strip
