"""Columns of times, dates or numbers: what they say of the order of rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.data import dates, frames
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.errors import InputError

CLOCK = r"^\s*\d{1,2}([:.])\d{2}(\1\d{2}([.,]\d+)?)?\s*([AaPp]\.?[Mm]\.?)?\s*$"  # 17:24, 18.00.00, 5:30 PM
HOURS = ("hour", "hours", "hr", "h", "stunde")  # a column of such a name may hold whole hours
DAY = 24  # hours


class When(NamedTuple):
    """How a table says when its rows were.

    Attributes:
        column: of dates or numbers; None for the order of the rows.
        clock: the column of times of day that belongs to these dates; None where they have them, or need none.
        day_first: whether days come before months, where the dates of a file do not tell.
    """

    column: str | None
    clock: str | None = None
    day_first: bool = False

    def without(self, frame: Frame) -> When:
        """The same of a table that may lack the column, whose rows then are in order."""
        return self if self.column in frame.columns else When(None)


class Timed(NamedTuple):
    """A table with its times.

    Attributes:
        frame: with times of day in the column of dates, where there is a column of such.
        seconds: float64 (rows,): numbers as they are, dates in seconds.
        when: with what its dates tell.
    """

    frame: Frame
    seconds: np.ndarray
    when: When


def found(
    frame: Frame, column: str, notes: list[Note], *, groups: np.ndarray | None = None, day_first: bool | None = None
) -> Timed:
    """The times of a table to learn from; what is decided of them is noted.

    Args:
        frame: the table.
        column: of times.
        notes: more are added.
        groups: int64 (rows,), the series of each row; None for one.
        day_first: as the user says; None to decide by the dates.

    Raises:
        InputError: a time is missing or is none, or no one order of day and month fits.
    """
    when = _with_clock(frame, When(column), groups)
    if when.clock is not None:
        notes.append(Note(f"column {when.clock}", "kept", f"times of day, joined to the dates in {when.column!r}"))
    return _timed(frame, when, notes, groups, day_first)


def of(frame: Frame, when: When, notes: list[Note], groups: np.ndarray | None = None) -> Timed:
    """The times of a table to be asked or scored, read as those of training where its dates leave a choice.

    Raises:
        InputError: as `found`, or a column is not there.
    """
    frames.require(frame, [name for name in (when.column, when.clock) if name is not None], "time")
    return _timed(frame, when, notes, groups, None)


def moments(frame: Frame, column: str, notes: list[Note], *, day_first: bool | None = None) -> np.ndarray:
    """Float64 (rows,): the numbers of a column as they are, or its dates in seconds, as `found` has them.

    Raises:
        InputError: as `found`.
    """
    return _timed(frame, When(column), notes, None, day_first).seconds


def in_order(timed: Timed, notes: list[Note], *, strict: bool = True, steps_noted: bool = True) -> Timed:
    """The rows from the first to the last time. What was moved, and steps that differ, are noted.

    Args:
        timed: of one series.
        notes: more are added.
        strict: whether each time must be there once.
        steps_noted: whether steps that differ are noted at once; else `note_steps` does it later.

    Raises:
        InputError: a time is there twice.
    """
    frame, seconds, when = timed
    steps = np.diff(seconds)
    if (steps < 0).any():
        backwards = bool((steps <= 0).all())
        order = np.argsort(seconds, kind="stable")
        how = "they come from the last to the first" if backwards else "they come in another order"
        notes.append(Note(f"column {when.column}", "kept", f"rows sorted by it: {how}, {frame.names[order[0]]} first"))
        timed = Timed(chosen(frame, order), seconds[order], when)
        frame, seconds, _ = timed
        steps = np.diff(seconds)
    if strict and (steps == 0).any():
        at = int((steps == 0).argmax()) + 1
        raise InputError(
            f"{frame.where}: {frame.names[at]}: the same time twice in column {when.column!r}, "
            f"{frame.values[when.column].iloc[at]}; expected each time once. If rows are of several series, as shops "
            "or sensors, name the column that says which: series= or --series COLUMN"
        )
    if steps_noted:
        note_steps(timed, notes)
    return timed


def note_steps(timed: Timed, notes: list[Note]) -> None:
    """Note the steps from row to row that are not the usual one."""
    frame, seconds, when = timed
    steps = np.diff(seconds)
    different, counts = np.unique(steps, return_counts=True)
    if len(different) > 1:
        usual = different[counts.argmax()]
        odd = int((steps != usual).argmax()) + 1
        irregular = f"{counts.sum() - counts.max()} of {len(steps)} steps are not the usual one, the first before "
        reason = f"{irregular}{frame.names[odd]}: a window is rows, not time"
        notes.append(Note(f"column {when.column}", "kept", reason))


def chosen(frame: Frame, rows: np.ndarray) -> Frame:
    """The rows at positions `rows`, int64."""
    return frame._replace(
        values=frame.values.iloc[rows].reset_index(drop=True), names=[frame.names[at] for at in rows.tolist()]
    )


def are_days(frame: Frame, name: str) -> bool:
    """Whether a column holds dates without times of day alone."""
    known = frame.values[name].dropna()
    return bool(len(known)) and dates.holds(known) and not bool(known.astype(str).str.contains(":").any())


def is_clock(frame: Frame, name: str) -> bool:
    """Whether a column holds times of day alone: 17:24, 18.00.00, 5:30 PM, or whole hours by its name."""
    import pandas as pd

    known = frame.values[name].dropna()
    if not len(known):
        return False
    if pd.api.types.is_numeric_dtype(known):
        hours = known.to_numpy(np.float64)
        return name.lower() in HOURS and bool(((hours >= 0) & (hours < DAY) & (hours == np.round(hours))).all())
    return not pd.api.types.is_datetime64_any_dtype(known) and bool(known.astype(str).str.match(CLOCK).all())


def _with_clock(frame: Frame, when: When, groups: np.ndarray | None) -> When:
    """With the column of times of day, where dates alone are not enough."""
    if is_clock(frame, str(when.column)):  # then the dates are beside it
        days = [name for name in frame.columns if name != when.column and dates.holds(frame.values[name])]
        if len(days) != 1:
            return when
        return when._replace(column=days[0], clock=when.column)
    column = frame.values[str(when.column)]
    if not dates.holds(column) or column.isna().any():
        return when
    repeated = column.duplicated() if groups is None else column.to_frame().assign(series=groups).duplicated()
    clocks = [name for name in frame.columns if name != when.column and repeated.any() and is_clock(frame, name)]
    return when._replace(clock=clocks[0]) if len(clocks) == 1 else when


def joined(frame: Frame, when: When) -> Frame:
    """Times of day behind the dates, in their column; theirs is left out."""
    import pandas as pd

    days, clock = frame.values[when.column], frame.values[when.clock]
    missing = (days.isna() | clock.isna()).to_numpy()
    if pd.api.types.is_datetime64_any_dtype(days):
        days = days.dt.strftime("%Y-%m-%d")
    if pd.api.types.is_numeric_dtype(clock):
        clock = pd.Series([f"{hour:02.0f}:00" for hour in clock.fillna(0)], index=clock.index)
    clock = clock.astype(str).str.strip()
    dotted = clock.str.match(r"^\d{1,2}\.\d{2}")
    clock = clock.where(~dotted, clock.str.replace(r"^(\d{1,2})\.(\d{2})(?:\.(\d{2}))?", _colons, regex=True))
    joined = (days.astype(str).str.strip() + " " + clock).astype(object)
    joined[missing] = None
    return frame._replace(values=frame.values.assign(**{str(when.column): joined}).drop(columns=[when.clock]))


def _colons(match: object) -> str:
    return ":".join(part for part in match.groups() if part)  # type: ignore[attr-defined]


def _timed(frame: Frame, when: When, notes: list[Note], groups: np.ndarray | None, day_first: bool | None) -> Timed:
    import pandas as pd

    if when.clock is not None:
        frame = joined(frame, when)
    column = frame.values[when.column]
    if pd.api.types.is_numeric_dtype(column):
        seconds = column.to_numpy(np.float64, na_value=np.nan)
    else:
        read = dates.read(
            column, where=frame.where, rows=frame.names, groups=groups, day_first=day_first, usual=when.day_first
        )
        if read.day_first is not None:
            when = when._replace(day_first=read.day_first)
            reason = read.reason or f"either could be meant; for the other give {dates.other_option(read.day_first)}"
            notes.append(Note(f"column {when.column}", "kept", f"dates as {dates.order(read.day_first)}: {reason}"))
        moments = read.moments.dt.tz_convert(None).to_numpy().astype("datetime64[ms]")
        seconds = np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1000)
    bad = ~np.isfinite(seconds)
    if bad.any():
        at = int(bad.argmax())
        raise InputError(
            f"{frame.where}: {frame.names[at]}, column {when.column!r}: expected a time, as 2024-03-31 12:00, or a "
            f"number, received {column.iloc[at]!r}"
        )
    return Timed(frame, seconds, when)
