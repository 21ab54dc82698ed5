"""Series: rows in the order of time, their windows, and what follows each of these."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from zoo.data import frames, times
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.data.times import When
from zoo.errors import InputError
from zoo.kinds.sequences import gaps, known
from zoo.kinds.sequences.known import ShortError


class Columns(NamedTuple):
    """What a model of windows takes of a table; the fields are those of `zoo.kinds.sequences.windows.Series`."""

    features: Sequence[str]
    target: str
    window: int
    horizon: int
    when: When
    header: bool | None
    fill: str | None = None
    known: Sequence[str] = ()

    @property
    def position(self) -> int:
        """Of the target among the features."""
        return list(self.features).index(self.target)


class Timed(NamedTuple):
    """A series in order.

    Attributes:
        values: float32 (rows, features).
        features: names of its columns.
        names: of the rows: the time as written, or the line in the file.
        lines: of the rows, for messages.
        where: the file.
    """

    values: np.ndarray
    features: list[str]
    names: list[str]
    lines: list[str]
    where: str


def windows(values: np.ndarray, window: int, horizon: int, target_position: int) -> tuple[np.ndarray, np.ndarray]:
    """Every window of a series, and what follows it.

    Args:
        values: float32 (time, features).
        window: rows to look back, at least 1.
        horizon: values to predict, at least 1.
        target_position: the feature that is predicted.

    Returns:
        inputs float32 (windows, window, features), a view of `values` that is not to be written to; targets float32
        (windows, horizon). The first target of window i is row i + window.

    Raises:
        InputError: the series is shorter than window and horizon together.
    """
    if window < 1 or horizon < 1:
        raise InputError(f"expected window and horizon of 1 at least, received {window} and {horizon}")
    if len(values) < window + horizon:
        raise ShortError(
            f"the series has {len(values)} rows, and a window of {window} and a horizon of {horizon} need "
            f"{window + horizon}; shorten one of them"
        )
    values = np.ascontiguousarray(values)
    past = np.lib.stride_tricks.sliding_window_view(values[: len(values) - horizon], window, axis=0)
    future = np.lib.stride_tricks.sliding_window_view(values[window:, target_position], horizon)
    return past.transpose(0, 2, 1), np.ascontiguousarray(future)


def _every(values: np.ndarray, window: int) -> np.ndarray:
    """All windows of float32 (series, rows, features), one series after the other: (windows, window, features)."""
    windows = np.lib.stride_tricks.sliding_window_view(values, window, axis=1)
    return windows.transpose(0, 1, 3, 2).reshape(-1, window, values.shape[2])


def read_windows(source: Any, columns: Columns, *, last: bool) -> tuple[list[str], np.ndarray, dict[int, str]]:
    """Windows of a series to predict from.

    Args:
        source: a CSV file or data frame, or an array (rows, features) or (series, rows, features).
        columns: that a model takes.
        last: the last window of a series alone; else every one, each named by its last row.

    Returns:
        names; inputs float32 (windows, window, features); and why one can't be used, by its position.

    Raises:
        InputError: a feature is not there, the series is shorter than the window, a time is none, or there twice
            where every window is read.
    """
    features, window = columns.features, columns.window
    if isinstance(source, np.ndarray):
        values = source[None] if source.ndim == 2 else source
        if values.ndim != 3 or values.shape[1] < window or values.shape[2] != len(features):
            raise InputError(
                f"expected an array (rows, {len(features)}) of {window} rows at least, or several of them, "
                f"received {source.shape}"
            )
        values = values[:, -window:] if last else values
        inputs = _every(values.astype(np.float32), window)
        bad = ~np.isfinite(inputs).all(axis=(1, 2))
        errors = {int(at): "expected finite numbers, received NaN or infinity" for at in np.flatnonzero(bad)}
        ends = range(window, values.shape[1] + 1)
        names = [f"input {at}" + (f", row {end}" if len(ends) > 1 else "") for at in range(len(values)) for end in ends]
        return names, inputs, errors
    frame = frames.read(source, header=columns.header)
    frames.require(frame, features, "a feature the model was trained on")
    return windows_to_ask(ordered(frame, columns, [], strict=not last), columns, last=last)


def windows_to_ask(frame: Frame, columns: Columns, *, last: bool) -> tuple[list[str], np.ndarray, dict[int, str]]:
    """The same of a table whose rows are in order."""
    features, window, when = columns.features, columns.window, columns.when
    frame = known.to_ask(frame, columns.target, columns.known, columns.horizon, last=last)
    count = len(frame.names)
    if count < window:
        raise ShortError(f"{frame.where} has {count} rows; the model looks back over {window}")
    names = names_of(frame, when)
    first = count - window if last else 0
    values = np.empty((count - first, len(features)), dtype=np.float32)
    errors = {}
    for at, name in enumerate(features):
        column = frame.values[name].iloc[first:]
        with np.errstate(over="ignore"):
            values[:, at] = frames.as_numbers(column)
        for row in np.flatnonzero(~np.isfinite(values[:, at])):
            reason = f"{frame.names[first + row]}, column {name!r}: expected a number, received {column.iloc[row]!r}"
            for end in range(max(row - window + 1, 0), min(row, len(values) - window) + 1):
                errors.setdefault(end, reason)
    if last and errors:
        values[:] = np.nan
    return names[first + window - 1 :], _every(values[None], window), errors


def read_part(source: Any, columns: Columns) -> tuple[Part, list[Note]]:
    """All windows of a series with their targets, or those of its held-out part.

    Args:
        source: a CSV file or data frame.
        columns: that a model takes.

    Raises:
        InputError: a feature is not there, or a part is shorter than the horizon.
    """
    frame = frames.read(source, header=columns.header)
    frames.require(frame, columns.features, "a feature the model was trained on")
    notes = list(frame.notes)
    frame = ordered(frame, columns, notes)
    return windows_to_score(frame, columns), notes


def windows_to_score(frame: Frame, columns: Columns) -> Part:
    """The same of a table whose rows are in order."""
    frame = known.to_learn(frame, columns.target, columns.known, columns.horizon)
    series = values_of(frame, columns.features, columns.when)
    every = part_of(series, (0, len(series.values)), columns.window, columns.horizon, columns.position)
    if frames.sides(frame) is None:
        return every
    ends = ends_of(frame, 0.5)
    start, stop = ends.get("test") or ends.get("validation") or (0, len(series.values))
    first, last = places(start, stop, columns.window, columns.horizon)
    if last <= first:
        raise ShortError(f"{frame.where}: the held-out part is shorter than the horizon of {columns.horizon}")
    return every.chosen(np.arange(first, last))


def places(start: int, stop: int, window: int, horizon: int) -> tuple[int, int]:
    """The first window whose targets lie in the rows from `start` to `stop`, and the one after the last."""
    return max(start - window, 0), stop - horizon - window + 1


def part_of(series: Timed, ends: tuple[int, int], window: int, horizon: int, position: int) -> Part:
    """The windows whose targets lie between `ends`, two rows; errors name the file."""
    inputs, targets = windows_of(series, window, horizon, position)
    first, last = places(*ends, window, horizon)
    digests = digests_of(series.values, window, len(targets))[first:last]
    names = tuple(series.names[first + window : last + window])
    return Part(inputs[first:last], targets[first:last], names, tuple(digests))


def ordered(frame: Frame, columns: Columns, notes: list[Note], *, strict: bool = True) -> Frame:
    """The rows in order of time, where the table has times, without gaps; see `in_order_filled`."""
    when = columns.when.without(frame)
    timed = None if when.column is None else times.of(frame, when, notes)
    return in_order_filled(frame, timed, columns.features, columns.fill, notes, strict=strict)


def in_order_filled(
    frame: Frame,
    timed: times.Timed | None,
    features: Sequence[str],
    fill: str | None,
    notes: list[Note],
    *,
    strict: bool = True,
) -> Frame:
    """`zoo.data.times.in_order` of one series, then `zoo.kinds.sequences.gaps.filled`, where that is asked for.

    Args:
        frame: the series.
        timed: the same with its times; None for the order of the rows.
        features: columns of numbers.
        fill: how gaps are filled; None to leave them.
        notes: more are added.
        strict: whether a time must be there once.

    Raises:
        InputError: a time is there twice, or too many are missing.
    """
    when, seconds = When(None), None
    if timed is not None:
        frame, seconds, when = times.in_order(timed, notes, strict=strict, steps_noted=False)
    if fill is not None:
        frame, seconds = gaps.filled(frame, seconds, when, features, fill, notes)
    if seconds is not None:
        times.note_steps(times.Timed(frame, seconds, when), notes)
    return frame


def names_of(frame: Frame, when: When) -> list[str]:
    """Of each row the time as written, else its line in the file."""
    return list(frames.strings(frame.values[when.column])) if when.column in frame.columns else frame.names


def values_of(frame: Frame, features: Sequence[str], when: When) -> Timed:
    """Columns of a table, whose rows are in order, as a series.

    Raises:
        InputError: a value is missing or infinite.
    """
    values = np.empty((len(frame.names), len(features)), dtype=np.float32)
    for at, name in enumerate(features):
        numbers = frames.as_numbers(frame.values[name])
        with np.errstate(over="ignore"):
            values[:, at] = numbers
        bad = ~np.isfinite(values[:, at])
        if bad.any():
            row = int(bad.argmax())
            cell = frame.values[name].iloc[row]
            what = "nothing" if frame.values[name].isna().iloc[row] else repr(cell)
            raise InputError(
                f"{frame.where}: {frame.names[row]}, column {name!r}: expected a finite number, received {what}; fill "
                "the gap (fill= or --fill previous or zero), or leave the column out of features="
            )
    return Timed(values, list(features), names_of(frame, when), frame.names, frame.where)


def ends_of(frame: Frame, validation: float) -> dict[str, tuple[int, int]]:
    """First row and the row after the last of each part."""
    count = len(frame.names)
    sides = frames.sides(frame)
    if sides is None:
        cut = round(count * (1 - validation))
        return {"train": (0, cut), "validation": (cut, count)}
    ends: dict[str, tuple[int, int]] = {}
    changes = [0, *(np.flatnonzero(sides[1:] != sides[:-1]) + 1).tolist(), count]
    for start, stop in zip(changes, changes[1:], strict=False):
        if sides[start] in ends:
            raise InputError(
                f"{frame.where}: {frame.names[start]}: expected each part of split in one piece of time, "
                f"{sides[start]!r} begins again"
            )
        ends[sides[start]] = (start, stop)
    if list(ends) not in (["train", "validation"], ["train", "test"], ["train", "validation", "test"]):
        raise InputError(f"{frame.where}: expected the parts train, val and test in this order, received {list(ends)}")
    return ends


def windows_of(series: Timed, window: int, horizon: int, position: int) -> tuple[np.ndarray, np.ndarray]:
    """`windows` of a series; its errors name the file."""
    try:
        return windows(series.values, window, horizon, position)
    except InputError as error:
        raise type(error)(f"{series.where}: {error}") from error


def digests_of(values: np.ndarray, window: int, count: int) -> list[str]:
    """Sha256 of each of the first `count` windows of float32 (rows, features)."""
    width = values.shape[1] * values.itemsize
    content = memoryview(np.ascontiguousarray(values)).cast("B")
    return [sha256(content[at : at + window * width]).hexdigest() for at in range(0, count * width, width)]
