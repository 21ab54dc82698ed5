"""Windows of a series, or of several, from which the next values are forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zoo.data import frames, times
from zoo.data.card_checks import are_names, is_count, is_integer, is_text
from zoo.data.frames import Frame
from zoo.data.kind import Raw
from zoo.data.notes import Note
from zoo.data.parts import Inputs, Part
from zoo.data.unseen import TrainingValues
from zoo.errors import InputError
from zoo.evaluation.units import Units
from zoo.kinds.sequences import series
from zoo.kinds.sequences.gaps import FILLS
from zoo.kinds.sequences.known import ShortError
from zoo.kinds.sequences.long_form import by_turns, codes_of, tables_of
from zoo.kinds.sequences.series import Columns
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
        fill: how gaps are filled, as `zoo.kinds.sequences.gaps.FILLS` has it; None for not at all.
        known: features whose values are known ahead.
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
    fill: str | None = None
    known: tuple[str, ...] = ()

    @property
    def columns(self) -> Columns:
        """What it takes of a table."""
        when, target = self.when, self.features[self.target_position]
        return Columns(self.features, target, self.window, self.horizon, when, self.header, self.fill, self.known)

    @property
    def labels(self) -> list[str]:
        """Names of the features, and how far ahead a step of them is."""
        return [f"{name} ({self.horizon} steps later)" if name in self.known else name for name in self.features]

    def raw(self, source: Any, *, every: bool = False) -> Raw:
        """Read the last window of a series, or every one, each named by its last row.

        Args:
            source: a CSV file or data frame with the model's features, an array (rows, features) or several of them
                (series, rows, features), or a list of arrays. A file has further rows, with what is known ahead; a
                step of an array has what is known `horizon` steps later.
            every: all windows.

        Raises:
            InputError: not of the model's features, shorter than its window, or a time that is none.
        """
        several = isinstance(source, list | tuple) and bool(source)
        if not several or not all(isinstance(each, np.ndarray) for each in source):
            return self.windows_of(source, every)
        names, inputs, errors = [], [], {}
        for number, each in enumerate(source):
            raw = self.windows_of(each, every)
            errors |= {len(names) + at: reason for at, reason in raw.errors.items()}
            names += [name.replace("input 0", f"input {number}", 1) for name in raw.names]
            inputs.append(raw.inputs)
        return Raw(names, np.concatenate(inputs), errors)

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """All windows of a series, or those of its held-out part."""
        return series.read_part(source, self.columns)

    def classed(self, source: Any, names: Sequence[str]) -> tuple[Raw, list[str] | None, list[Note]]:
        """Windows have no classes."""
        return super().classed(source, ())

    def windows_of(self, source: Any, every: bool) -> Raw:
        """The last window of one source, or every one."""
        return Raw(*series.read_windows(source, self.columns, last=not every))

    def arguments(self) -> dict[str, Any]:
        """A window has no padding."""
        return {"masking": False}

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        more = {
            "window": is_count,
            "horizon": is_count,
            "target_position": is_integer,
            "fill?": FILLS.__contains__,
            "known?": are_names,
        }
        return super().card_checks(said, supervised) | more


@dataclass(frozen=True)
class Panel(Series):
    """Windows of several series, each scaled by its own past: a model answers for one that it never saw too.

    Attributes:
        series: the column that says which series a row is of.
        several: how many were learnt from.
    """

    series: str = ""
    several: int = 1

    fits_int8: ClassVar[bool] = False  # whole numbers of a byte do not hold the units of series of all sizes

    def training_values(self, layers: Mapping[str, Mapping[str, Any]]) -> list[TrainingValues]:
        """Nothing: a window is scaled by its own past, so that no level is new to the model."""
        return []

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """All windows of each series, or those of its held-out part."""
        notes: list[Note] = []
        parts = {}
        for name, table in self._tables(source, notes).items():
            try:
                parts[name] = series.windows_to_score(table, self.columns)
            except ShortError as error:
                notes.append(Note(f"series {name}", "left out", str(error)))
        if not parts:
            raise InputError(f"{source}: no series is long enough; {notes[-1].reason}")
        return by_turns(parts), notes

    def windows_of(self, source: Any, every: bool) -> Raw:
        """The last window of each series of one source, or every one."""
        if isinstance(source, np.ndarray):
            return super().windows_of(source, every)
        names, inputs, errors = [], [], {}
        for name, table in self._tables(source, [], strict=every).items():
            try:
                windows = series.windows_to_ask(table, self.columns, last=not every)
            except ShortError as error:
                filler = np.full((1, self.window, len(self.features)), np.nan, np.float32)
                windows = [""], filler, {0: str(error)}
            errors |= {len(names) + at: reason for at, reason in windows[2].items()}
            names += [f"{name} {each}".rstrip() for each in windows[0]]
            inputs.append(windows[1])
        return Raw(names, np.concatenate(inputs), errors)

    def _tables(self, source: Any, notes: list[Note], *, strict: bool = True) -> dict[str, Frame]:
        frame = frames.read(source, header=self.header, text=[self.series])
        frames.require(frame, [self.series, *self.features], "what the model was trained on")
        notes += frame.notes
        when, timed = self.when.without(frame), None
        if when.column is not None:
            timed = times.of(frame, when, notes, codes_of(frame, self.series)[0])
            frame = timed.frame
        return tables_of(
            frame,
            self.series,
            timed,
            notes,
            lambda rows, at, said: series.in_order_filled(rows, at, self.features, self.fill, said, strict=strict),
        )

    # ---- training ----

    @property
    def overlap(self) -> int:
        """Windows of all series follow each other by turns."""
        return self.window * self.several

    def prepared(self, inputs: Inputs, preprocess: Any, source: Any) -> np.ndarray:
        """Each window in its own unit."""
        from zoo.arrays import apply

        return apply(preprocess, inputs)[0]

    def units(self, inputs: Inputs, preprocess: Any) -> Units:
        """Level and spread of the target in each window."""
        from zoo.arrays import apply

        unit = apply(preprocess, inputs)[1]
        return Units(unit[:, :1], unit[:, 1:])

    # ---- the exported model ----

    def restored(self, reconstructions: np.ndarray, inputs: np.ndarray | None, preprocess: Any) -> None:
        """None: a code does not tell the unit of its window."""
        return None

    @property
    def is_restored(self) -> bool:
        """See `restored`."""
        return False

    # ---- the card ----

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        return super().card_checks(said, supervised) | {"series": is_text, "several": is_count}
