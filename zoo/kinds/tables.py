"""Tables, CSV files and data frames: numbers and categories, a row an example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.data import assembling, frames
from zoo.data.csv_files import head_of
from zoo.data.dataset import Data, Part
from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.preprocessing import for_table, unvarying
from zoo.data.targets import known_targets, target_columns, targets_of
from zoo.errors import InputError
from zoo.tasks.task import Task

FEWEST = 10  # rows, of which two are held out
CATEGORIES = 1000  # of one column; the others are as unseen ones
IDENTIFIES = 0.5  # share of different values from which a column of strings names rows rather than describes them


class _Columns(NamedTuple):
    numeric: list[str]
    categorical: list[str]
    numbers: dict[str, np.ndarray]


def tables(
    source: Any,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    group: str | None = None,
    header: bool | None = None,
    seed: int = 0,
    validation: float = 0.2,
) -> Data:
    """Read a table.

    Columns of numbers stay numbers, with NaN where a cell is missing; strings and bools are categories. Left out, and
    told, are columns that are constant, empty, count the rows, or hold strings that are nearly all different. A column
    ``split`` with train, val and test is kept to. Of rows that are in two of these parts, target and all, the training
    one is left out; rows that contradict each other stay, as noise is normal in tables.

    Args:
        source: a CSV or TSV file (may be gzipped), or a pandas.DataFrame.
        target: the column to predict; several columns of numbers are predicted together. By default the column named
            target, label, class or y.
        task: by default strings, bools and up to 20 different whole numbers are classes, and other numbers are
            predicted as such; "multi_label" takes several columns of 0 and 1.
        group: a column whose equal values stay on one side of the split; it is no feature.
        header: whether the file names its columns; seen from the first row by default. If not, they are "0", "1", ...
        seed: of the split.
        validation: share held out where no split is given, in (0, 1).

    Returns:
        `Data` whose `preprocess` takes a dict of ``numeric`` and ``categorical``: missing numbers become the mean of
        the training part and, where it has missing ones, an indicator; unseen categories are all zeros.

    Raises:
        InputError: no such column, a target missing or infinite, an infinite feature, a number that is none, a class
            with one row, nothing to learn from, or fewer than 10 rows.
    """
    assembling.check_share(validation)
    frame = frames.read(source, header=header)
    targets = target_columns(frame, target)
    others = [group] if group is not None else []
    frames.require(frame, others, "group")
    if len(frame.names) < FEWEST:
        raise InputError(f"{frame.where}: expected at least {FEWEST} rows, received {len(frame.names)}")
    values, wanted = targets_of(frame, targets, task)
    sides = frames.sides(frame)
    others += [name for name in [frames.split_column(frame)] if name is not None]
    notes = list(frame.notes)
    features = [name for name in frame.columns if name not in {*targets, *others}]
    train = np.ones(len(frame.names), dtype=bool) if sides is None else sides == "train"
    columns = _useful(frame, features, train, notes)
    inputs = _inputs(frame, columns)
    groups = None
    if group is not None:
        _, groups = np.unique(frames.strings(frame.values[group]).astype(str), return_inverse=True)

    def preprocess(part: Part) -> Any:
        if columns.numeric:
            notes.extend(unvarying(part.inputs["numeric"], columns.numeric))
        model, dropped = for_table(part.inputs, CATEGORIES)
        for name, count in zip(columns.categorical, dropped, strict=False):
            if count:
                reason = f"{count} rare categories are taken as unseen; the {CATEGORIES} most frequent have a column"
                notes.append(Note(f"column {name}", "kept", reason))
        return model

    description = {
        "kind": "table",
        "numeric": columns.numeric,
        "categorical": columns.categorical,
        "target": targets,
        "separator": frame.separator,
        "header": frame.header,
        "columns": frame.columns,
    }
    rows = assembling.Rows(inputs, values, frame.names, _digests(inputs))
    return assembling.assemble(
        rows,
        wanted,
        source=frame.where,
        sides=sides,
        notes=notes,
        description=description,
        validation=validation,
        seed=seed,
        groups=groups,
        contradictions_stay=True,
        preprocess=preprocess,
    )


def read_raw(source: Any, description: dict[str, Any]) -> tuple[list[str], dict[str, np.ndarray], dict[int, str]]:
    """Read rows to predict.

    Args:
        source: a file or data frame as `tables` takes it, a dict of one row, or a list of such. Targets and other
            columns may be there and are not read.
        description: `Data.input` of what the model was trained on.

    Returns:
        names of the rows; inputs as `Part` has them; and why a row can't be used, by its position: its numbers are
        NaN.

    Raises:
        InputError: a feature is not there.
    """
    names, inputs, errors, _ = _read(source, description)
    return names, inputs, errors


def read_labelled(source: Any, description: dict[str, Any], task: Task) -> tuple[Part, list[Note]]:
    """Read rows to score: the test part where the table has parts, else the validation part, else all.

    Args:
        source: a file or data frame as `tables` takes it.
        description: `Data.input` of what the model was trained on.
        task: of the model.

    Raises:
        InputError: a feature or target is not there, or a label that the model does not know.
    """
    names, inputs, errors, frame = _read(source, description)
    targets = known_targets(frame, description["target"], task)
    chosen = assembling.held_out_part(frames.sides(frame), len(names))
    notes = frame.notes + [Note(names[at], "left out", errors[at]) for at in chosen if at in errors]
    chosen = np.array([at for at in chosen if at not in errors], dtype=np.int64)
    if not len(chosen):
        raise InputError(f"{frame.where}: no row to score; {notes[0].reason if notes else 'it has none'}")
    rows = assembling.Rows(inputs, targets, names, _digests(inputs)).chosen(chosen)
    return Part(rows.inputs, rows.targets, tuple(rows.names), tuple(rows.digests)), notes


def _read(source: Any, description: dict[str, Any]) -> tuple[list[str], dict[str, np.ndarray], dict[int, str], Frame]:
    frame = _frame(source, description)
    frames.require(frame, [*description["numeric"], *description["categorical"]], "a feature the model was trained on")
    errors: dict[int, str] = {}
    found = {}
    for name in description["numeric"]:
        column = frame.values[name]
        values = frames.as_numbers(column)
        with np.errstate(over="ignore"):
            infinite = np.isinf(values.astype(np.float32))
        for at in np.flatnonzero(frames.not_numbers(column, values) | infinite):
            wanted = "a finite number" if infinite[at] else "a number"
            errors.setdefault(int(at), f"column {name!r}: expected {wanted}, received {column.iloc[at]!r}")
        found[name] = np.where(infinite, np.nan, values)
    inputs = _inputs(frame, _Columns(description["numeric"], description["categorical"], found))
    if "numeric" in inputs:
        inputs["numeric"][list(errors)] = np.nan
    return frame.names, inputs, errors, frame


def _frame(source: Any, description: dict[str, Any]) -> Frame:
    if isinstance(source, dict | list | tuple):
        import pandas as pd

        rows = [source] if isinstance(source, dict) else list(source)
        if not rows or not all(isinstance(row, dict) for row in rows):
            raise InputError("expected a row as a dict of column name and value, or a list of such")
        frame = frames.read(pd.DataFrame(rows).astype(object))
        return frame._replace(names=[f"input {at}" for at in range(len(rows))], where="the rows")
    text = [*description["categorical"], *description["target"]]
    header = description.get("header", True)
    names = None
    if not header and isinstance(source, str | Path):
        names = description["columns"]
        width = len(head_of(Path(source), header=False).names)
        without = [name for name in names if name not in description["target"]]
        names = without if width == len(without) else names
    return frames.read(source, header=header, text=text, names=names)


def _inputs(frame: Frame, columns: _Columns) -> dict[str, np.ndarray]:
    inputs = {}
    count = len(frame.names)
    if columns.numeric:
        inputs["numeric"] = np.empty((count, len(columns.numeric)), dtype=np.float32)
        for at, name in enumerate(columns.numeric):
            inputs["numeric"][:, at] = columns.numbers[name]
    if columns.categorical:
        inputs["categorical"] = np.empty((count, len(columns.categorical)), dtype=object)
        for at, name in enumerate(columns.categorical):
            inputs["categorical"][:, at] = frames.strings(frame.values[name])
    return inputs


def _digests(inputs: dict[str, np.ndarray]) -> list[str]:
    return assembling.row_digests(*(inputs[name] for name in ("numeric", "categorical") if name in inputs))


def _useful(frame: Frame, features: Sequence[str], train: np.ndarray, notes: list[Note]) -> _Columns:
    """Columns that can tell something, by what they are in the training rows; notes on the others."""
    columns = _Columns([], [], {})
    reasons: list[str] = []

    def leave_out(name: str, reason: str) -> None:
        reasons.append(f"{name}: {reason}")
        notes.append(Note(f"column {name}", "left out", reason))

    for name in features:
        seen = frame.values[name][train]
        if seen.isna().all():
            leave_out(name, "every value is missing")
            continue
        found = frames.numbers(frame, name)
        if found is None:
            written = frames.strings(seen)
            known = written[written != ""]
            different = len(set(known))
            if different == 1 and len(known) == len(written):
                leave_out(name, f"the same value in every row, {known[0]!r}")
            elif different == len(known) or different > max(frames.FEW, IDENTIFIES * len(known)):
                leave_out(name, f"{different} different values in {len(known)} rows: an identifier, a date or text")
            else:
                columns.categorical.append(name)
            continue
        with np.errstate(over="ignore"):
            rounded = found.astype(np.float32)
        if np.isinf(rounded).any():
            at = int(np.isinf(rounded).argmax())
            raise InputError(
                f"{frame.where}: {frame.names[at]}, column {name!r}: expected a number that float32 holds, up to "
                f"3.4e38, received {found[at]:g}"
            )
        here = rounded[train]
        if np.isnan(here).all():
            leave_out(name, "every value is missing")
        elif not np.isnan(here).any() and (here == here[0]).all():
            leave_out(name, f"the same value in every row, {here[0]:g}")
        elif _counts(name, found):
            leave_out(name, "counts the rows")
        else:
            columns.numeric.append(name)
            columns.numbers[name] = found
    if not columns.numeric and not columns.categorical:
        why = "; ".join(reasons[:5]) or "there is no column beside the target"
        raise InputError(f"{frame.where}: no column to learn from; {why}")
    return columns


def _counts(name: str, values: np.ndarray) -> bool:
    """Whether a column is an index that was saved with the table."""
    like = name.lower().strip()
    named = not like or like.isdigit() or like.startswith("unnamed") or like.endswith("id") or like in ("index", "row")
    return named and bool((np.diff(values) == 1).all()) and float(values[0]).is_integer()
