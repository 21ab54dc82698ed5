"""Probabilities of every pixel at the size of each photo, and the classes that win there; NumPy and graph alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.tasks.terms import Array

UNIT = 10.0  # in which probabilities of pixels are compared: a photo has 100,000 of them, and the largest of so many
# rounding errors of float32, up to 0.0007 in networks that are sure at outlines, is no sign of another model


@dataclass(frozen=True)
class Areas:
    """Probabilities of the classes of every pixel, and the size of the mask to answer with.

    Photos differ in size: what is said of them at their own is made one by one, and only when it is needed.

    Attributes:
        shares: float32 (examples, height, width, classes).
        size: height and width of each photo in pixels, int32 (examples, 2); None for that of `shares`.
        greys: of each class, the value that a mask has there.
    """

    shares: Array
    size: Array | None
    greys: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.shares)

    def __getitem__(self, at: int | slice) -> Areas:
        """Those of some examples, or of one, the batch axis kept."""
        some = at if isinstance(at, slice) else slice(at, at + 1 or None)
        return Areas(self.shares[some], None if self.size is None else self.size[some], self.greys)

    @property
    def dtype(self) -> Any:
        """That of the probabilities."""
        return self.shares.dtype

    @property
    def sizes(self) -> np.ndarray:
        """Int (examples, 2)."""
        return np.tile(self.shares.shape[1:3], (len(self), 1)) if self.size is None else np.asarray(self.size)

    def masks(self) -> Iterator[np.ndarray]:
        """The mask of each photo, uint8 (height, width), values of the classes."""
        greys = np.array(self.greys, np.uint8)
        for shares, (height, width) in zip(self.shares, self.sizes, strict=True):
            yield greys[decided(shares, height, width)[0]]

    @property
    def margins(self) -> Margins:
        """How far each pixel is from having another class."""
        return Margins(self)


@dataclass(frozen=True)
class Margins:
    """The lead of the first probability of each pixel over the second, in `UNIT`, at the size of the photo."""

    areas: Areas

    def __len__(self) -> int:
        return len(self.areas)

    def __getitem__(self, at: Any) -> Any:
        """Of one example float32 (height, width); of a slice those of some."""
        if isinstance(at, slice):
            return Margins(self.areas[at])
        height, width = self.areas.sizes[at]
        return decided(self.areas.shares[at], height, width)[1] / np.float32(UNIT)

    @property
    def dtype(self) -> Any:
        """That of the probabilities."""
        return self.areas.dtype


def decided(shares: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The most probable class of each pixel of a photo, of equal ones the first, and its lead over the next.

    Probabilities are resized bilinearly, class by class, so that no array is larger than the photo.

    Args:
        shares: float32 (any height, any width, classes).
        height: of the photo.
        width: of the photo.

    Returns:
        positions int64 (height, width), and what the first probability is above the second, float32 (height, width),
        infinite of a single class.
    """
    down, across = taps(shares.shape[0], height, np), taps(shares.shape[1], width, np)
    first = stretched(shares[..., 0], down, across, np)
    second, at = np.full_like(first, -np.inf), np.zeros(first.shape, np.int64)
    for number in range(1, shares.shape[-1]):
        one = stretched(shares[..., number], down, across, np)
        better = one > first
        second = np.where(better, first, np.maximum(second, one))
        first, at = np.where(better, one, first), np.where(better, number, at)
    return at, first - second


def decided_in_graph(shares: Any, size: Any) -> Any:
    """The positions of `decided`, int32 (height, width), of tensors; one class at a time."""
    import tensorflow as tf
    from keras import ops

    down, across = taps(shares.shape[0], size[0], ops), taps(shares.shape[1], size[1], ops)
    planes = tf.transpose(shares, (2, 0, 1))
    first = stretched(planes[0], down, across, ops)

    def step(number: Any, first: Any, at: Any) -> tuple[Any, Any, Any]:
        one = stretched(planes[number], down, across, ops)
        better = one > first
        return number + 1, tf.where(better, one, first), tf.where(better, number, at)

    begin = tf.constant(1), first, tf.zeros_like(first, tf.int32)
    return tf.while_loop(lambda number, *_: number < shares.shape[-1], step, begin, parallel_iterations=1)[2]


def taps(count: int, wanted: Any, xp: Any) -> tuple[Array, Array, Array]:
    """Where the values of a line of `wanted` pixels are from: two positions of `count`, and the share of the second.

    Centres of pixels are half a pixel from their edges, and the line goes on beyond its ends as it ends.

    Args:
        count: pixels that there are.
        wanted: number of pixels of the answer, perhaps a tensor.
        xp: numpy or keras.ops.
    """
    scale = xp.array(count, dtype="float64") / xp.array(wanted, dtype="float64")
    place = (xp.arange(wanted, dtype="float64") + 0.5) * scale - 0.5
    low = xp.clip(xp.floor(place), 0, count - 1)
    share = xp.array(xp.clip(place - low, 0, 1), dtype="float32")
    low = xp.array(low, dtype="int32")
    return low, xp.minimum(low + 1, count - 1), share


def stretched(plane: Array, down: tuple[Array, ...], across: tuple[Array, ...], xp: Any) -> Array:
    """Numbers (any height, any width) at another size, bilinearly; `down` and `across` as `taps` gives them."""
    top, bottom = xp.take(plane, down[0], axis=0), xp.take(plane, down[1], axis=0)
    lines = top + (bottom - top) * down[2][:, None]
    left, right = xp.take(lines, across[0], axis=1), xp.take(lines, across[1], axis=1)
    return left + (right - left) * across[2][None]
