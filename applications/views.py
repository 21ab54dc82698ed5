"""Views of images to train on: decoded, augmented and mixed; the same seed and epoch give the same batches."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from applications.features import Extractor
from zoo import progress
from zoo.kinds.images import decoding
from zoo.training.augmentation import AUGMENTATIONS as PLAIN
from zoo.training.augmentation import augmentation

AUGMENTATIONS = (*PLAIN, "mixup")
BATCH = 32
MEMORY = 1 << 30  # bytes that decoded images may take: 7,100 of 224 pixels
ALPHA = 0.2  # of mixup: the value of Zhang et al. for ImageNet


class Pixels:
    """Decoded images. If they don't all fit in `MEMORY`, none is kept, and each is decoded whenever it is read.

    Args:
        files: paths, or the bytes of files.
        extractor: has the size and the crop.
    """

    def __init__(self, files: Sequence[Path], extractor: Extractor) -> None:
        self.files, self.extractor = files, extractor
        self.bytes = 3 * extractor.input_size**2 * len(files)
        self.kept: np.ndarray | None = None
        if self.bytes <= MEMORY:
            every = np.arange(len(files))
            with progress.bar("decoding", len(files)) as advance:
                parts = []
                for start in range(0, len(files), BATCH):
                    parts.append(self._decoded(every[start : start + BATCH]))
                    advance(len(parts[-1]))
            self.kept = np.concatenate(parts)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """Float32 (images, size, size, 3), pixels 0-255, of the images at these positions."""
        pixels = self._decoded(indices) if self.kept is None else self.kept[indices]
        return pixels.astype(np.float32)

    def _decoded(self, indices: np.ndarray) -> np.ndarray:
        extractor = self.extractor
        size = (extractor.input_size, extractor.input_size)

        def decode(index: int) -> np.ndarray:
            return decoding.decode(self.files[index], size, extractor.crop, extractor.bits)

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return np.stack(list(pool.map(decode, indices)))


class Views:
    """Training batches for the upper part of a network: outputs of its lower part for a new view of each image.

    Each epoch has a new order and new random changes, so no two views are the same. A run that goes on after a kill
    gives back the state of `augment`, and gets the batches that it would have had.

    Args:
        pixels: of all images.
        targets: float32 (images, outputs).
        chosen: int64, positions of the images to use.
        below: outputs of the frozen part for a batch of images.
        names: of the changes, in `AUGMENTATIONS`.
        seed: of order and changes.
        class_weights: float (outputs,), or None.

    Source: for ``mixup``, Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", section 2.
    """

    def __init__(
        self,
        pixels: Pixels,
        targets: np.ndarray,
        chosen: np.ndarray,
        below: Callable[[np.ndarray], Any],
        names: Sequence[str],
        seed: int,
        class_weights: np.ndarray | None = None,
    ) -> None:
        self.pixels, self.targets, self.chosen, self.below = pixels, targets, chosen, below
        self.seed, self.class_weights, self.mixes = seed, class_weights, "mixup" in names
        self.augment = augmentation([name for name in names if name != "mixup"], seed)

    def __len__(self) -> int:
        return math.ceil(len(self.chosen) / BATCH)

    def epoch(self, number: int) -> Iterator[tuple[Any, ...]]:
        """Batches (outputs of the lower part, targets[, weights]) of epoch `number`, from 0."""
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(self.chosen)
        for start in range(0, len(order), BATCH):
            yield self._batch(order[start : start + BATCH], rng)

    def _batch(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[Any, ...]:
        images, targets = self.pixels[indices], self.targets[indices]
        if self.augment.layers:
            images = np.asarray(self.augment(images, training=True))
        if self.mixes:
            partners = rng.permutation(len(indices))
            share = rng.beta(ALPHA, ALPHA, len(indices)).astype(np.float32)[:, None]
            targets = share * targets + (1 - share) * targets[partners]
            share = share[:, :, None, None]
            images = share * images + (1 - share) * images[partners]
        below = self.below(images)
        return (below, targets) if self.class_weights is None else (below, targets, targets @ self.class_weights)
