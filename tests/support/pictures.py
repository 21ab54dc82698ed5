"""Pictures that are made up."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image


def photo(path: Path, colour: int, seed: int, size: tuple[int, int] = (40, 30)) -> Path:
    """Write a noisy picture whose mean colour tells its class; the suffix chooses the format."""
    rng = np.random.default_rng(seed)
    base = np.zeros((*size[::-1], 3)) + np.array([(200, 40, 40), (40, 200, 40), (40, 40, 200)][colour])
    pixels = np.clip(base + rng.normal(0, 25, base.shape), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """The file of a picture."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def b64(content: bytes) -> dict[str, str]:
    """Bytes as JSON holds them."""
    return {"b64": base64.b64encode(content).decode()}
