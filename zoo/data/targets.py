"""Targets as they are written: which columns have them, and which task they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.data.frames import FEW, Frame, as_numbers, listed, numbers, require, strings
from zoo.errors import InputError
from zoo.tasks.classification import Classification
from zoo.tasks.registry import task_class
from zoo.tasks.regression import Regression
from zoo.tasks.task import Task

NAMES = ("target", "label", "class", "y")  # taken, in this order, where none is named


def target_columns(frame: Frame, target: str | Sequence[str] | None) -> list[str]:
    """The columns that are named, or the one whose name says it.

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
    if column is None:
        raise InputError(
            f"{frame.where}: no column is named {', '.join(NAMES[:-1])} or {NAMES[-1]}; say which one is the target: "
            f"target= or --target COLUMN; there are {listed(frame.columns)}"
        )
    return [column]


class Targets(NamedTuple):
    """Targets as they are written, which `zoo.tasks` make arrays of; see `zoo.tasks.terms.Written`.

    Attributes:
        columns: their names.
        values: a pandas.Series for each.
        names: of the rows.
        where: the file or folder.
    """

    columns: tuple[str, ...]
    values: tuple[Any, ...]
    names: Sequence[str]
    where: str

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
        return cls(tuple(columns), tuple(frame.values[name] for name in columns), frame.names, frame.where)

    @classmethod
    def of_labels(cls, labels: Sequence[Any], names: Sequence[str], where: object) -> Targets:
        """One label or number a row."""
        import pandas as pd

        return cls(("label",), (pd.Series(labels, name="label"),), names, str(where))

    def strings(self) -> np.ndarray:
        """Object (rows, columns) of str."""
        return np.stack([strings(each) for each in self.values], axis=1)

    def numbers(self) -> np.ndarray:
        """Float64 (rows, columns), NaN for what is no number."""
        return np.stack([as_numbers(each) for each in self.values], axis=1)


def targets_of(frame: Frame, columns: Sequence[str], task: str | None) -> tuple[np.ndarray, Task]:
    """Targets of a table as arrays, and their task.

    Args:
        frame: the rows.
        columns: of the targets.
        task: name of a task; where None the one that they look like: one column of strings, bools or at most twenty
            different whole numbers are classes; other numbers, and several columns, are numbers.

    Raises:
        InputError: no such task, a missing target, fewer than two classes, a value that does not fit the task, or the
            same one in all rows.
    """
    wanted = None if task is None else task_class(task, from_columns=True)
    raw = Targets.of_frame(frame, columns)
    made = (_guess(frame, columns) if wanted is None else wanted).of(raw)
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


def _guess(frame: Frame, columns: Sequence[str]) -> type[Task]:
    if len(columns) > 1:
        return Regression
    values = numbers(frame, columns[0], strict=False)
    if values is None:
        return Classification
    few = len(np.unique(values)) <= FEW and bool((values == np.round(values)).all())
    return Classification if few else Regression
