"""One side of a split: inputs, in whatever form a kind of input has them, and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Inputs = tuple[Any, ...] | np.ndarray | dict[str, np.ndarray]
"""An array, arrays by name, or files (paths, encoded bytes, pictures in memory) that are read when they are needed."""


@dataclass(frozen=True)
class Part:
    """One side of a split.

    Attributes:
        inputs: what the model reads, one entry an example along the first axis. Images: a tuple of paths, or uint8
            (examples, height, width, channels). Tables: ``numeric`` float32 (examples, columns), NaN where missing,
            and ``categorical``, strings (examples, columns), empty where missing. Text: strings (examples,).
            Sequences: float32 (examples, length, features), rows of NaN after the end of a shorter one.
        targets: as `Data.task` has them. Classification: int64 (examples,), positions in its names. Multi-label: int64
            (examples, labels) of 0 and 1. Regression and forecasting: float32 (examples, values).
        names: what to call each example in a report; for images the path inside the folder.
        digests: sha256 of each input's content.
        units: int64 (examples,); examples with equal values, which are of one group or copies, stay on one side of
            every split. None where there are no groups: copies stay together.
    """

    inputs: Inputs
    targets: np.ndarray
    names: tuple[str, ...]
    digests: tuple[str, ...]
    units: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)

    def chosen(self, positions: np.ndarray) -> Part:
        """The examples at `positions`, int64."""

        def pick(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[position] for position in positions)

        inputs = chosen_inputs(self.inputs, positions)
        units = None if self.units is None else self.units[positions]
        return Part(inputs, self.targets[positions], pick(self.names), pick(self.digests), units)

    @property
    def together(self) -> np.ndarray:
        """Int64 (examples,): examples with equal values stay on one side of every split."""
        return np.unique(np.asarray(self.digests) if self.units is None else self.units, return_inverse=True)[1]


def chosen_inputs(inputs: Inputs, positions: np.ndarray) -> Inputs:
    """The entries of `Part.inputs` at `positions`, int64."""
    if isinstance(inputs, dict):
        return {name: values[positions] for name, values in inputs.items()}
    return tuple(inputs[position] for position in positions) if in_files(inputs) else inputs[positions]


def count(inputs: Inputs) -> int:
    """How many inputs there are."""
    return len(next(iter(inputs.values()))) if isinstance(inputs, dict) else len(inputs)


def joined(several: Sequence[Inputs]) -> Inputs:
    """Arrays of inputs one after the other."""
    first = several[0]
    if isinstance(first, dict):
        return {name: np.concatenate([each[name] for each in several]) for name in first}
    return first if len(several) == 1 else np.concatenate(several)


def in_files(inputs: Inputs) -> bool:
    """Whether inputs are files, or what stands for such, that are read when they are needed."""
    return isinstance(inputs, tuple)
