"""Several series in one table: read for one model of all, each split by time."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from zoo.data import assembling, frames, times
from zoo.data.dataset import Data
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.data.preprocessing import for_windows
from zoo.data.times import When
from zoo.errors import InputError
from zoo.kinds.sequences.forecasting import (
    constant_features,
    feature_columns,
    known_features,
    target_column,
    time_column,
    usual_window,
    without,
)
from zoo.kinds.sequences.known import to_learn
from zoo.kinds.sequences.long_form import by_turns, codes_of, tables_of
from zoo.kinds.sequences.series import Timed, ends_of, in_order_filled, part_of, places, values_of
from zoo.kinds.sequences.steps import when_of
from zoo.kinds.sequences.windows import Panel
from zoo.tasks.forecasting import Forecasting

PARTS = ("train", "validation", "test")


def forecasts_of_several(
    frame: Frame,
    *,
    series: str,
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
    """Windows of the series in a table, each held out by time; `zoo.data.sequences` says the rest.

    Training windows are by turns of each series, the last of all at the end, so that the last share of them is the
    last share of the time of each. Those held out begin with the first of each.
    """
    notes = list(frame.notes)
    frames.require(frame, [series], "series")
    time = time_column(frame, time, notes)
    timed, when = None, When(None)
    if time is not None:
        timed = times.found(frame, time, notes, groups=codes_of(frame, series)[0], day_first=day_first)
        frame, when = timed.frame, timed.when
    aside = [name for name in (series, when.column, frames.split_column(frame)) if name is not None]
    own = target_column(frame, target, aside)
    chosen = feature_columns(frame, own, aside, features, notes)
    known_columns = known_features(frame.where, known, own, chosen, fill)

    def ordered(rows: Frame, timed_rows: times.Timed | None, said: list[Note]) -> Frame:
        rows = in_order_filled(rows, timed_rows, chosen, fill, said)
        return to_learn(rows, own, known_columns, horizon)

    tables = tables_of(frame, series, timed, notes, ordered)
    every = {name: values_of(table, chosen, when) for name, table in tables.items()}
    ends = {name: ends_of(table, validation) for name, table in tables.items()}
    if window is None:
        window = usual_window(horizon, int(np.median([len(each.values) for each in every.values()])))
    names = _long_enough(frame.where, every, ends, window, horizon, notes)

    rows = np.concatenate([every[name].values[: ends[name]["train"][1]] for name in names])
    constant = constant_features(frame.where, chosen, rows, own, notes)
    every = {name: without(every[name], constant) for name in names}
    kept = every[names[0]].features
    position = kept.index(own)
    parts: dict[str, Part | None] = dict.fromkeys(PARTS)
    for part in PARTS:
        each = {
            name: part_of(every[name], ends[name][part], window, horizon, position)
            for name in names
            if part in ends[name]
        }
        parts[part] = by_turns(each, from_the_end=part == "train") if each else None
    held = sum(len(part) for part in parts.values() if part is not None)
    straddling = sum(len(each.values) - window - horizon + 1 for each in every.values()) - held
    if straddling:
        notes.append(Note(f"{straddling} windows", "left out", "their targets reach over the cut between two parts"))

    options = {"separator": frame.separator, "header": frame.header, "fill": fill, **when_of(when)}
    options["known"] = tuple(name for name in known_columns if name in kept)
    kind = Panel(tuple(kept), window, window, horizon, own, position, **options, series=series, several=len(names))
    task = Forecasting(tuple(f"{own} +{step}" for step in range(1, horizon + 1)), series=len(names))
    hasher = sha256(repr((kind.to_card(), [ends[name] for name in names], task.names, names)).encode())
    for name in names:
        hasher.update("\n".join(every[name].names).encode("utf-8", "surrogateescape") + every[name].values.tobytes())
    preprocess = for_windows(rows[:, ~constant], window, position)
    return assembling.as_data(parts, task, preprocess, hasher.hexdigest(), frame.where, notes, kind)


def _long_enough(
    where: str,
    every: dict[str, Timed],
    ends: dict[str, dict[str, tuple[int, int]]],
    window: int,
    horizon: int,
    notes: list[Note],
) -> list[str]:
    """Names of the series that have a window in each of their parts; the others are noted."""

    def has_windows(name: str) -> bool:
        cuts = [places(*each, window, horizon) for each in ends[name].values()]
        return all(last > first for first, last in cuts)

    names = [name for name in every if has_windows(name)]
    short = [name for name in every if name not in set(names)]
    reason = f"too few rows for a window of {window} and a horizon of {horizon} in each part"
    if not names:
        longest = max(len(each.values) for each in every.values())
        raise InputError(
            f"{where}: all {len(every)} series have {reason}, the longest {longest} rows; shorten one of them"
        )
    if short:
        some = ", ".join(f"{name!r} with {len(every[name].values)}" for name in short[:3])
        notes.append(
            Note(f"{len(short)} series", "left out", f"{reason}, as {some}; they can be forecast all the same")
        )
    return names
