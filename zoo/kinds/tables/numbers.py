"""Columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.data import frames
from zoo.data.frames import Frame
from zoo.data.spellings import Spelling
from zoo.data.unseen import KnownRange, Limits, TrainingValues, Unseen, text_of
from zoo.kinds.tables.group import Group

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow as tf

MISSING_EVERY = 8  # one made-up value in so many is missing, in columns where training had missing ones


@dataclass(frozen=True, kw_only=True)
class SpelledRange(KnownRange):
    """The same of numbers in strings."""

    spelling: Spelling

    def unseen(self, values: Any) -> dict[int, Unseen]:
        """See `TrainingValues.unseen`."""
        numbers = (self.spelling.number(text_of(value)) for value in values)
        return super().unseen([np.nan if number is None else number for number in numbers])


@dataclass(frozen=True)
class Numbers(Group):
    """Numbers, float32 (rows, columns); NaN where missing.

    Attributes:
        spellings: of columns that are not written as "1234.56".
        lowest, highest: of each column, the smallest and the largest number of the training part; empty if not known.
    """

    spellings: Mapping[str, Spelling]
    lowest: Limits = ()
    highest: Limits = ()

    name: ClassVar[str] = "numeric"
    layer: ClassVar[str] = "numbers"
    tensor: ClassVar[str] = "numeric"
    dtype: ClassVar[str] = "float32"

    def read(self, frame: Frame) -> tuple[np.ndarray, dict[int, str]]:
        """See `Group.read`."""
        values, errors = np.empty((len(frame.names), len(self.columns)), np.float32), {}
        for position, name in enumerate(self.columns):
            column = frame.values[name]
            numbers, bad = self._numbers(name, column)
            with np.errstate(over="ignore"):
                infinite = np.isinf(numbers.astype(np.float32))
            like = f" like {self.spellings[name].pattern}" if name in self.spellings else ""
            for at in np.flatnonzero(bad | infinite):
                expected = "a finite number" if infinite[at] else f"a number{like}"
                errors.setdefault(int(at), f"column {name!r}: expected {expected}, received {column.iloc[at]!r}")
            values[:, position] = np.where(infinite, np.nan, numbers)
        return values, errors

    def _numbers(self, name: str, column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Float64 (rows,), NaN where missing; and bool (rows,), where a cell has no number."""
        if name in self.spellings:
            return self.spellings[name].read(column)
        values = frames.as_numbers(column)
        return values, frames.not_numbers(column, values)

    def missing(self, values: np.ndarray) -> np.ndarray:
        """See `Group.missing`."""
        return np.isnan(values)

    def summary(self, values: np.ndarray, at: int) -> tuple[str, str]:
        """See `Group.summary`."""
        spelling = self.spellings.get(self.columns[at])
        some, every = np.isnan(values[:, at]).any(), np.isnan(values[:, at]).all()
        filled = "the mean, and a flag that it is missing" if some and not every else "the mean"
        return "number" if spelling is None else f"number, as {spelling.pattern}", filled

    def is_string(self, at: int) -> bool:
        """Where numbers are written in a way of their own, the model reads them."""
        return self.columns[at] in self.spellings

    def column(self, values: np.ndarray, at: int) -> np.ndarray:
        """See `Group.column`."""
        column = super().column(values, at)
        return self.spellings[self.columns[at]].strings(column) if self.is_string(at) else column

    def from_tensors(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """See `Group.from_tensors`."""
        spellings = [self.spellings.get(name) for name in self.columns]
        pairs = zip(tensors, spellings, strict=True)
        return super().from_tensors([each if spelling is None else spelling.graph(each) for each, spelling in pairs])

    def field(self, at: int, layers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """See `Group.field`."""
        spelling = self.spellings.get(self.columns[at])
        return {"type": "number"} if spelling is None else {"type": "written", "pattern": spelling.pattern}

    def training_values(self, tensor: str, at: int, layers: Mapping[str, Mapping[str, Any]]) -> TrainingValues | None:
        """The range."""
        if not self.lowest or self.lowest[at] is None:
            return None
        column, limits = self.columns[at], (self.lowest[at], self.highest[at])
        if not self.is_string(at):
            return KnownRange(tensor, column, *limits)
        return SpelledRange(tensor, column, *limits, spelling=self.spellings[column])

    def made_up(self, preprocess: Any, count: int, rng: np.random.Generator) -> np.ndarray:
        """Numbers that vary as in training, missing ones in columns that had some."""
        layer = preprocess.get_layer(self.layer)
        values = np.array(layer.means) + np.array(layer.deviations) * rng.standard_normal((count, len(self.columns)))
        for column in layer.indicators:
            values[rng.integers(MISSING_EVERY, size=count) == 0, column] = np.nan
        return values.astype(np.float32)

    def unseen(self) -> float:
        """A missing number."""
        return float("nan")

    def meaning(self) -> str:
        """See `Group.meaning`."""
        return f"columns {', '.join(self.columns)}; NaN where missing"
