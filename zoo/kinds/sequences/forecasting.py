"""Reading of a series to be forecast: windows of the past and the next values of one column, split by time."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from zoo.data import assembling, frames, times
from zoo.data.dataset import Data
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.data.preprocessing import for_sequences
from zoo.data.targets import target_columns
from zoo.data.times import When
from zoo.errors import InputError
from zoo.kinds.sequences.series import Timed, digests_of, ends_of, values_of, windows_of
from zoo.kinds.sequences.steps import when_of
from zoo.kinds.sequences.windows import Series
from zoo.tasks.forecasting import Forecasting

TIMES = ("time", "date", "datetime", "timestamp")  # a column of such a name is the time, if none is named
WINDOW = 24  # rows to look back, by default: a day of hours, two years of months


def forecasts(
    frame: Frame,
    *,
    target: str | None,
    time: str | None,
    window: int | None,
    horizon: int,
    features: Sequence[str] | None,
    validation: float,
    day_first: bool | None = None,
) -> Data:
    """Windows of a table whose rows follow each other in time; `zoo.data.sequences` says the rest."""
    notes = list(frame.notes)
    time = _time(frame, time, notes)
    when = When(None)
    if time is not None:
        timed = times.in_order(times.found(frame, time, notes, day_first=day_first), notes)
        frame, when, time = timed.frame, timed.when, timed.when.column
    split = frames.split_column(frame)
    own = _target(frame, target, time, split)
    series = values_of(frame, _features(frame, own, time, split, features, notes), when)
    ends = ends_of(frame, validation)
    series = _without_constant(series, own, ends["train"][1], notes)
    position = series.features.index(own)
    count = len(series.values)
    if window is None:
        window = max(1, min(max(WINDOW, 2 * horizon), count // 5))
    inputs, targets = windows_of(series, window, horizon, position)
    digests = digests_of(series.values, window, len(targets))
    parts: dict[str, Part | None] = {"train": None, "validation": None, "test": None}
    straddling = len(targets)
    for name, (start, stop) in ends.items():
        first, last = max(start - window, 0), stop - horizon - window + 1
        if last <= first:
            raise InputError(
                f"{frame.where}: the {name} part has {stop - start} rows, too few for a window of {window} and a "
                f"horizon of {horizon}; shorten one of them"
            )
        straddling -= last - first
        here = slice(first, last)
        names = tuple(series.names[first + window : last + window])
        parts[name] = Part(inputs[here], targets[here], names, tuple(digests[here]))
    if straddling:
        reason = "their targets reach over the cut between two parts"
        notes.append(Note(f"{straddling} windows", "left out", reason))

    preprocess = for_sequences(series.values[: ends["train"][1]], window)
    options = {"separator": frame.separator, "header": frame.header, **when_of(when)}
    kind = Series(tuple(series.features), window, window, horizon, own, position, **options)
    task = Forecasting(tuple(f"{own} +{step}" for step in range(1, horizon + 1)))
    hasher = sha256(repr((kind.to_card(), ends, task.names)).encode())
    hasher.update("\n".join(series.names).encode("utf-8", "surrogateescape") + series.values.tobytes())
    return assembling.as_data(parts, task, preprocess, hasher.hexdigest(), frame.where, notes, kind)


def _time(frame: Frame, time: str | None, notes: list[Note]) -> str | None:
    """The column of times that is named, or whose name says it."""
    if time is not None:
        frames.require(frame, [time], "time")
        return time
    time = next((name for name in frame.columns if name.lower() in TIMES), None)
    if time is not None:
        notes.append(Note(f"column {time}", "kept", "taken as the time, by its name"))
    return time


def _target(frame: Frame, target: str | None, time: str | None, split: str | None) -> str:
    if target is not None:
        if not isinstance(target, str | int):
            raise InputError(f"expected the name of one target column to forecast, received {target!r}")
        return target_columns(frame, target)[0]
    numeric = [
        name for name in frame.columns if name not in (time, split) and frames.numbers(frame, name, False) is not None
    ]
    return numeric[0] if len(numeric) == 1 else target_columns(frame, None)[0]


def _features(
    frame: Frame, own: str, time: str | None, split: str | None, wanted: Sequence[str] | None, notes: list[Note]
) -> list[str]:
    """Names of the columns that are numbers, in the order of the file."""
    if wanted is not None:
        wanted = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
        frames.require(frame, wanted, "features")
    chosen = []
    for name in frame.columns:
        if name in (time, split) and name != own or (wanted is not None and name not in (*wanted, own)):
            continue
        if frames.numbers(frame, name) is not None:
            chosen.append(name)
        elif name == own or wanted is not None:
            value = next(iter(frame.values[name].dropna()), None)
            raise InputError(f"{frame.where}: expected a column of numbers to forecast with, {name!r} holds {value!r}")
        else:
            notes.append(Note(f"column {name}", "left out", "holds no numbers"))
    return chosen


def _without_constant(series: Timed, own: str, stop: int, notes: list[Note]) -> Timed:
    constant = (series.values[:stop] == series.values[0]).all(axis=0)
    if constant[series.features.index(own)]:
        raise InputError(
            f"{series.where}: the target {own!r} is {series.values[0, series.features.index(own)]:g} in "
            "every training row; nothing can be learnt"
        )
    for at in np.flatnonzero(constant):
        reason = f"the same value in every training row, {series.values[0, at]:g}"
        notes.append(Note(f"column {series.features[at]}", "left out", reason))
    features = [name for name, out in zip(series.features, constant, strict=True) if not out]
    return series._replace(values=np.ascontiguousarray(series.values[:, ~constant]), features=features)
