"""Windows of a series, or of several, from which the next values are forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.data.card_checks import is_count, is_integer
from zoo.data.kind import Raw
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.kinds.sequences import series
from zoo.kinds.sequences.steps import Steps
from zoo.tasks.task import Task


@dataclass(frozen=True)
class Series(Steps):
    """Windows of a series, from which the next values of one feature are forecast.

    Attributes:
        window: steps that an input looks back over.
        horizon: steps that are forecast.
        target: the feature that is forecast.
        target_position: its position.
        time: the column that orders the rows; None for the order of the file.
        separator: of the file.
        header: whether it names its columns.
        clock, day_first: as those of `Sequences`.
    """

    window: int = 1
    horizon: int = 1
    target: str | None = None
    target_position: int = 0
    time: str | None = None
    separator: str | None = None
    header: bool | None = None
    clock: str | None = None
    day_first: bool = False

    def raw(self, source: Any, *, every: bool = False) -> Raw:
        """Read the last window of a series, or every one, each named by its last row.

        Args:
            source: a CSV file or data frame with the model's features, an array (rows, features) or several of them
                (series, rows, features), or a list of arrays.
            every: all windows.

        Raises:
            InputError: not of the model's features, shorter than its window, or a time that is none.
        """
        several = isinstance(source, list | tuple) and bool(source)
        if not several or not all(isinstance(each, np.ndarray) for each in source):
            return self._windows(source, every)
        names, inputs, errors = [], [], {}
        for number, each in enumerate(source):
            raw = self._windows(each, every)
            errors |= {len(names) + at: reason for at, reason in raw.errors.items()}
            names += [name.replace("input 0", f"input {number}", 1) for name in raw.names]
            inputs.append(raw.inputs)
        return Raw(names, np.concatenate(inputs), errors)

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """All windows of a series, or those of its held-out part."""
        return series.read_part(
            source, self.features, self.window, self.horizon, self.target_position, self.when, self.header
        )

    def classed(self, source: Any, names: Sequence[str]) -> tuple[Raw, list[str] | None, list[Note]]:
        """Windows have no classes."""
        return super().classed(source, ())

    def _windows(self, source: Any, every: bool) -> Raw:
        return Raw(*series.read_windows(source, self.features, self.window, self.when, self.header, last=not every))

    def arguments(self) -> dict[str, Any]:
        """A window has no padding."""
        return {"masking": False}

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        more = {"window": is_count, "horizon": is_count, "target_position": is_integer}
        return super().card_checks(said, supervised) | more
