"""Columns of dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.data import date_strings, frames
from zoo.data.frames import Frame
from zoo.data.spellings import is_missing
from zoo.data.unseen import TrainingValues, Unseen, text_of
from zoo.kinds.tables.group import Group
from zoo.kinds.tables.numbers import MISSING_EVERY

if TYPE_CHECKING:
    import tensorflow as tf

ORDERS = ("day", "month")


def are_orders(value: Any) -> bool:
    """Whether a card says orders of days and months."""
    return isinstance(value, list) and all(each in ORDERS for each in value)


@dataclass(frozen=True)
class KnownDays(TrainingValues):
    """The days of a column of dates.

    Attributes:
        tensor: strings (rows,).
        column: its name.
        first, last: days since 1970-01-01, of the training part.
        day_first: whether 3/4/2024 is in April.
    """

    tensor: str
    column: str
    first: int
    last: int
    day_first: bool

    def unseen(self, values: Any) -> dict[int, Unseen]:
        """See `TrainingValues.unseen`: days before the first and after the last."""
        days = date_strings.moments([text_of(value) for value in values], self.day_first)[:, :1]
        ends = date_strings.strings(np.array([[self.first, 0], [self.last, 0]], np.float32))
        what = "a day outside those of training ({} to {})".format(*ends)
        rows = np.flatnonzero((days[:, 0] < self.first) | (days[:, 0] > self.last))
        shown = date_strings.strings(np.concatenate([days, np.zeros_like(days)], axis=1))
        return {int(at): Unseen(f"column {self.column!r}", what, shown[at]) for at in rows}


@dataclass(frozen=True)
class Dates(Group):
    """Dates, float32 (rows, 2 x columns): days since 1970-01-01 and seconds of the day; NaN where missing.

    Attributes:
        orders: ``day`` or ``month``, of each column, which is first in 3/4/2024.
    """

    orders: tuple[str, ...]

    name: ClassVar[str] = "dates"
    layer: ClassVar[str] = "calendar"
    tensor: ClassVar[str] = "dates"
    dtype: ClassVar[str] = "float32"
    values: ClassVar[int] = 2

    def read(self, frame: Frame) -> tuple[np.ndarray, dict[int, str]]:
        """See `Group.read`."""
        values, errors = np.empty((len(frame.names), 2 * len(self.columns)), np.float32), {}
        for position, (name, order) in enumerate(zip(self.columns, self.orders, strict=True)):
            cells = frames.strings(frame.values[name])
            moments = date_strings.moments(cells, order == "day")
            for at in np.flatnonzero(np.isnan(moments[:, 0])):
                if not is_missing(cells[at]):
                    reason = f"column {name!r}: expected a date, as 2024-03-31, received {cells[at]!r}"
                    errors.setdefault(int(at), reason)
            values[:, 2 * position : 2 * position + 2] = moments
        return values, errors

    def missing(self, values: np.ndarray) -> np.ndarray:
        """See `Group.missing`."""
        return np.isnan(values[:, ::2])

    def summary(self, values: np.ndarray, at: int) -> tuple[str, str]:
        """See `Group.summary`."""
        days = values[:, 2 * at]
        ends = np.array([[np.nanmin(days), 0], [np.nanmax(days), 0]], np.float32)
        return "date, {} to {}".format(*date_strings.strings(ends)), "0, and a flag that it is missing"

    def column(self, values: np.ndarray, at: int) -> np.ndarray:
        """See `Group.column`."""
        return date_strings.strings(values[:, 2 * at : 2 * at + 2])

    def from_tensors(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """See `Group.from_tensors`."""
        import tensorflow as tf

        pairs = zip(tensors, self.orders, strict=True)
        return tf.concat([date_strings.moments_graph(each, order == "day") for each, order in pairs], axis=1)

    def field(self, at: int, layers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """See `Group.field`."""
        return {"type": "date"}

    def training_values(self, tensor: str, at: int, layers: Mapping[str, Mapping[str, Any]]) -> TrainingValues | None:
        """The first and the last day."""
        layer = layers.get("Calendar")
        if layer is None:
            return None
        ends = layer["firsts"][at], layer["lasts"][at]
        return KnownDays(tensor, self.columns[at], *ends, self.orders[at] == "day")

    def made_up(self, preprocess: Any, count: int, rng: np.random.Generator) -> np.ndarray:
        """Dates between the first and the last of training, some missing where some were."""
        layer = preprocess.get_layer(self.layer)
        values = np.zeros((count, 2 * len(self.columns)), np.float32)
        for at, (first, last) in enumerate(zip(layer.firsts, layer.lasts, strict=True)):
            values[:, 2 * at] = rng.integers(first, last, count, endpoint=True)
            if at in layer.clocks:
                values[:, 2 * at + 1] = rng.integers(date_strings.DAY, size=count)
            if at in layer.indicators:
                values[rng.integers(MISSING_EVERY, size=count) == 0, 2 * at : 2 * at + 2] = np.nan
        return values

    def unseen(self) -> float:
        """A missing date."""
        return float("nan")

    def meaning(self) -> str:
        """See `Group.meaning`."""
        return f"columns {', '.join(self.columns)}; days since 1970-01-01 and seconds of the day, NaN where missing"
