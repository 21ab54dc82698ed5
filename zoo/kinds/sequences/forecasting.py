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
from zoo.kinds.sequences.known import to_learn
from zoo.kinds.sequences.series import Timed, ends_of, in_order_filled, part_of, places, values_of
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
    fill: str | None = None,
    known: Sequence[str] = (),
) -> Data:
    """Windows of a table whose rows follow each other in time; `zoo.data.sequences` says the rest."""
    notes = list(frame.notes)
    time = time_column(frame, time, notes)
    when, timed = When(None), None
    if time is not None:
        timed = times.found(frame, time, notes, day_first=day_first)
        frame, when, time = timed.frame, timed.when, timed.when.column
    aside = [name for name in (time, frames.split_column(frame)) if name is not None]
    own = target_column(frame, target, aside)
    chosen = feature_columns(frame, own, aside, features, notes)
    known_columns = known_features(frame.where, known, own, chosen, fill)
    frame = to_learn(in_order_filled(frame, timed, chosen, fill, notes), own, known_columns, horizon)
    series = values_of(frame, chosen, when)
    ends = ends_of(frame, validation)
    constant = constant_features(frame.where, series.features, series.values[: ends["train"][1]], own, notes)
    series = without(series, constant)
    position = series.features.index(own)
    kept_known = tuple(name for name in known_columns if name in series.features)
    count = len(series.values)
    window = usual_window(horizon, count) if window is None else window
    every = part_of(series, (0, count), window, horizon, position)
    parts: dict[str, Part | None] = {"train": None, "validation": None, "test": None}
    straddling = len(every)
    for name, (start, stop) in ends.items():
        first, last = places(start, stop, window, horizon)
        if last <= first:
            raise InputError(
                f"{frame.where}: the {name} part has {stop - start} rows, too few for a window of {window} and a "
                f"horizon of {horizon}; shorten one of them"
            )
        straddling -= last - first
        parts[name] = part_of(series, (start, stop), window, horizon, position)
    if straddling:
        reason = "their targets reach over the cut between two parts"
        notes.append(Note(f"{straddling} windows", "left out", reason))

    preprocess = for_sequences(series.values[: ends["train"][1]], window)
    options = {"separator": frame.separator, "header": frame.header, "fill": fill, "known": kept_known, **when_of(when)}
    kind = Series(tuple(series.features), window, window, horizon, own, position, **options)
    task = Forecasting(tuple(f"{own} +{step}" for step in range(1, horizon + 1)))
    hasher = sha256(repr((kind.to_card(), ends, task.names)).encode())
    hasher.update("\n".join(series.names).encode("utf-8", "surrogateescape") + series.values.tobytes())
    return assembling.as_data(parts, task, preprocess, hasher.hexdigest(), frame.where, notes, kind)


def time_column(frame: Frame, time: str | None, notes: list[Note]) -> str | None:
    """The column of times that is named, or whose name says it."""
    if time is not None:
        frames.require(frame, [time], "time")
        return time
    time = next((name for name in frame.columns if name.lower() in TIMES), None)
    if time is not None:
        notes.append(Note(f"column {time}", "kept", "taken as the time, by its name"))
    return time


def target_column(frame: Frame, target: str | None, aside: Sequence[str]) -> str:
    """The column to forecast: the one that is named, or the only one of numbers that is not `aside`."""
    if target is not None:
        if not isinstance(target, str | int):
            raise InputError(f"expected the name of one target column to forecast, received {target!r}")
        return target_columns(frame, target)[0]
    numeric = [name for name in frame.columns if name not in aside and frames.numbers(frame, name, False) is not None]
    return numeric[0] if len(numeric) == 1 else target_columns(frame, None)[0]


def feature_columns(
    frame: Frame, own: str, aside: Sequence[str], wanted: Sequence[str] | None, notes: list[Note]
) -> list[str]:
    """Names of the columns that are numbers, in the order of the file."""
    if wanted is not None:
        wanted = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
        frames.require(frame, wanted, "features")
    chosen = []
    for name in frame.columns:
        if name in aside and name != own or (wanted is not None and name not in (*wanted, own)):
            continue
        if frames.numbers(frame, name) is not None:
            chosen.append(name)
        elif name == own or wanted is not None:
            value = next(iter(frame.values[name].dropna()), None)
            raise InputError(f"{frame.where}: expected a column of numbers to forecast with, {name!r} holds {value!r}")
        else:
            notes.append(Note(f"column {name}", "left out", "holds no numbers"))
    return chosen


def known_features(
    where: str, known: Sequence[str], own: str, chosen: Sequence[str], fill: str | None
) -> tuple[str, ...]:
    """The columns whose values are known ahead.

    Raises:
        InputError: one is no feature, or the target; or gaps are to be filled, which rows without a target would be.
    """
    names = (known,) if isinstance(known, str) else tuple(known)
    for name in names:
        if name == own or name not in chosen:
            others = ", ".join(each for each in chosen if each != own) or "none"
            raise InputError(
                f"{where}: expected known to name columns of numbers beside the target {own!r}, received {name!r}; "
                f"there are {others}"
            )
    if names and fill is not None:
        raise InputError("fill and known can't be given together: rows to be forecast have no target; fill gaps first")
    return names


def usual_window(horizon: int, count: int) -> int:
    """Rows to look back where none are asked for, of a series of `count` rows."""
    return max(1, min(max(WINDOW, 2 * horizon), count // 5))


def constant_features(where: str, features: Sequence[str], rows: np.ndarray, own: str, notes: list[Note]) -> np.ndarray:
    """Bool (features,), which have one value in all training rows, float32 (rows, features); they are noted.

    Raises:
        InputError: the target is among them.
    """
    constant = (rows == rows[0]).all(axis=0)
    for at in np.flatnonzero(constant):
        if features[at] == own:
            raise InputError(
                f"{where}: the target {own!r} is {rows[0, at]:g} in every training row; nothing can be learnt"
            )
        reason = f"the same value in every training row, {rows[0, at]:g}"
        notes.append(Note(f"column {features[at]}", "left out", reason))
    return constant


def without(series: Timed, out: np.ndarray) -> Timed:
    """The series without the features where `out`, bool (features,)."""
    features = [name for name, gone in zip(series.features, out, strict=True) if not gone]
    return series._replace(values=np.ascontiguousarray(series.values[:, ~out]), features=features)
