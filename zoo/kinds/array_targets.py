"""Targets that are in memory already: which task they ask for, and what that task makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zoo.data.notes import Note
from zoo.data.targets import Targets
from zoo.errors import InputError
from zoo.tasks.classification import Classification
from zoo.tasks.registry import task_class
from zoo.tasks.regression import Regression
from zoo.tasks.task import Task


class Columns(NamedTuple):
    """Targets in memory, which `zoo.tasks` make arrays of; see `zoo.tasks.terms.Written`."""

    values: np.ndarray
    columns: tuple[str, ...]
    names: Sequence[str]
    where: str

    def strings(self) -> np.ndarray:
        """Object (rows, columns) of str."""
        return self.values.astype(str).astype(object)

    def numbers(self) -> np.ndarray:
        """Float64 (rows, columns)."""
        return self.values.astype(np.float64)


def targets_of(
    targets: np.ndarray,
    classes: Sequence[str] | None,
    task: str | None,
    names: list[str],
    where: str,
    notes: list[Note],
) -> tuple[np.ndarray, Task]:
    """Targets as `zoo.data.Part` has them, and their task.

    Args:
        targets: as `zoo.data.arrays` takes them.
        classes: as `zoo.data.arrays` takes them.
        task: name of a task; None for the one that they look like.
        names: of the examples.
        where: of the data, for messages.
        notes: gets one where targets are read as classes that could be numbers.

    Raises:
        InputError: targets that don't fit the task; it names the example.
    """
    if len(targets.shape) == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    called = None if classes is None else tuple(str(name) for name in classes)
    if task is None:
        task = _guess(targets, called, where, notes).name
    wanted = task_class(task, from_columns=True)
    if issubclass(wanted, Classification) and not wanted.several:
        return _classes(wanted, targets, called, names, where)
    columns = targets if targets.shape[1:] else targets[:, None]
    if len(columns.shape) != 2 or columns.dtype.kind not in "buif":
        raise InputError(f"expected targets (examples, values) of numbers, received {targets.shape} of {targets.dtype}")
    if called is None:
        several = tuple(f"target_{at}" for at in range(columns.shape[1]))
        called = several if columns.shape[1] > 1 else ("target",)
    if len(called) != columns.shape[1]:
        raise InputError(f"expected {columns.shape[1]} names in classes, one a target, received {len(called)}")
    raw = Columns(columns, called, names, where)
    made = wanted.of(raw)
    return made.encode(raw), made


def _guess(targets: np.ndarray, classes: tuple[str, ...] | None, where: str, notes: list[Note]) -> type[Task]:
    """The task that targets look like."""
    if is_one_hot(targets) and (classes is None or len(classes) == targets.shape[1]):
        reason = "targets are one-hot: taken as classes; task='multi_label' or 'regression' says otherwise"
        notes.append(Note(where, "kept", reason))
        return Classification
    if targets.shape[1:] and targets.dtype.kind != "f":
        raise InputError(
            f"targets of {targets.shape}, whole numbers: say task='multi_label', or 'regression'; for one class an "
            "example give its position, as targets.argmax(axis=1)"
        )
    if targets.dtype.kind != "f":
        return Classification
    if not targets.shape[1:] and np.isin(targets, (0, 1)).all() and (classes is None or len(classes) == 2):
        reason = "targets are 0 or 1: taken as classes; task='regression' says otherwise"
        notes.append(Note(where, "kept", reason))
        return Classification
    return Regression


def is_one_hot(targets: np.ndarray) -> bool:
    """Whether targets are rows (examples, classes) of 0 with a single 1."""
    if len(targets.shape) != 2 or targets.shape[1] < 2 or targets.dtype.kind not in "buif":
        return False
    return bool(np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all())


def _classes(
    task: type[Classification],
    targets: np.ndarray,
    classes: tuple[str, ...] | None,
    names: list[str],
    where: str,
) -> tuple[np.ndarray, Task]:
    if is_one_hot(targets):
        if classes is not None and len(classes) != targets.shape[1]:
            raise InputError(f"expected {targets.shape[1]} names in classes, one a class, received {len(classes)}")
        targets = targets.argmax(axis=1)
    if targets.shape[1:]:
        raise InputError(f"expected one class an example, targets of shape (examples,), received {targets.shape}")
    if targets.dtype.kind == "f":
        whole = targets == np.round(targets)  # not so for NaN
        if not whole.all():
            at = int((~whole).argmax())
            raise InputError(f"{names[at]}: expected a class as a whole number, received {targets[at]}")
        targets = targets.astype(np.int64)
    if targets.dtype.kind in "iu" and classes is not None:
        bad = (targets < 0) | (targets >= len(classes))
        if bad.any():
            at = int(bad.argmax())
            raise InputError(
                f"{names[at]}: expected a label from 0 to {len(classes) - 1}, a position in classes, received "
                f"{targets[at]}"
            )
        return targets.astype(np.int64), task(classes)
    raw = Targets.of_labels([str(value) for value in targets.tolist()], names, where)
    made = task.of(raw) if classes is None else task(classes)
    if len(made.names) < 2:
        raise InputError(f"expected at least two classes, found only {made.names[0]!r}")
    return made.encode(raw), made
