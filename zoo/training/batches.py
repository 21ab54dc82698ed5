"""Batches of training examples, and checks that their numbers are finite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo.data.parts import Inputs, chosen_inputs
from zoo.errors import InputError
from zoo.training.augmentation import augmented

if TYPE_CHECKING:
    import keras


class Batches(Protocol):
    """The batches that `zoo.training.loop.fit` takes."""

    def __len__(self) -> int:
        """Number of batches in an epoch."""

    def epoch(self, number: int) -> Iterator[tuple[Any, ...]]:
        """Batches (inputs, targets[, weights]) of epoch `number`, from 0; equal for equal numbers."""


class Arrays:
    """Batches of examples in memory, in a new order in each epoch.

    Args:
        inputs: array or dict of arrays, (examples, ...); stored in their dtype, cast to float32 batch by batch.
        targets: (examples, ...).
        weights: float32 (examples,), or None.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        seed: of the order.
        augment: of images, as `zoo.training.augmentation.augmentation` makes it; None for none.
        chosen: positions of the examples to use, int64; all if None.
        moves: whether targets move with an augmented input; see `zoo.training.augmentation.augmented`.
        drop_remainder: leave out the last batch of an epoch if it is smaller; another epoch has other examples there.
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
        chosen: np.ndarray | None = None,
        moves: bool = False,
        drop_remainder: bool = False,
    ) -> None:
        self.columns = (
            (inputs, targets) if weights is None else (inputs, targets, weights.astype(np.float32, copy=False))
        )
        self.batch_size, self.seed, self.augment, self.moves = batch_size, seed, augment, moves
        self.examples = len(targets)
        self.chosen = np.arange(self.examples) if chosen is None else chosen
        self.count = len(self.chosen) // batch_size * batch_size if drop_remainder else len(self.chosen)

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def order(self, number: int) -> np.ndarray:
        """Positions of the examples in epoch `number`, int32."""
        return np.random.default_rng([self.seed, number]).permutation(self.chosen)[: self.count].astype(np.int32)

    def epoch(self, number: int) -> Iterator[tuple[Any, ...]]:
        """Batches of epoch `number` as NumPy arrays."""
        order = self.order(number)
        for index in range(len(self)):
            yield self.batch(order, index)

    def batch(self, order: np.ndarray, index: int) -> tuple[Any, ...]:
        """The batch at `index` of an epoch in this order, as NumPy arrays."""
        positions = order[index * self.batch_size : (index + 1) * self.batch_size]
        inputs, targets, *rest = (chosen_inputs(column, positions) for column in self.columns)
        if self.augment is not None:
            inputs, targets = augmented(self.augment, inputs.astype(np.float32), targets, self.moves)
        return (inputs, targets, *rest)


def check_finite(columns: Sequence[Any], part: str = "") -> None:
    """Check that every number of `Arrays.columns`, or of a batch, is finite.

    Args:
        columns: inputs, targets and perhaps weights.
        part: prefix of the place in the error.

    Raises:
        InputError: a number is NaN, infinite or too large for float32; see `not_finite`.
    """
    for name, column in zip(("input", "target", "weight"), columns, strict=False):
        for key, values in (column if isinstance(column, dict) else {"": column}).items():
            if (place := not_finite(np.asarray(values))) is not None:
                where = f"{part}{name} {place[0]}" + (f", {key!r}" if key else "")
                at = f" at {place[1:]}" if place[1:] else ""
                raise InputError(f"{where}: expected finite numbers, received {values[place]}{at}")


def not_finite(values: np.ndarray) -> tuple[int, ...] | None:
    """Position of the first number that is NaN, infinite or too large for float32; None if all are finite.

    ReLU may turn such a number into 0, depending on the processor, so that the loss does not show it.

    Args:
        values: (examples, ...). In sequences (examples, length, features), steps of NaN at the end are padding.
    """
    if values.dtype.kind != "f":
        return None
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(values.astype(np.float32, copy=False))
    if bad.any() and values.ndim == 3:
        padding = np.isnan(values).all(axis=2)
        padding[:, 0] = False  # a sequence has at least one step
        bad[np.logical_and.accumulate(padding[:, ::-1], axis=1)[:, ::-1]] = False
    return tuple(np.argwhere(bad)[0].tolist()) if bad.any() else None
