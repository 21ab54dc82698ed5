"""Folders of photos beside masks: bright blots on a dark ground, which a small network learns at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = ((24, 24), (24, 32), (40, 24))  # heights and widths in turn


def blots(size: tuple[int, int], rng: np.random.Generator, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """A photo, uint8 (height, width, 3), and the class of each pixel, uint8 (height, width)."""
    rows, columns = np.indices(size)
    mask = np.zeros(size, np.uint8)
    for number in range(1, classes):
        middle, radius = rng.uniform(0.25, 0.75, 2) * size, rng.uniform(0.15, 0.3) * min(size)
        mask[(rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < radius**2] = number
    colours = np.array([[40, 40, 60], [220, 200, 180], [60, 200, 60], [200, 60, 60]])[:classes]
    return np.clip(colours[mask] + rng.normal(0, 12, (*size, 3)), 0, 255).astype(np.uint8), mask


def write(
    folder: Path,
    count: int = 12,
    *,
    classes: int = 2,
    sizes: Sequence[tuple[int, int]] = SIZES,
    greys: Sequence[int] = (0, 1, 2, 3),
    suffix: str = ".png",
    seed: int = 0,
) -> Path:
    """`folder` with images/ and masks/ of so many photos; gives it."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        photo, mask = blots(sizes[number % len(sizes)], rng, classes)
        Image.fromarray(photo).save(folder / "images" / f"{number:03d}{suffix}")
        Image.fromarray(np.array(greys, np.uint8)[mask]).save(folder / "masks" / f"{number:03d}.png")
    return folder
