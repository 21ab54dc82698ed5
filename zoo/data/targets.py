"""What is asked of a table's rows: which columns, which task, which classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.data.dataset import Task
from zoo.data.frames import FEW, Frame, as_numbers, listed, not_numbers, numbers, require, strings
from zoo.errors import InputError

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
    found = next((lower[name] for name in NAMES if name in lower), None)
    if found is None:
        raise InputError(
            f"{frame.where}: no column is named {', '.join(NAMES[:-1])} or {NAMES[-1]}; say which one is asked for: "
            f"target= or --target COLUMN; there are {listed(frame.columns)}"
        )
    return [found]


def targets_of(frame: Frame, columns: Sequence[str], task: Task | None) -> tuple[np.ndarray, tuple[str, ...], Task]:
    """Targets, classes and task.

    Strings, bools and at most twenty different whole numbers are classes; other numbers, and several columns, are
    numbers to be predicted. `task` overrides.

    Args:
        frame: the rows.
        columns: of the targets.
        task: classification, multi_label or regression.

    Returns:
        targets as `Part` has them, names of the outputs, the task.

    Raises:
        InputError: a missing or infinite target, fewer than two classes, a value that does not fit the task.
    """
    if task not in (None, "classification", "multi_label", "regression"):
        raise InputError(f"expected task to be classification, multi_label or regression, received {task!r}")
    _present(frame, columns)
    if task is None:
        task = _guess(frame, columns)
    if task == "classification":
        if len(columns) > 1:
            raise InputError(f"expected one target column for classification, received {', '.join(columns)}")
        written = strings(frame.values[columns[0]])
        classes = sorted_classes(written)
        if len(classes) < 2:
            raise InputError(
                f"{frame.where}: expected at least two classes in column {columns[0]!r}, found only {classes[0]!r}"
            )
        return positions(written, classes), classes, task
    found = _numeric(frame, columns, task)
    for name, values in zip(columns, found.T, strict=True):
        if (values == values[0]).all():
            raise InputError(f"{frame.where}: the target {name!r} is {values[0]:g} in every row; nothing can be learnt")
    return found, tuple(columns), task


def known_targets(frame: Frame, columns: Sequence[str], classes: tuple[str, ...], task: Task) -> np.ndarray:
    """Targets of rows to be scored, in the classes of the model.

    Raises:
        InputError: a missing target, or a label that is not in `classes`.
    """
    require(frame, columns, "target")
    _present(frame, columns)
    if task != "classification":
        return _numeric(frame, columns, task)
    column = frame.values[columns[0]]
    written = strings(column)
    if not set(written) <= set(classes):
        found = as_numbers(column)
        if not not_numbers(column, found).any():  # "1.0" or "01" where the class is "1"
            import pandas as pd

            written = strings(pd.Series(found))
    unknown = ~np.isin(written.astype(str), classes)
    if unknown.any():
        at = int(unknown.argmax())
        raise InputError(
            f"{frame.where}: {frame.names[at]}: the model does not know the label {written[at]!r}; "
            f"expected one of {listed(classes)}"
        )
    return positions(written, classes)


def sorted_classes(labels: np.ndarray) -> tuple[str, ...]:
    """Different values of an object array of str, by size where all are numbers."""
    names = set(labels)
    try:
        return tuple(sorted(names, key=lambda name: (float(name), name)))
    except ValueError:
        return tuple(sorted(names))


def positions(labels: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Int64 (rows,): where each label is in `classes`."""
    place = {name: index for index, name in enumerate(classes)}
    return np.fromiter((place[label] for label in labels), np.int64, len(labels))


def _present(frame: Frame, columns: Sequence[str]) -> None:
    for name in columns:
        missing = frame.values[name].isna().to_numpy()
        if missing.any():
            at = int(missing.argmax())
            raise InputError(
                f"{frame.where}: {frame.names[at]}: the target {name!r} is missing ({int(missing.sum())} such rows); "
                "fill it in or remove the row"
            )


def _guess(frame: Frame, columns: Sequence[str]) -> Task:
    if len(columns) > 1:
        return "regression"
    found = numbers(frame, columns[0], strict=False)
    if found is None:
        return "classification"
    few = len(np.unique(found)) <= FEW and bool((found == np.round(found)).all())
    return "classification" if few else "regression"


def _numeric(frame: Frame, columns: Sequence[str], task: Task) -> np.ndarray:
    found = np.empty((len(frame.names), len(columns)))
    for index, name in enumerate(columns):
        column = frame.values[name]
        found[:, index] = as_numbers(column)
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(found[:, index].astype(np.float32))
        wanted = "a finite number"
        if task == "multi_label":
            bad, wanted = ~np.isin(found[:, index], (0, 1)), "0 or 1"
        if bad.any():
            at = int(bad.argmax())
            raise InputError(
                f"{frame.where}: {frame.names[at]}: expected {wanted} as target {name!r} of {task}, "
                f"received {column.iloc[at]!r}"
            )
    return found.astype(np.int64 if task == "multi_label" else np.float32)
