"""Sequences: to be classified, from .ts files and CSV files, or to be forecast, from CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data import assembling, frames, targets, times
from zoo.data.dataset import Data
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.data.preprocessing import for_sequences, unvarying
from zoo.data.times import When
from zoo.errors import InputError
from zoo.kinds.sequences import gaps, ts_files
from zoo.kinds.sequences.forecasting import forecasts
from zoo.kinds.sequences.kind import Sequences
from zoo.kinds.sequences.long_form import codes_of, grouped, one_each
from zoo.kinds.sequences.padding import digests_of, padded
from zoo.kinds.sequences.several import forecasts_of_several
from zoo.kinds.sequences.steps import when_of
from zoo.tasks.classification import Classification
from zoo.tasks.regression import Regression
from zoo.tasks.task import Task


def sequences(
    source: Any,
    *,
    target: str | None = None,
    series: str | None = None,
    time: str | None = None,
    window: int | None = None,
    horizon: int | None = None,
    features: Sequence[str] | None = None,
    header: bool | None = None,
    day_first: bool | None = None,
    fill: str | None = None,
    known: str | Sequence[str] = (),
    seed: int = 0,
    validation: float = 0.2,
) -> Data:
    """Read sequences.

    Four forms are recognised. A .ts file of the UEA and UCR archives, or a folder with NAME_TRAIN.ts and
    NAME_TEST.ts: a class for each sequence. A CSV file with `series`: rows with the same value there are one sequence,
    `target` being constant in it. A CSV file without: the rows follow each other in time, and the next `horizon`
    values of `target` are predicted from the last `window` rows; the last part of the time is held out, or what a
    column ``split`` says. There, windows may look back over the cut, but no training target lies beyond it, and
    normalisation knows only the training rows. A CSV file with `series` and with `window` or `horizon`: the same of
    several series, as shops or sensors. One model learns from all, each window scaled by its own past, so that it
    forecasts one that it never saw too; the last part of each is held out.

    Args:
        source: the file or folder, or a data frame.
        target: the column to predict; by default the one named target, label, class or y, for forecasts also the only
            one of numbers.
        series: the column that tells which sequence, or which of several series, a row belongs to.
        time: the column that orders the rows; for forecasts one named time, date, datetime or timestamp is taken by
            itself. Dates or numbers, each once. A column of times of day beside dates that are there several times is
            joined to them.
        window: rows to look back; by default 24 or twice the horizon, and at most a fifth of the rows, of several
            series of those of the middle one.
        horizon: values to predict, 1 by default.
        features: columns to learn from; by default all of numbers. A forecast's target is always among them.
        header: whether a file names its columns; seen from the first row by default. If not, they are "0", "1", ...
        day_first: whether dates as 01/02/2024 have the day first; seen from the whole column by default.
        fill: of a forecast, how rows for missing times and cells without a value are filled: previous, by the value
            before, or zero. By default a missing value is refused, and steps that differ are noted.
        known: of a forecast, the features whose values are known ahead, as holidays or prices; several in a list, or
            with commas between. A file to predict from has them in `horizon` further rows, which have no target.
        seed: of the split of sequences.
        validation: share held out where no split is given, in (0, 1).

    Returns:
        `Data` of float32 (examples, length, features), in raw units; rows of NaN follow a shorter sequence.

    Raises:
        InputError: a value that is missing or infinite, a series shorter than window and horizon together, a class
            with one sequence, a time that is none or there twice.
    """
    assembling.check_share(validation)
    if ts_files.is_ts(source):
        given = {"target": target, "series": series, "time": time, "window": window, "features": features}
        given |= {"day_first": day_first, "fill": fill, "known": known or None}
        used = [name for name, value in given.items() if value is not None]
        if used:
            raise InputError(f"{source}: .ts files say themselves what the target is; leave out {', '.join(used)}")
        return _from_ts(Path(source), seed, validation)
    ahead = window is not None or horizon is not None
    gaps.check(fill)
    if (fill is not None or known) and series is not None and not ahead:
        raise InputError(
            "fill and known are for forecasts, with window or horizon; sequences with a class are taken as they are"
        )
    frame = frames.read(source, header=header, text=[series] if series is not None and ahead else ())
    if series is None or ahead:
        options = {"target": target, "time": time, "window": window, "features": features, "day_first": day_first}
        known = (
            [name.strip() for name in known.split(",")]
            if isinstance(known, str) and known not in frame.columns
            else known
        )
        options |= {
            "fill": fill,
            "known": [known] if isinstance(known, str) else known,
            "horizon": 1 if horizon is None else horizon,
            "validation": validation,
        }
        return forecasts(frame, **options) if series is None else forecasts_of_several(frame, series=series, **options)
    frames.require(frame, [series], "series")
    if time is not None:
        frames.require(frame, [time], "time")
    return _from_rows(frame, target, series, time, features, day_first, seed, validation)


def assemble(
    values: Sequence[np.ndarray],
    wanted: np.ndarray,
    names: list[str],
    task: Task,
    *,
    source: str | Path,
    sides: np.ndarray | None,
    notes: list[Note],
    kind: Sequences,
    seed: int,
    validation: float,
) -> Data:
    """`Data` of sequences, each float32 (length, features); the rest as `zoo.data.assembling.assemble`."""
    inputs = padded(values)
    length = inputs.shape[1] if len({len(each) for each in values}) == 1 else None

    def preprocess(part: Part) -> Any:
        rows = part.inputs.reshape(-1, part.inputs.shape[2])
        rows = rows[~np.isnan(rows).all(axis=1)]
        notes.extend(unvarying(rows, kind.features))
        return for_sequences(rows, length)

    return assembling.assemble(
        assembling.Rows(inputs, wanted, names, digests_of(values)),
        task,
        source=source,
        sides=sides,
        notes=notes,
        kind=replace(kind, length=length),
        validation=validation,
        seed=seed,
        preprocess=preprocess,
    )


def _from_ts(path: Path, seed: int, validation: float) -> Data:
    read = ts_files.read(path)
    if not all(read.labels):
        raise InputError(f"{path}: expected a class for each sequence (@classLabel true and the names of the classes)")
    labels = np.array(read.labels, dtype=object)
    raw = targets.Targets.of_labels(labels, read.names, path)._replace(columns=("target",))
    task = (Regression if read.numeric else Classification).of(raw)
    wanted = task.encode(raw)
    width = read.values[0].shape[1]
    return assemble(
        read.values,
        wanted,
        read.names,
        task,
        source=path,
        sides=None if read.parts is None else np.array(read.parts, dtype=object),
        notes=[],
        kind=Sequences(tuple(f"dimension_{at}" for at in range(width)), None),
        seed=seed,
        validation=validation,
    )


def _from_rows(
    frame: Frame,
    target: str | None,
    series: str,
    time: str | None,
    features: Sequence[str] | None,
    day_first: bool | None,
    seed: int,
    validation: float,
) -> Data:
    notes = list(frame.notes)
    when, timed = When(None), None
    if time is not None:
        timed = times.found(frame, time, notes, groups=codes_of(frame, series)[0], day_first=day_first)
        frame, when, time = timed.frame, timed.when, timed.when.column
    wanted_column = targets.target_columns(frame, target)[0]
    split = frames.split_column(frame)
    if features is not None:
        frames.require(frame, features, "features")
    chosen: list[str] = []
    for name in features if features is not None else frame.columns:
        if features is None and name in (wanted_column, series, time, split):
            continue
        numbers = frames.numbers(frame, name)
        if numbers is None and features is not None:
            raise InputError(f"{frame.where}: expected a feature of numbers, the column {name!r} holds others")
        if numbers is None:
            notes.append(Note(f"column {name}", "left out", "holds no numbers"))
        elif (numbers == numbers[0]).all():
            notes.append(Note(f"column {name}", "left out", f"the same value in every row, {numbers[0]:g}"))
        else:
            chosen.append(name)
    if not chosen:
        raise InputError(f"{frame.where}: no column of numbers to learn from beside {wanted_column!r} and {series!r}")
    values, names, firsts = grouped(frame, series, timed, chosen)
    rows = one_each(frame, wanted_column, series, firsts)
    wanted, task = targets.targets_of(rows, [wanted_column], None)
    options = {"separator": frame.separator, "header": frame.header, **when_of(when)}
    kind = Sequences(tuple(chosen), None, wanted_column, series, **options)
    return assemble(
        values,
        wanted,
        names,
        task,
        source=frame.where,
        sides=frames.sides(one_each(frame, split, series, firsts)),
        notes=notes,
        kind=kind,
        seed=seed,
        validation=validation,
    )
