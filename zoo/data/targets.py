"""Targets as they are written: which columns have them, and which task they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.data.frames import FEW, Frame, as_numbers, listed, not_numbers, numbers, require, strings, written
from zoo.data.notes import Note
from zoo.errors import InputError
from zoo.tasks.classification import Classification, one_hot
from zoo.tasks.multi_label import MultiLabel
from zoo.tasks.registry import task_class
from zoo.tasks.regression import Regression
from zoo.tasks.task import Task

CODES = 5  # rows a class, from which whole numbers without a gap are taken for classes however many they are
AMOUNTS = 100  # so many different whole numbers may be classes, which is told
NAMES = ("target", "label", "class", "y")  # taken, in this order, where none is named
USUAL = (  # taken, with a note, where no column has one of those names
    *("outcome", "survived", "income", "diagnosis", "species", "sentiment", "churn", "churned", "fraud", "is_fraud"),
    *("default", "quality", "price", "saleprice", "medv", "salary", "labels", "targets", "ziel", "zielwert", "klasse"),
)


def target_columns(frame: Frame, target: str | Sequence[str] | None, notes: list[Note] | None = None) -> list[str]:
    """The columns that are named, or the one whose name says it; of a file without names the last one.

    Args:
        frame: the table.
        target: as the user says.
        notes: those so far; a guess is added, and without them none is made.

    Raises:
        InputError: no such column.
    """
    if target is not None:
        names = [target] if isinstance(target, str | int) else list(target)
        names = [str(name) for name in names]
        require(frame, names, "target")
        if not names:
            raise InputError("expected the name of at least one target column, received none")
        return names
    lower = {name.lower(): name for name in reversed(frame.columns)}
    column = next((lower[name] for name in NAMES if name in lower), None)
    if column is None and notes is not None:
        column = next((lower[name] for name in USUAL if name in lower), None if frame.header else frame.columns[-1])
        if column is not None:
            why = "as its name says" if frame.header else "the last one of a file without names"
            notes.append(Note(f"target {column}", "kept", f"predicted, {why}; --target COLUMN for another"))
    if column is None:
        raise InputError(
            f"{frame.where}: no column is named {', '.join(NAMES[:-1])} or {NAMES[-1]}; say which one is the target: "
            f"target= or --target COLUMN; there are {listed(frame.columns)}"
        )
    return [column]


def with_targets(frame: Frame, columns: Sequence[str]) -> Frame:
    """The rows that have all targets; a note counts the others. All rows, where none has.

    Raises:
        InputError: no such column.
    """
    require(frame, columns, "target")
    missing = np.zeros(len(frame.names), dtype=bool)
    for name in columns:
        column = frame.values[name]
        missing |= column.isna().to_numpy()
        values = as_numbers(column)
        if np.isfinite(values).any() and not not_numbers(column, values).any():  # "NA" among numbers
            missing |= np.isnan(values)
    if missing.all() or not missing.any():
        return frame
    count = int(missing.sum())
    note = Note(f"{count} row{'s' if count > 1 else ''}", "left out", f"no target, as {frame.names[missing.argmax()]}")
    return frame.chosen(np.flatnonzero(~missing))._replace(notes=[*frame.notes, note])


class Targets(NamedTuple):
    """Targets as they are written, which `zoo.tasks` make arrays of; see `zoo.tasks.terms.Written`.

    Attributes:
        columns: their names.
        values: a pandas.Series for each.
        names: of the rows.
        where: the file or folder.
        spelled: the same as a file spells them, where that may be otherwise.
    """

    columns: tuple[str, ...]
    values: tuple[Any, ...]
    names: Sequence[str]
    where: str
    spelled: tuple[Any, ...] = ()

    @classmethod
    def of_frame(cls, frame: Frame, columns: Sequence[str]) -> Targets:
        """Those of a table.

        Raises:
            InputError: no such column, or a target is missing.
        """
        require(frame, columns, "target")
        for name in columns:
            missing = frame.values[name].isna().to_numpy()
            if missing.any():
                at = int(missing.argmax())
                raise InputError(
                    f"{frame.where}: {frame.names[at]}: the target {name!r} is missing ({int(missing.sum())} such "
                    "rows); fill it in or remove the row"
                )
        values = tuple(frame.values[name] for name in columns)
        return cls(tuple(columns), values, frame.names, frame.where, tuple(_spelled(frame, name) for name in columns))

    @classmethod
    def of_labels(cls, labels: Sequence[Any], names: Sequence[str], where: object) -> Targets:
        """One label or number a row."""
        import pandas as pd

        return cls(("label",), (pd.Series(labels, name="label"),), names, str(where))

    def strings(self) -> np.ndarray:
        """Object (rows, columns) of str."""
        return np.stack([strings(each) for each in self.spelled or self.values], axis=1)

    def numbers(self) -> np.ndarray:
        """Float64 (rows, columns), NaN for what is no number."""
        return np.stack([as_numbers(each) for each in self.values], axis=1)


def targets_of(
    frame: Frame, columns: Sequence[str], task: str | None, notes: list[Note] | None = None
) -> tuple[np.ndarray, Task]:
    """Targets of a table as arrays, and their task.

    Args:
        frame: the rows.
        columns: of the targets.
        task: name of a task; where None the one that they look like: one column of strings, bools or at most twenty
            different whole numbers are classes, as are more of them where they count from 0 or 1 and each is in five
            rows; so are several columns of 0 and 1 with one 1 in each row. Other columns of 0 and 1 are labels, and all
            else are numbers.
        notes: those so far; a choice that could be another one is added.

    Raises:
        InputError: no such task, a missing target, fewer than two classes, a value that does not fit the task, or the
            same one in all rows.
    """
    wanted = None if task is None else task_class(task, from_columns=True)
    raw = Targets.of_frame(frame, columns)
    if wanted is None:
        wanted, reason = likely_task(frame, raw)
        if reason and notes is not None:
            notes.append(Note(f"target {listed(columns)}", "kept", reason))
    made = wanted.of(raw)
    values = made.encode(raw)
    for name, column in zip(columns, values.reshape(len(values), -1).T, strict=False):
        if (column == column[0]).all():
            raise InputError(f"{frame.where}: the target {name!r} is {column[0]:g} in every row; nothing can be learnt")
    return values, made


def known_targets(frame: Frame, columns: Sequence[str], task: Task) -> np.ndarray:
    """Targets of rows to be scored.

    Raises:
        InputError: a missing target, or one that the model does not know.
    """
    return task.encode(Targets.of_frame(frame, columns))


def likely_task(frame: Frame, raw: Targets) -> tuple[type[Task], str | None]:
    """The task that targets look like; and, where they may ask for another one, how to say so.

    Args:
        frame: the rows, written numbers read as such.
        raw: its targets.
    """
    columns = raw.columns
    if len(columns) > 1:
        if one_hot(raw) is not None:
            reason = f"0 and 1, one 1 in each row: taken for {len(columns)} classes; --task regression for numbers"
            return Classification, reason
        if np.isin(raw.numbers(), (0, 1)).all():
            reason = f"0 and 1: taken for {len(columns)} labels, each there or not; --task regression for numbers"
            return MultiLabel, reason
        return Regression, None
    values = numbers(frame, columns[0], strict=False)
    if values is None:
        return Classification, None
    different, counts = np.unique(values, return_counts=True)
    if not (different == np.round(different)).all():
        return Regression, None
    first, count = different[0], len(different)
    codes = first in (0, 1) and different[-1] - first + 1 == count
    classes = f"{count} different whole numbers, taken for classes; --task regression for amounts"
    if count <= FEW:
        return Classification, classes if count > 2 and not (codes and first == 0) else None
    if codes and counts.min() >= CODES:
        return Classification, classes
    told = count <= AMOUNTS and len(values) >= CODES * count
    return Regression, f"{count} different whole numbers, taken for amounts; --task classification" if told else None


def _spelled(frame: Frame, name: str) -> Any:
    """A column of targets as spelled; 1.0 is how programs write the whole number 1 where others are missing."""
    column, values = written(frame, name), frame.values[name]
    are_integers = column.dtype != values.dtype and column.dropna().str.fullmatch(r"-?\d+\.0").all()
    return values if are_integers else column
