"""Sequences: to be classified, from .ts files and CSV files, or to be forecast, from CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data import assembling, frames, targets
from zoo.data.dataset import Data, Part
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.preprocessing import for_sequences, unvarying
from zoo.errors import InputError
from zoo.kinds import series as forecasts
from zoo.kinds import ts_files
from zoo.kinds.long_form import grouped, one_each
from zoo.kinds.series import windows as windows
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
    horizon: int = 1,
    features: Sequence[str] | None = None,
    header: bool | None = None,
    seed: int = 0,
    validation: float = 0.2,
) -> Data:
    """Read sequences.

    Three forms are recognised. A .ts file of the UEA and UCR archives, or a folder with NAME_TRAIN.ts and
    NAME_TEST.ts: a class for each sequence. A CSV file with `series`: rows with the same value there are one sequence,
    `target` being constant in it. A CSV file without: the rows follow each other in time, and the next `horizon`
    values of `target` are predicted from the last `window` rows; the last part of the time is held out, or what a
    column ``split`` says. There, windows may look back over the cut, but no training target lies beyond it, and
    normalisation knows only the training rows.

    Args:
        source: the file or folder, or a data frame.
        target: the column to predict; by default the one named target, label, class or y, for forecasts also the only
            one of numbers.
        series: the column that tells which sequence a row belongs to.
        time: the column that orders the rows; for forecasts one named time, date, datetime or timestamp is taken by
            itself. Dates or numbers, each once; forecasts want them sorted.
        window: rows to look back; by default 24 or twice the horizon, and at most a fifth of the rows.
        horizon: values to predict.
        features: columns to learn from; by default all of numbers. A forecast's target is always among them.
        header: whether a file names its columns; seen from the first row by default. If not, they are "0", "1", ...
        seed: of the split of sequences.
        validation: share held out where no split is given, in (0, 1).

    Returns:
        `Data` of float32 (examples, length, features), in raw units; rows of NaN follow a shorter sequence.

    Raises:
        InputError: a value that is missing or infinite, a series shorter than window and horizon together, a class
            with one sequence, times out of order.
    """
    assembling.check_share(validation)
    if _is_ts(source):
        given = {"target": target, "series": series, "time": time, "window": window, "features": features}
        used = [name for name, value in given.items() if value is not None]
        if used:
            raise InputError(f"{source}: .ts files say themselves what is asked; leave out {', '.join(used)}")
        return _from_ts(Path(source), seed, validation)
    frame = frames.read(source, header=header)
    if series is None:
        options = {"target": target, "time": time, "window": window, "horizon": horizon, "features": features}
        return forecasts.forecasts(frame, validation=validation, **options)
    if window is not None or horizon != 1:
        raise InputError("window and horizon are for forecasts, series for sequences with a class; give one of the two")
    frames.require(frame, [series], "series")
    if time is not None:
        frames.require(frame, [time], "time")
    return _from_rows(frame, target, series, time, features, seed, validation)


def read_raw(source: Any, description: dict[str, Any]) -> tuple[list[str], np.ndarray, dict[int, str]]:
    """Read sequences to predict.

    Args:
        source: a .ts file, a CSV file in the form the model was trained on, a data frame, an array (length, features)
            or (examples, length, features), or a list of arrays. Of a series to be forecast the last rows are the
            input, and it is named by the last time.
        description: `Data.input` of what the model was trained on.

    Returns:
        names; inputs float32 (examples, length, features); and why one can't be used, by its position: it is all NaN.

    Raises:
        InputError: not of the model's features, or shorter than its window.
    """
    if isinstance(source, list | tuple) and source and all(isinstance(each, np.ndarray) for each in source):
        if "window" in description:
            found = [forecasts.read_raw(each, description) for each in source]
            errors = {at: reason for at, (_, _, each) in enumerate(found) for reason in each.values()}
            return [f"input {at}" for at in range(len(found))], np.concatenate([each for _, each, _ in found]), errors
        return _padded_raw(list(source), [f"input {at}" for at in range(len(source))], description)
    if "window" in description:
        return forecasts.read_raw(source, description)
    if isinstance(source, np.ndarray):
        values = source[None] if source.ndim == 2 else source
        return _padded_raw(list(values), [f"input {at}" for at in range(len(values))], description)
    if _is_ts(source):
        read = ts_files.read(Path(source))
        return _padded_raw(read.values, read.names, description)
    frame = _described_frame(source, description)
    values, names, _ = grouped(frame, description["series"], description["time"], description["features"], strict=False)
    return _padded_raw(values, names, description)


def read_labelled(source: Any, description: dict[str, Any], task: Task) -> tuple[Part, list[Note]]:
    """Read sequences to score: the test part where there is one, else the validation part, else all.

    Args:
        source: as `sequences` takes it.
        description: `Data.input` of what the model was trained on.
        task: of the model.

    Raises:
        InputError: as `sequences`, or a label that the model does not know.
    """
    if "window" in description:
        return forecasts.read_labelled(source, description)
    notes: list[Note] = []
    if _is_ts(source):
        where = str(source)
        read = ts_files.read(Path(source))
        values, names, labels = read.values, read.names, read.labels
        sides = None if read.parts is None else np.array(read.parts, dtype=object)
        wanted = task.encode(targets.Targets.of_labels(labels, names, where))
    else:
        frame = _described_frame(source, description)
        where, notes = frame.where, list(frame.notes)
        target = _default_target(frame, description["target"])
        series, time = description["series"], description["time"]
        values, names, firsts = grouped(frame, series, time, description["features"])
        rows = one_each(frame, target, series, firsts)
        wanted = targets.known_targets(rows, [target], task)
        sides = frames.sides(one_each(frame, frames.split_column(frame), series, firsts))
    chosen = assembling.held_out_part(sides, len(names))
    names = [names[at] for at in chosen]
    values, names, errors = [values[at] for at in chosen], names, {}
    _, inputs, errors = _padded_raw(values, names, description)
    notes += [Note(names[at], "left out", reason) for at, reason in errors.items()]
    good = np.array([at for at in range(len(names)) if at not in errors], dtype=np.int64)
    if not len(good):
        raise InputError(f"{where}: no sequence to score; {next(iter(errors.values()), 'it has none')}")
    rows = assembling.Rows(inputs, wanted[chosen], names, _digests(values)).chosen(good)
    return Part(rows.inputs, rows.targets, tuple(rows.names), tuple(rows.digests)), notes


def padded(values: Sequence[np.ndarray], length: int | None = None) -> np.ndarray:
    """Float32 (examples, length, features) of arrays (length of each, features), rows of NaN after the shorter ones."""
    lengths = np.array([len(each) for each in values])
    full = np.full((len(values), length or lengths.max(), values[0].shape[1]), np.nan, dtype=np.float32)
    full[np.arange(full.shape[1]) < lengths[:, None]] = np.concatenate(values)
    return full


def assemble(
    values: Sequence[np.ndarray],
    wanted: np.ndarray,
    names: list[str],
    task: Task,
    *,
    source: str | Path,
    sides: np.ndarray | None,
    notes: list[Note],
    description: dict[str, Any],
    seed: int,
    validation: float,
) -> Data:
    """`Data` of sequences, each float32 (length, features); the rest as `zoo.data.assembling.assemble`."""
    inputs = padded(values)
    length = inputs.shape[1] if len({len(each) for each in values}) == 1 else None

    def preprocess(part: Part) -> Any:
        rows = part.inputs.reshape(-1, part.inputs.shape[2])
        rows = rows[~np.isnan(rows).all(axis=1)]
        notes.extend(unvarying(rows, description["features"]))
        return for_sequences(rows, length)

    return assembling.assemble(
        assembling.Rows(inputs, wanted, names, _digests(values)),
        task,
        source=source,
        sides=sides,
        notes=notes,
        description={"kind": "sequence", **description, "length": length},
        validation=validation,
        seed=seed,
        preprocess=preprocess,
    )


def _is_ts(source: Any) -> bool:
    if not isinstance(source, str | Path):
        return False
    path = Path(source)
    return path.suffix.lower() == ".ts" or path.is_dir()


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
        description={
            "features": [f"dimension_{at}" for at in range(width)],
            "target": None,
            "series": None,
            "time": None,
        },
        seed=seed,
        validation=validation,
    )


def _from_rows(
    frame: Frame,
    target: str | None,
    series: str,
    time: str | None,
    features: Sequence[str] | None,
    seed: int,
    validation: float,
) -> Data:
    notes = list(frame.notes)
    wanted_column = _default_target(frame, target)
    split = frames.split_column(frame)
    if features is not None:
        frames.require(frame, features, "features")
    chosen: list[str] = []
    for name in features if features is not None else frame.columns:
        if features is None and name in (wanted_column, series, time, split):
            continue
        found = frames.numbers(frame, name)
        if found is None and features is not None:
            raise InputError(f"{frame.where}: expected a feature of numbers, the column {name!r} holds others")
        if found is None:
            notes.append(Note(f"column {name}", "left out", "holds no numbers"))
        elif (found == found[0]).all():
            notes.append(Note(f"column {name}", "left out", f"the same value in every row, {found[0]:g}"))
        else:
            chosen.append(name)
    if not chosen:
        raise InputError(f"{frame.where}: no column of numbers to learn from beside {wanted_column!r} and {series!r}")
    values, names, firsts = grouped(frame, series, time, chosen)
    rows = one_each(frame, wanted_column, series, firsts)
    wanted, task = targets.targets_of(rows, [wanted_column], None)
    description = {"features": chosen, "series": series, "time": time, "target": wanted_column}
    return assemble(
        values,
        wanted,
        names,
        task,
        source=frame.where,
        sides=frames.sides(one_each(frame, split, series, firsts)),
        notes=notes,
        description=description | {"separator": frame.separator, "header": frame.header},
        seed=seed,
        validation=validation,
    )


def _default_target(frame: Frame, target: str | None) -> str:
    return targets.target_columns(frame, target)[0]


def _described_frame(source: Any, description: dict[str, Any]) -> Frame:
    if description["series"] is None:
        raise InputError(f"{source}: the model was trained on .ts files or arrays; expected such, not a table")
    text = [name for name in (description["series"], description["target"]) if name is not None]
    frame = frames.read(source, header=description.get("header"), text=text)
    needed = [description["series"], *description["features"]]
    frames.require(frame, needed + [name for name in [description["time"]] if name], "what the model was trained on")
    return frame


def _padded_raw(
    values: list[np.ndarray], names: list[str], description: dict[str, Any]
) -> tuple[list[str], np.ndarray, dict[int, str]]:
    width, length = len(description["features"]), description["length"]
    errors: dict[int, str] = {}
    kept = []
    for at, each in enumerate(values):
        each = np.asarray(each, dtype=np.float32)
        if each.ndim == 2:  # what follows a shorter sequence in an array is no part of it
            filled = np.flatnonzero(~np.isnan(each).all(axis=1))
            each = each[: filled[-1] + 1] if len(filled) else each[:0]
        if each.ndim != 2 or each.shape[1] != width:
            errors[at] = f"expected (length, {width}), received {each.shape}"
        elif length is not None and len(each) != length:
            errors[at] = f"expected {length} steps, received {len(each)}"
        elif not len(each):
            errors[at] = "empty: expected at least one step"
        elif not np.isfinite(each).all():
            step, feature = np.argwhere(~np.isfinite(each))[0]
            name = description["features"][feature]
            errors[at] = f"step {step + 1}, {name!r}: expected a finite number, received {each[step, feature]}"
        kept.append(np.full((length or 1, width), np.nan, np.float32) if at in errors else each)
    return names, padded(kept), errors


def _digests(values: Sequence[np.ndarray]) -> list[str]:
    """Of each sequence without its padding, whatever it was padded to."""
    return [sha256(np.ascontiguousarray(each, dtype=np.float32).tobytes()).hexdigest() for each in values]
