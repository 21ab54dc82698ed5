"""Pixels in memory as encoded images, which backbones decode and resize as they do those of files."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np

from applications.linear_heads import learns
from zoo.data.dataset import Data
from zoo.data.parts import Files, Part, in_files
from zoo.errors import InputError
from zoo.kinds.images.kind import Images


def encoded(data: Data) -> Data:
    """Images in memory as PNG, without loss; those in files as they are.

    Args:
        data: of images with classes, labels or numbers.

    Raises:
        InputError: it has other inputs, or targets that no head learns.
    """
    instead = f"zoo.train({data.kind.default_builder!r}, data) learns them"
    if not data.kind.pictures:
        raise InputError(f"{data.source}: fine-tuning takes images, received {data.kind.plural}; {instead}")
    if not data.task.pixelwise and not learns(data.task):
        raise InputError(f"{data.source}: fine-tuning learns classes and numbers, received {data.task.name}; {instead}")
    if in_files(data.train.inputs):
        return data

    def files(part: Part | None) -> Part | None:
        return None if part is None else replace(part, inputs=Files(map(_png, part.inputs)))

    parts = {name: files(getattr(data, name)) for name in ("train", "validation", "test")}
    return replace(data, kind=Images(), **parts)


def _png(pixels: np.ndarray) -> bytes:
    """Uint8 pixels (height, width, 1 or 3) as PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
