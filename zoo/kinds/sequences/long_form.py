"""Tables in which several rows are one sequence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from zoo.data import frames, times
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.parts import Part
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


def tables_of(
    frame: Frame, series: str, timed: Timed | None, notes: list[Note], ordered: Callable[..., Frame]
) -> dict[str, Frame]:
    """The rows of each series by its name, in order of time; what is said of many series is noted once.

    Args:
        frame: of all series.
        series: the column that says which a row is of.
        timed: the same with its times; None for the order of the rows.
        notes: more are added.
        ordered: of the rows of one series, the same with times, and notes, to these rows in order.

    Raises:
        InputError: as `ordered`.
    """
    codes, names = codes_of(frame, series)
    order = np.argsort(codes, kind="stable")
    tables, said = {}, []
    for name, rows in zip(names, np.split(order, np.cumsum(np.bincount(codes))[:-1]), strict=True):
        table = times.chosen(frame, rows)._replace(where=f"{frame.where}, {series} {name!r}", notes=[])
        here: list[Note] = []
        tables[name] = ordered(table, None if timed is None else Timed(table, timed.seconds[rows], timed.when), here)
        said += [(name, note) for note in here]
    alike: dict[tuple[str, str], list[tuple[str, Note]]] = {}
    for name, note in said:
        alike.setdefault((note.name, re.sub(r"\d+", "", note.reason)), []).append((name, note))
    for group in alike.values():
        (name, note), count = group[0], len(group)
        notes.append(note._replace(reason=f"in {count} of {len(names)} series, as in {name!r}: {note.reason}"))
    return tables


def by_turns(each: dict[str, Part], *, from_the_end: bool = False) -> Part:
    """The windows of several series in one part, the first of each, then the second, ..., named by series and time.

    Args:
        each: by the name of its series.
        from_the_end: the last of each come at the end together; else the first of each at the beginning.
    """
    counts = [len(part) for part in each.values()]
    turns = np.concatenate([np.arange(count) - (count if from_the_end else 0) for count in counts])
    series = [name for name, part in each.items() for _ in part.names]
    joined = Part(
        np.concatenate([part.inputs for part in each.values()]),
        np.concatenate([part.targets for part in each.values()]),
        tuple(f"{series_name} {name}" for series_name, part in each.items() for name in part.names),
        tuple(digest for part in each.values() for digest in part.digests),
        series=tuple(series),
    )
    return joined.chosen(np.argsort(turns, kind="stable"))
