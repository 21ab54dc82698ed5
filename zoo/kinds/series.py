"""Series to be forecast: windows of the past and the next values of one column, split by time."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from zoo.data import assembling, frames, times
from zoo.data.dataset import Data, Part
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.preprocessing import for_sequences
from zoo.data.targets import target_columns
from zoo.errors import InputError
from zoo.tasks.forecasting import Forecasting

TIMES = ("time", "date", "datetime", "timestamp")  # a column of such a name is the time, if none is named
WINDOW = 24  # rows to look back, unless asked for: a day of hours, two years of months


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
        raise InputError(
            f"the series has {len(values)} rows, and a window of {window} and a horizon of {horizon} need "
            f"{window + horizon}; shorten one of them"
        )
    values = np.ascontiguousarray(values)
    past = np.lib.stride_tricks.sliding_window_view(values[: len(values) - horizon], window, axis=0)
    future = np.lib.stride_tricks.sliding_window_view(values[window:, target_position], horizon)
    return past.transpose(0, 2, 1), np.ascontiguousarray(future)


def forecasts(
    frame: Frame,
    *,
    target: str | None,
    time: str | None,
    window: int | None,
    horizon: int,
    features: Sequence[str] | None,
    validation: float,
) -> Data:
    """Windows of a table whose rows follow each other in time; `zoo.data.sequences` says the rest."""
    notes = list(frame.notes)
    if time is None:
        time = next((name for name in frame.columns if name.lower() in TIMES), None)
        if time is not None:
            notes.append(Note(f"column {time}", "kept", "taken as the time, by its name"))
    else:
        frames.require(frame, [time], "time")
    split = frames.split_column(frame)
    own = _target(frame, target, time, split)
    series = _series(frame, _features(frame, own, time, split, features, notes), time, notes)
    ends = _ends(frame, validation)
    series = _without_constant(series, own, ends["train"][1], notes)
    position = series.features.index(own)
    count = len(series.values)
    if window is None:
        window = max(1, min(max(WINDOW, 2 * horizon), count // 5))
    inputs, targets = _windows(series, window, horizon, position)
    digests = _digests(series.values, window, len(targets))
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
    description = {
        "kind": "sequence",
        "features": series.features,
        "length": window,
        "window": window,
        "horizon": horizon,
        "target": own,
        "target_position": position,
        "time": time,
        "separator": frame.separator,
        "header": frame.header,
    }
    task = Forecasting(tuple(f"{own} +{step}" for step in range(1, horizon + 1)))
    hasher = sha256(repr((description, ends, task.names)).encode())
    hasher.update("\n".join(series.names).encode("utf-8", "surrogateescape") + series.values.tobytes())
    return assembling.as_data(parts, task, preprocess, hasher.hexdigest(), frame.where, notes, description)


def read_raw(source: Any, description: dict[str, Any]) -> tuple[list[str], np.ndarray, dict[int, str]]:
    """The last window of a series, from which the next values are predicted: see `zoo.kinds.sequences.read_raw`."""
    return _read(source, description, last=True)


def read_windows(source: Any, description: dict[str, Any]) -> tuple[list[str], np.ndarray, dict[int, str]]:
    """Every window of a series, named by its last row: else as `zoo.kinds.sequences.read_raw`.

    Raises:
        InputError: as that, or rows of a file that are not sorted by time.
    """
    return _read(source, description, last=False)


def _read(source: Any, description: dict[str, Any], *, last: bool) -> tuple[list[str], np.ndarray, dict[int, str]]:
    window, features = description["window"], description["features"]
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
    frame = frames.read(source, header=description.get("header"))
    frames.require(frame, features, "a feature the model was trained on")
    count = len(frame.names)
    if count < window:
        raise InputError(f"{frame.where} has {count} rows; the model looks back over {window}")
    time = description.get("time")
    names = list(frames.strings(frame.values[time])) if time in frame.columns else frame.names
    if not last and time in frame.columns:
        times.check(frame, time, [])
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


def _every(values: np.ndarray, window: int) -> np.ndarray:
    """All windows of float32 (series, rows, features), one series after the other: (windows, window, features)."""
    found = np.lib.stride_tricks.sliding_window_view(values, window, axis=1)
    return found.transpose(0, 1, 3, 2).reshape(-1, window, values.shape[2])


def read_labelled(source: Any, description: dict[str, Any]) -> tuple[Part, list[Note]]:
    """All windows of a series, or those of its held-out part: see `zoo.kinds.sequences.read_labelled`."""
    window, horizon = description["window"], description["horizon"]
    frame = frames.read(source, header=description.get("header"))
    frames.require(frame, description["features"], "a feature the model was trained on")
    notes = list(frame.notes)
    time = description.get("time")
    series = _series(frame, description["features"], time if time in frame.columns else None, notes)
    inputs, targets = _windows(series, window, horizon, description["target_position"])
    first, last = 0, len(targets)
    if frames.sides(frame) is not None:
        ends = _ends(frame, 0.5)
        start, stop = ends.get("test") or ends.get("validation") or (0, len(series.values))
        first, last = max(start - window, 0), stop - horizon - window + 1
        if last <= first:
            raise InputError(f"{frame.where}: the held-out part is shorter than the horizon of {horizon}")
    digests = _digests(series.values, window, len(targets))[first:last]
    return Part(
        inputs[first:last], targets[first:last], tuple(series.names[first + window : last + window]), tuple(digests)
    ), notes


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


def _series(frame: Frame, features: Sequence[str], time: str | None, notes: list[Note]) -> Timed:
    values = np.empty((len(frame.names), len(features)), dtype=np.float32)
    for at, name in enumerate(features):
        found = frames.as_numbers(frame.values[name])
        with np.errstate(over="ignore"):
            values[:, at] = found
        bad = ~np.isfinite(values[:, at])
        if bad.any():
            row = int(bad.argmax())
            cell = frame.values[name].iloc[row]
            what = "nothing" if frame.values[name].isna().iloc[row] else repr(cell)
            raise InputError(
                f"{frame.where}: {frame.names[row]}, column {name!r}: expected a finite number, received {what}; fill "
                "the gap, or leave the column out of features="
            )
    names = frame.names
    if time is not None:
        names = list(frames.strings(frame.values[time]))
        times.check(frame, time, notes)
    return Timed(values, list(features), names, frame.names, frame.where)


def _ends(frame: Frame, validation: float) -> dict[str, tuple[int, int]]:
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


def _windows(series: Timed, window: int, horizon: int, position: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        return windows(series.values, window, horizon, position)
    except InputError as error:
        raise InputError(f"{series.where}: {error}") from error


def _digests(values: np.ndarray, window: int, count: int) -> list[str]:
    width = values.shape[1] * values.itemsize
    content = memoryview(np.ascontiguousarray(values)).cast("B")
    return [sha256(content[at : at + window * width]).hexdigest() for at in range(0, count * width, width)]
