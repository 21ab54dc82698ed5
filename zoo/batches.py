"""What training learns from, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo.data.dataset import Inputs, chosen_inputs

if TYPE_CHECKING:
    import keras


class Batches(Protocol):
    """What `zoo.loop.fit` learns from."""

    def __len__(self) -> int:
        """Batches in an epoch."""

    def epoch(self, number: int) -> Iterator[tuple[Any, ...]]:
        """Batches (inputs, targets[, weights]) of epoch `number`, from 0; the same number gives the same ones."""


class Arrays:
    """Examples in memory, dealt out in a new order in each epoch.

    Args:
        inputs: array or dict of arrays, (examples, ...); kept in their dtype, cast to float32 batch by batch.
        targets: (examples, ...).
        weights: float32 (examples,), or None.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        seed: of the order.
        augment: of images, as `zoo.augmentation.augmentation` makes it; None for none.
        whole: leave out the last batch of an epoch where it is smaller; the next epoch has other examples there.
    """

    def __init__(
        self,
        inputs: Inputs,
        targets: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        batch_size: int = 32,
        seed: int = 0,
        augment: keras.Model | None = None,
        whole: bool = False,
    ) -> None:
        self.columns = (
            (inputs, targets) if weights is None else (inputs, targets, weights.astype(np.float32, copy=False))
        )
        self.batch_size, self.seed, self.augment = batch_size, seed, augment
        self.examples = len(targets)
        self.dealt = self.examples // batch_size * batch_size if whole else self.examples

    def __len__(self) -> int:
        return math.ceil(self.dealt / self.batch_size)

    def order(self, number: int) -> np.ndarray:
        """Positions of the examples in epoch `number`, int32."""
        return np.random.default_rng([self.seed, number]).permutation(self.examples)[: self.dealt].astype(np.int32)

    def epoch(self, number: int) -> Iterator[tuple[Any, ...]]:
        """Batches of epoch `number` as NumPy arrays."""
        order = self.order(number)
        for start in range(0, self.dealt, self.batch_size):
            chosen = order[start : start + self.batch_size]
            inputs, *rest = (chosen_inputs(column, chosen) for column in self.columns)
            if self.augment is not None:
                inputs = self.augment(inputs.astype(np.float32), training=True)
            yield (inputs, *rest)
