"""Sequences to be classified, from .ts files and CSV files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from zoo.data import assembling, frames, targets, times
from zoo.data.card_checks import is_name_or_none
from zoo.data.frames import Frame
from zoo.data.kind import Raw
from zoo.data.look import Look
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.data.targets import target_columns
from zoo.data.times import Timed
from zoo.errors import InputError
from zoo.kinds.sequences import ts_files
from zoo.kinds.sequences.long_form import codes_of, grouped, one_each
from zoo.kinds.sequences.padding import digests_of, fitted
from zoo.kinds.sequences.steps import Steps
from zoo.kinds.sequences.windows import Panel, Series
from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Sequences(Steps):
    """Sequences, one an example.

    Attributes:
        target: the column that is predicted; None where files say it themselves.
        series: the column that tells which sequence a row belongs to; None of .ts files and arrays.
        time: the column that orders the rows; None for the order of the file.
        separator: of the file.
        header: whether it names its columns.
        clock: the column of times of day that belongs to dates in `time`; None where there is none.
        day_first: whether days come before months in `time`, where dates leave a choice.
        longest: steps that a model takes at most, which pads shorter ones to so many; None for any number.
    """

    target: str | None = None
    series: str | None = None
    time: str | None = None
    separator: str | None = None
    header: bool | None = None
    clock: str | None = None
    day_first: bool = False
    longest: int | None = field(default=None, compare=False)

    # ---- reading ----

    @classmethod
    def recognises(cls, look: Look) -> str | None:
        """Files of the UEA and UCR archives, and tables for which a window, a horizon or a series is given."""
        if look.name.endswith(".ts") or any(name.endswith(".ts") for name in look.top):
            return cls.name
        return cls.name if look.head is not None and look.asks("window", "horizon", "series") else None

    def raw(self, source: Any, *, every: bool = False) -> Raw:
        """Read sequences to predict.

        Args:
            source: a .ts file, a CSV file in the form the model was trained on, a data frame, an array (length,
                features) or (examples, length, features), or a list of arrays.
            every: makes no difference.

        Returns:
            float32 (examples, length, features); one that can't be used is all NaN.

        Raises:
            InputError: not of the model's features.
        """
        if isinstance(source, list | tuple) and source and all(isinstance(each, np.ndarray) for each in source):
            return self._fitted(list(source), [f"input {at}" for at in range(len(source))])
        if isinstance(source, np.ndarray):
            values = source[None] if source.ndim == 2 else source
            return self._fitted(list(values), [f"input {at}" for at in range(len(values))])
        if ts_files.is_ts(source):
            read = ts_files.read(Path(source))
            return self._fitted(read.values, read.names)
        frame = self._frame(source)
        values, names, _ = grouped(frame, self.series, self._timed(frame, []), self.features, strict=False)
        return self._fitted(values, names)

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """Read sequences to score: the test part where there is one, else the validation part, else all.

        Raises:
            InputError: as the reader, or a label that the model does not know.
        """
        notes: list[Note] = []
        if ts_files.is_ts(source):
            where = str(source)
            read = ts_files.read(Path(source))
            values, names, labels = read.values, read.names, read.labels
            sides = None if read.parts is None else np.array(read.parts, dtype=object)
            encoded = task.encode(targets.Targets.of_labels(labels, names, where))
        else:
            frame = self._frame(source)
            where, notes = frame.where, list(frame.notes)
            target = target_columns(frame, self.target)[0]
            values, names, firsts = grouped(frame, self.series, self._timed(frame, notes), self.features)
            rows = one_each(frame, target, self.series, firsts)
            encoded = targets.known_targets(rows, [target], task)
            sides = frames.sides(one_each(frame, frames.split_column(frame), self.series, firsts))
        chosen = assembling.held_out_part(sides, len(names))
        values = [values[at] for at in chosen]
        names, inputs, errors = self._fitted(values, [names[at] for at in chosen])
        notes += [Note(names[at], "left out", reason) for at, reason in errors.items()]
        good = np.array([at for at in range(len(names)) if at not in errors], dtype=np.int64)
        if not len(good):
            raise InputError(f"{where}: no sequence to score; {next(iter(errors.values()), 'it has none')}")
        kept = assembling.Rows(inputs, encoded[chosen], names, digests_of(values)).chosen(good)
        return Part(kept.inputs, kept.targets, tuple(kept.names), tuple(kept.digests)), notes

    def classed(self, source: Any, names: Sequence[str]) -> tuple[Raw, list[str] | None, list[Note]]:
        """See `Kind.classed`."""
        return super().classed(source, () if tuple(names) == (self.target,) else names)

    def _frame(self, source: Any) -> Frame:
        if self.series is None:
            raise InputError(f"{source}: the model was trained on .ts files or arrays; expected such, not a table")
        text = [name for name in (self.series, self.target) if name is not None]
        frame = frames.read(source, header=self.header, text=text)
        needed = [self.series, *self.features, *([self.time] if self.time else [])]
        frames.require(frame, needed, "what the model was trained on")
        return frame

    def _timed(self, frame: Frame, notes: list[Note]) -> Timed | None:
        if self.time is None:
            return None
        return times.of(frame, self.when, notes, codes_of(frame, str(self.series))[0])

    def _fitted(self, values: Sequence[np.ndarray], names: Sequence[str]) -> Raw:
        return Raw(list(names), *fitted(values, self.features, self.length, self.longest))

    # ---- training ----

    def network_shape(self, shape: tuple[int, ...]) -> tuple[int | None, ...]:
        """Steps are free where sequences differ."""
        return (None, *shape[1:]) if self.length is None else shape

    # ---- the exported model ----

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Steps and features."""
        return (self.length or self.longest, len(self.features))

    def of_model(self, model: keras.Model) -> Self:
        """An autoencoder takes as many steps as the longest training sequence had."""
        return replace(self, longest=model.longest) if self.length is None and hasattr(model, "longest") else self

    # ---- the card ----

    @classmethod
    def variant(cls, said: Mapping[str, Any]) -> type[Steps]:
        """A `Series` where the card has a window, a `Panel` where it names the column of several too."""
        if "window" not in said:
            return cls
        return Panel if "series" in said else Series

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        return super().card_checks(said, supervised) | {"series": is_name_or_none}
