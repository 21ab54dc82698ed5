"""One side of a split: inputs, in whatever form a kind of input has them, and targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree


class Files(Sequence[Any]):
    """Inputs that are read when they are needed: paths, encoded bytes, or pictures in memory.

    They are chosen as the rows of an array are: by a slice, or by positions, int64. Who reads them is their kind.

    Args:
        items: one an example.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = tuple(items)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return Files(self._items[at])
        return Files(self._items[each] for each in at) if isinstance(at, np.ndarray) else self._items[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Files) and self._items == tuple(other)

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"Files({list(self._items)!r})"


Inputs = Files | np.ndarray | dict[str, np.ndarray]
"""Files, an array, or arrays by name."""


@dataclass(frozen=True)
class Part:
    """One side of a split.

    Attributes:
        inputs: what the model reads, one entry an example along the first axis. Images: `Files`, or uint8
            (examples, height, width, channels). Tables: ``numeric`` float32 (examples, columns), NaN where missing,
            and ``categorical``, strings (examples, columns), empty where missing. Text: strings (examples,).
            Sequences: float32 (examples, length, features), rows of NaN after the end of a shorter one.
        targets: as `Data.task` has them. Classification: int64 (examples,), positions in its names. Multi-label: int64
            (examples, labels) of 0 and 1. Regression and forecasting: float32 (examples, values).
        names: what to call each example in a report; for images the path inside the folder.
        digests: sha256 of each input's content.
        units: int64 (examples,); examples with equal values, which are of one group or copies, stay on one side of
            every split. None where there are no groups: copies stay together.
        series: the name of the series that each example is of; None where there is one, or none.
    """

    inputs: Inputs
    targets: np.ndarray
    names: tuple[str, ...]
    digests: tuple[str, ...]
    units: np.ndarray | None = None
    series: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def chosen(self, positions: np.ndarray) -> Part:
        """The examples at `positions`, int64."""

        def pick(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[position] for position in positions)

        inputs = chosen_inputs(self.inputs, positions)
        units = None if self.units is None else self.units[positions]
        series = None if self.series is None else pick(self.series)
        return Part(inputs, self.targets[positions], pick(self.names), pick(self.digests), units, series)

    @property
    def together(self) -> np.ndarray:
        """Int64 (examples,): examples with equal values stay on one side of every split."""
        return np.unique(np.asarray(self.digests) if self.units is None else self.units, return_inverse=True)[1]


def chosen_inputs(inputs: Inputs, positions: np.ndarray) -> Inputs:
    """The entries of `Part.inputs` at `positions`, int64."""
    return optree.tree_map(lambda values: values[positions], inputs)


def count(inputs: Inputs) -> int:
    """How many inputs there are."""
    return len(optree.tree_leaves(inputs)[0])


def joined(several: Sequence[Inputs]) -> Inputs:
    """Arrays of inputs one after the other."""
    return several[0] if len(several) == 1 else optree.tree_map(lambda *each: np.concatenate(each), *several)


def in_files(inputs: Inputs) -> bool:
    """Whether inputs are read when they are needed."""
    return isinstance(inputs, Files)
