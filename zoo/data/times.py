"""Columns of times: dates or numbers."""

from __future__ import annotations

import numpy as np

from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.errors import InputError


def seconds(frame: Frame, time: str) -> np.ndarray:
    """A column of times as float64 (rows,): numbers as they are, dates in seconds.

    Raises:
        InputError: one is missing or neither.
    """
    import pandas as pd

    column = frame.values[time]
    if pd.api.types.is_numeric_dtype(column):
        moments = column.to_numpy(np.float64, na_value=np.nan)
    else:
        parsed = pd.to_datetime(column, errors="coerce", utc=True)
        if parsed.isna().any():
            parsed = pd.to_datetime(column, errors="coerce", utc=True, format="mixed")
        moments = parsed.dt.tz_convert(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
        moments = np.where(parsed.isna(), np.nan, moments / 1000)
    bad = ~np.isfinite(moments)
    if bad.any():
        at = int(bad.argmax())
        raise InputError(
            f"{frame.where}: {frame.names[at]}, column {time!r}: expected a time, as 2024-03-31 12:00, or a number, "
            f"received {column.iloc[at]!r}"
        )
    return moments


def check(frame: Frame, time: str, notes: list[Note]) -> None:
    """Raise an InputError where times are not read, not in order or twice there; note where their steps differ."""
    steps = np.diff(seconds(frame, time))
    for bad, what in ((steps == 0, "the same time twice"), (steps < 0, "a time before that of the row above")):
        if bad.any():
            at = int(bad.argmax()) + 1
            raise InputError(
                f"{frame.where}: {frame.names[at]}: {what} in column {time!r}, {frame.values[time].iloc[at]}; "
                "expected rows sorted by time, each time once"
            )
    different, counts = np.unique(steps, return_counts=True)
    if len(different) > 1:
        usual = different[counts.argmax()]
        odd = int((steps != usual).argmax()) + 1
        irregular = f"{counts.sum() - counts.max()} of {len(steps)} steps are not the usual one, the first before "
        notes.append(Note(f"column {time}", "kept", f"{irregular}{frame.names[odd]}: a window is rows, not time"))
