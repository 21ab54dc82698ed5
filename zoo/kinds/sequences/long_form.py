"""Tables in which several rows are one sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.data import frames
from zoo.data.frames import Frame
from zoo.data.times import Timed
from zoo.errors import InputError


def codes_of(frame: Frame, series: str) -> tuple[np.ndarray, list[str]]:
    """The series of each row, int64, a position in their names, which are in order of appearance.

    Raises:
        InputError: that of a row is missing.
    """
    import pandas as pd

    missing = frame.values[series].isna().to_numpy()
    if missing.any():
        raise InputError(f"{frame.where}: {frame.names[int(missing.argmax())]}: the series, {series!r}, is missing")
    codes, uniques = pd.factorize(frames.strings(frame.values[series]))
    return codes, [str(name) for name in uniques]


def grouped(
    frame: Frame, series: str, timed: Timed | None, features: Sequence[str], strict: bool = True
) -> tuple[list[np.ndarray], list[str], tuple[np.ndarray, np.ndarray]]:
    """Values and name of each sequence in order of appearance; the sequence of each row, and the first row of each."""
    codes, uniques = codes_of(frame, series)
    order = np.argsort(codes, kind="stable")
    if timed is not None:
        moments = timed.seconds
        order = np.lexsort((moments, codes))
        same = (np.diff(moments[order]) == 0) & (np.diff(codes[order]) == 0)
        if same.any():
            at = order[int(same.argmax()) + 1]
            raise InputError(
                f"{frame.where}: {frame.names[at]}: series {uniques[codes[at]]!r} has the time "
                f"{timed.frame.values[timed.when.column].iloc[at]} twice"
            )
    values = np.empty((len(codes), len(features)), dtype=np.float32)
    for at, name in enumerate(features):
        column = frame.values[name]
        with np.errstate(over="ignore"):
            values[:, at] = frames.as_numbers(column)
        bad = ~np.isfinite(values[:, at])
        if strict and bad.any():
            row = int(bad.argmax())
            received = "nothing" if column.isna().iloc[row] else repr(column.iloc[row])
            raise InputError(
                f"{frame.where}: {frame.names[row]}, column {name!r}: expected a finite number, received {received}; "
                "fill the gap, or leave the column out of features="
            )
    ends = np.cumsum(np.bincount(codes))[:-1]
    _, firsts = np.unique(codes, return_index=True)
    return np.split(values[order], ends), uniques, (codes, firsts)


def one_each(frame: Frame, column: str | None, series: str, where: tuple[np.ndarray, np.ndarray]) -> Frame:
    """The first row of each sequence, `column` being the same in all of its rows."""
    codes, firsts = where
    if column is not None:
        written = frames.strings(frame.values[column])
        torn = written != written[firsts][codes]
        if torn.any():
            at = int(torn.argmax())
            name = frame.values[series].iloc[at]
            raise InputError(
                f"{frame.where}: {frame.names[at]}: expected one value of {column!r} in the series {name!r}, received "
                f"{written[firsts[codes[at]]]!r} and {written[at]!r}"
            )
    return frame._replace(values=frame.values.iloc[firsts], names=[frame.names[at] for at in firsts])
