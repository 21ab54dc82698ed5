"""Known photos: those near photos of the training part, in the features that a head takes.

The similarity of two photos is the cosine of the angle between their features, a mean over the layers that the
features are of. A photo is known if its mean similarity to the nearest training photos is not unusually low.

Source: Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors", algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.artifacts.nearest import PRODUCTS
from zoo.builders.loading import KNOWN
from zoo.data.splits import stratified
from zoo.tasks import thresholds

if TYPE_CHECKING:
    import keras

NEAREST = 5
MOST = (
    500  # training photos that a model holds, chosen at random of more: they take 5 KiB each, and more for all depths
)
SHARE = 0.05  # of known photos that are called unknown
FEWEST = 20  # training photos by which a limit can be set
BLOCK = 1024  # photos that are compared at a time


class Memory(NamedTuple):
    """Training photos that a model remembers.

    Attributes:
        features: float32 (photos, width), as `unit` gives them.
        positions: of the photos in the training part, int64.
        parts: widths of the parts of the features.
        limit: similarity from which on a photo is known.
    """

    features: np.ndarray
    positions: np.ndarray
    parts: tuple[int, ...]
    limit: float

    def similarities(self, features: np.ndarray) -> np.ndarray:
        """Mean similarity of photos to the nearest ones of the memory, float32 (photos,).

        Args:
            features: float32 (photos, width), of the backbone; those behind the features of the head are left out.
        """
        return _nearest(unit(features[:, : sum(self.parts)], self.parts), self.features)


def remember(
    features: np.ndarray, parts: Sequence[int], strata: np.ndarray, units: np.ndarray, share: float, seed: int
) -> Memory | None:
    """The memory of a training part; None for fewer than 20 photos, or where all of them are copies of one another.

    The limit is a quantile of the similarities of training photos: of those that are not in the memory to those that
    are, or where all are in it, of each to the others.

    Args:
        features: float32 (photos, width), those that the head takes.
        parts: widths of their parts.
        strata: (photos, strata) of 0 and 1, whose proportions the memory keeps.
        units: int64 (photos,): photos with equal values are copies, or of a group.
        share: of known photos that are called unknown, in (0, 1).
        seed: of the choice of photos.
    """
    kept = remembered(strata, units, seed)
    if kept is None:
        return None
    rows = unit(features, parts)
    others = np.setdiff1d(np.arange(len(rows)), kept) if len(kept) < len(rows) else kept
    scores = _nearest(rows[others], rows[kept], units[others], units[kept])
    return Memory(rows[kept], kept, tuple(parts), _limit(scores, share))


def remembered(strata: np.ndarray, units: np.ndarray, seed: int) -> np.ndarray | None:
    """Positions of the photos that a model remembers, int64; None for too few of them, as for `remember`.

    Args:
        strata: as `remember` takes them.
        units: as `remember` takes them.
        seed: of the choice of photos.
    """
    count = len(units)
    if count < FEWEST or len(np.unique(units)) <= NEAREST:
        return None
    return np.arange(count) if count <= MOST else np.flatnonzero(stratified(strata, units, MOST / count, seed))


def limit(features: np.ndarray, others: np.ndarray, parts: Sequence[int], share: float) -> float:
    """The limit by which `share` of other photos are unknown to a model that remembers some.

    Args:
        features: float32 (photos, width), of those that it remembers.
        others: float32 (others, width), of photos that it did not learn from.
        parts: widths of the parts of the features.
        share: of known photos that are called unknown, in (0, 1).
    """
    return _limit(_nearest(unit(others, parts), unit(features, parts)), share)


def _limit(scores: np.ndarray, share: float) -> float:
    return float(np.float32(-thresholds.threshold(-scores.astype(np.float64), share)))


def unit(features: np.ndarray, parts: Sequence[int]) -> np.ndarray:
    """Features with each part at the same length, so that a product of two photos is the mean cosine of the parts."""
    pieces = np.split(features, np.cumsum(parts)[:-1], axis=1)
    lengths = [np.maximum(np.linalg.norm(piece, axis=1, keepdims=True), 1e-6) for piece in pieces]
    rows = np.concatenate([piece / length for piece, length in zip(pieces, lengths, strict=True)], axis=1)
    return (rows / np.sqrt(len(parts))).astype(np.float32)


def _nearest(
    queries: np.ndarray, rows: np.ndarray, units: np.ndarray | None = None, others: np.ndarray | None = None
) -> np.ndarray:
    """Mean product of each query and the nearest rows, without rows of its own unit."""
    result = []
    for start in range(0, len(queries), BLOCK):
        products = queries[start : start + BLOCK] @ rows.T
        if units is not None:
            products[units[start : start + BLOCK, None] == others] = -1.0
        result.append(np.partition(products, -NEAREST, axis=1)[:, -NEAREST:].mean(axis=1))
    return np.concatenate(result) if result else np.zeros(0, np.float32)


def similarity(parts: list[Any], memory: Memory) -> keras.KerasTensor:
    """The similarity in a Keras model, (batch,), of plain layers of Keras.

    Args:
        parts: of the features, symbolic tensors (batch, width).
        memory: of the training part.
    """
    from keras import layers, ops

    units = [layers.UnitNormalization(name=f"{KNOWN}part_{at}")(part) for at, part in enumerate(parts)]
    rows = layers.Concatenate(name=f"{KNOWN}features")(units) if len(units) > 1 else units[0]
    products = layers.Dense(len(memory.features), use_bias=False, name=PRODUCTS)
    nearest = ops.top_k(products(rows), NEAREST)[0]
    products.set_weights([memory.features.T / np.sqrt(len(parts))])
    return ops.mean(nearest, axis=-1)
