"""Known photos: those near photos of the training part, in the features that a head takes.

The similarity of two photos is the cosine of the angle between their features, a mean over the layers that the
features are of. A photo is known if it is not unusually unfamiliar: its familiarity is the mean similarity to the
nearest training photos, and where a model chooses one class, more or less by how sure the model is.

Source: Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors", algorithm 1, for the similarity;
    that it and the probability find different strangers: Wang et al. 2022, "ViM: Out-Of-Distribution with
    Virtual-logit Matching".
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
# How much a standard deviation of sureness counts beside one of similarity, chosen on digits and garments with four
# sets of three classes left out. The doubt below which a model is no surer, and the least deviation of sureness: less
# would make the last digits of a probability, which runtimes differ in, ones that count.
WEIGHT, LEAST_DOUBT, LEAST_DEVIATION = 0.5, 1e-2, 0.5


class Rule(NamedTuple):
    """When a photo is known: if similarity + `weight` * (sureness - `usual`) is at least `limit`."""

    limit: float
    weight: float = 0.0
    usual: float = 0.0


class Memory(NamedTuple):
    """Training photos that a model remembers.

    Attributes:
        features: float32 (photos, width), as `unit` gives them.
        positions: of the photos in the training part, int64.
        parts: widths of the parts of the features.
        rule: when a photo is known.
    """

    features: np.ndarray
    positions: np.ndarray
    parts: tuple[int, ...]
    rule: Rule

    def familiarities(self, features: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """How familiar photos are, float32 (photos,).

        Args:
            features: float32 (photos, width), of the backbone; those behind the features of the head are left out.
            outputs: float32 (photos, outputs), of the model.
        """
        similarities = _nearest(unit(features[:, : sum(self.parts)], self.parts), self.features)
        rule = self.rule
        return (
            similarities + np.float32(rule.weight) * (sureness(outputs) - np.float32(rule.usual))
            if rule.weight
            else similarities
        )


def remember(
    features: np.ndarray,
    parts: Sequence[int],
    strata: np.ndarray,
    units: np.ndarray,
    share: float,
    seed: int,
    sure: np.ndarray | None = None,
) -> Memory | None:
    """The memory of a training part; None for fewer than 20 photos, or where all of them are copies of one another.

    The limit is a quantile of the familiarity of training photos: of those that are not in the memory to those that
    are, or where all are in it, of each to the others.

    Args:
        features: float32 (photos, width), those that the head takes.
        parts: widths of their parts.
        strata: (photos, strata) of 0 and 1, whose proportions the memory keeps.
        units: int64 (photos,): photos with equal values are copies, or of a group.
        share: of known photos that are called unknown, in (0, 1).
        seed: of the choice of photos.
        sure: `sureness` of heads that did not learn from a photo, float (photos,), NaN where there is none; None for a
            model that chooses no class.
    """
    kept = remembered(strata, units, seed)
    if kept is None:
        return None
    rows = unit(features, parts)
    others = np.setdiff1d(np.arange(len(rows)), kept) if len(kept) < len(rows) else kept
    if sure is not None:
        scored = others[np.isfinite(sure[others])]
        others, sure = (scored, sure[scored]) if len(scored) >= FEWEST else (others, None)
    similarities = _nearest(rows[others], rows[kept], units[others], units[kept])
    return Memory(rows[kept], kept, tuple(parts), _rule(similarities, sure, share))


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


def rule(features: np.ndarray, others: np.ndarray, parts: Sequence[int], share: float, sure: np.ndarray | None) -> Rule:
    """The rule by which `share` of other photos are unknown to a model that remembers some.

    Args:
        features: float32 (photos, width), of those that it remembers.
        others: float32 (others, width), of photos that it did not learn from.
        parts: widths of the parts of the features.
        share: of known photos that are called unknown, in (0, 1).
        sure: `sureness` for the others; None for a model that chooses no class.
    """
    return _rule(_nearest(unit(others, parts), unit(features, parts)), sure, share)


def sureness(probabilities: np.ndarray) -> np.ndarray:
    """-log(1 - maximum probability), float32 (photos,), at most 4.6.

    Args:
        probabilities: float32 (photos, classes).
    """
    return -np.log(np.maximum(1 - probabilities.max(axis=1), np.float32(LEAST_DOUBT)))


def _rule(similarities: np.ndarray, sure: np.ndarray | None, share: float) -> Rule:
    scores, weight, usual = similarities.astype(np.float64), 0.0, 0.0
    if sure is not None:
        weight = float(WEIGHT * scores.std() / max(sure.std(), LEAST_DEVIATION))
        usual = float(sure.mean())
        scores = scores + weight * (sure - usual)
    return Rule(float(np.float32(-thresholds.threshold(-scores, share))), weight, usual)


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


def familiarity(parts: list[Any], memory: Memory, outputs: Any) -> keras.KerasTensor:
    """The familiarity in a Keras model, (batch,), of plain layers of Keras.

    Args:
        parts: of the features, symbolic tensors (batch, width).
        memory: of the training part.
        outputs: of the model, a symbolic tensor (batch, outputs).
    """
    from keras import layers, ops

    units = [layers.UnitNormalization(name=f"{KNOWN}part_{at}")(part) for at, part in enumerate(parts)]
    rows = layers.Concatenate(name=f"{KNOWN}features")(units) if len(units) > 1 else units[0]
    products = layers.Dense(len(memory.features), use_bias=False, name=PRODUCTS)
    nearest = ops.top_k(products(rows), NEAREST)[0]
    products.set_weights([memory.features.T / np.sqrt(len(parts))])
    similarities = ops.mean(nearest, axis=-1)
    _, weight, usual = memory.rule
    if not weight:
        return similarities
    sure = -ops.log(ops.maximum(1 - ops.max(outputs, axis=-1), LEAST_DOUBT))
    return similarities + weight * (sure - usual)
