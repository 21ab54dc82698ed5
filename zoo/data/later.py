"""Splits by time: the latest rows are held out, as a model predicts what comes after its training."""

from __future__ import annotations

import numpy as np

from zoo.data import frames, times
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.errors import InputError

SECONDS = 86_400  # of a day


def later_sides(
    frame: Frame, column: str, share: float, notes: list[Note], *, day_first: bool | None = None
) -> np.ndarray:
    """The side of each row, ``train`` or ``validation``, as an object array (rows,): the latest rows are held out.

    Rows of one day, or of one number as of one year, stay on one side; the share that is held out is as near to `share`
    as that allows.

    Args:
        frame: the table.
        column: of dates, or of numbers that grow with time.
        share: to hold out, in (0, 1).
        notes: one on the split is added.
        day_first: as the user says; None to decide by the dates.

    Raises:
        InputError: no such column, a time is missing or none, all rows are of one day, or the table has parts already.
    """
    import pandas as pd

    frames.require(frame, [column], "later")
    if (split := frames.split_column(frame)) is not None:
        raise InputError(f"{frame.where}: its column {split!r} says the parts already; leave later out, or remove it")
    moments = times.moments(frame, column, notes, day_first=day_first)
    numeric = pd.api.types.is_numeric_dtype(frame.values[column])
    days = moments if numeric else np.floor(moments / SECONDS)
    different, first, counts = np.unique(days, return_index=True, return_counts=True)
    if len(different) < 2:
        raise InputError(f"{frame.where}: column {column!r} has one time alone; expected an earlier and a later one")
    held = counts[::-1].cumsum()[::-1][1:]  # rows from each time on, of all times but the first
    cut = 1 + int(np.abs(held - share * len(days)).argmin())
    since = str(frame.values[column].iloc[first[cut]])
    reason = f"the rows from {since} on are held out, {held[cut - 1]:,} of {len(days):,}"
    notes.append(Note(f"column {column}", "kept", reason))
    return np.where(days >= different[cut], "validation", "train").astype(object)
