"""Gaps in a series: cells without a value, and times without a row, filled from what came before alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zoo.data import frames
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.times import When
from zoo.errors import InputError

OFF = 0.01  # of the usual step: so much a gap may be from whole steps


def _previous(values: np.ndarray) -> np.ndarray:
    """The last value again; what comes before the first one stays NaN."""
    known = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(known < 0, np.nan, values[known])


def _zero(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=0.0)


# None looks ahead: a value from after the cut would be in the training part, and a request has nothing after its end.
FILLS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "previous": ("by the value before", _previous),
    "zero": ("by 0", _zero),
}


def check(fill: str | None) -> None:
    """Raise an InputError where there is no such way to fill gaps."""
    if fill is not None and fill not in FILLS:
        raise InputError(f"expected fill to be {' or '.join(FILLS)}, received {fill!r}")


def filled(
    frame: Frame, seconds: np.ndarray | None, when: When, features: Sequence[str], fill: str, notes: list[Note]
) -> tuple[Frame, np.ndarray | None]:
    """A table with a row for each time that is missing, and a value in each cell of `features` that has none.

    Args:
        frame: of one series, in order.
        seconds: of its rows; None where it has no times, and so no missing rows.
        when: how rows say when they were.
        features: columns of numbers.
        fill: a key of `FILLS`.
        notes: more are added.

    Returns:
        the table, and the seconds of its rows.

    Raises:
        InputError: more rows would be added than there are.
    """
    how, function = FILLS[fill]
    if seconds is not None:
        frame, seconds = _with_missing_rows(frame, seconds, when, features, notes)
    columns = {}
    for name in features:
        column = frame.values[name]
        values = frames.as_numbers(column)
        missing = np.isnan(values) & ~frames.not_numbers(column, values)
        found = function(np.where(missing, np.nan, values)) if missing.any() else values
        count = int((missing & ~np.isnan(found)).sum())
        if count:
            columns[name] = np.where(missing, found, values)
            notes.append(Note(f"column {name}", "kept", f"{count} missing values filled {how}"))
    return frame._replace(values=frame.values.assign(**columns)) if columns else frame, seconds


def _with_missing_rows(
    frame: Frame, seconds: np.ndarray, when: When, features: Sequence[str], notes: list[Note]
) -> tuple[Frame, np.ndarray]:
    import pandas as pd

    steps = np.diff(seconds)
    if not len(steps) or not (steps > 0).any():
        return frame, seconds
    different, counts = np.unique(steps[steps > 0], return_counts=True)
    usual = different[counts.argmax()]
    whole = np.round(steps / usual)
    lacking = np.where((whole > 1) & (np.abs(steps / usual - whole) < OFF * whole), whole - 1, 0).astype(np.int64)
    count = int(lacking.sum())
    if not count:
        return frame, seconds
    first = int((lacking > 0).argmax())
    if count > len(seconds):
        raise InputError(
            f"{frame.where}: {count:,} rows are missing in {len(seconds):,} for steps of {usual:g}"
            f"{'' if pd.api.types.is_numeric_dtype(frame.values[when.column]) else ' seconds'}, the first after "
            f"{frame.names[first]}: too many to fill; leave fill out, or give a table of larger steps"
        )
    source = np.repeat(np.arange(len(seconds)), np.append(lacking, 0) + 1)
    number = np.arange(len(source)) - np.searchsorted(source, source)  # 0 for a row of the table, then 1, 2, ...
    added = number > 0
    times = seconds[source] + number * usual
    values = frame.values.iloc[source].reset_index(drop=True)
    written = values[when.column]
    if not pd.api.types.is_numeric_dtype(written):
        moments = pd.to_datetime(times[added], unit="s")
        plain = bool((moments == moments.normalize()).all())
        texts = [str(moment.date() if plain else moment) for moment in moments]
        values[when.column] = written.astype(object)
        values.loc[added, when.column] = pd.Series(texts, index=np.flatnonzero(added), dtype=object)
    else:
        values[when.column] = times
    for name in features:
        values[name] = values[name].mask(added)
    names = [
        frame.names[at] if not extra else f"the row added after {frame.names[at]}"
        for at, extra in zip(source, added, strict=True)
    ]
    notes.append(
        Note(
            f"column {when.column}",
            "kept",
            f"{count} rows added for times that are missing, the first after {frame.names[first]}",
        )
    )
    return frame._replace(values=values, names=names), times
