"""The tasks, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import InputError
from zoo.settings import suggestion
from zoo.tasks.anomaly_detection import AnomalyDetection
from zoo.tasks.classification import Classification
from zoo.tasks.forecasting import Forecasting
from zoo.tasks.generation import Generation
from zoo.tasks.multi_label import MultiLabel
from zoo.tasks.reconstruction import Reconstruction
from zoo.tasks.regression import Regression
from zoo.tasks.segmentation import Segmentation
from zoo.tasks.task import Task

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        Classification,
        MultiLabel,
        Regression,
        Forecasting,
        Reconstruction,
        AnomalyDetection,
        Generation,
        Segmentation,
    )
}


def register(task: type[Task]) -> type[Task]:
    """Register a task under its name; a decorator for tasks of users.

    Raises:
        InputError: the task lacks something that every task has, or another task has its name.
    """
    needed = {"name": str, "outputs": tuple, "measures": tuple}
    lacking = [name for name, kind in needed.items() if not isinstance(getattr(task, name, None), kind)]
    lacking += sorted(getattr(task, "__abstractmethods__", ()))
    if lacking:
        raise InputError(f"{task.__name__}: expected a task with {', '.join(lacking)}; see zoo.tasks.task.Task")
    if not task.measures:
        raise InputError(f"{task.__name__}: expected measures, at least one; the first is what a search optimises")
    if TASKS.get(task.name, task) is not task:
        raise InputError(f"{task.__name__}: there is a task {task.name} already; give it another name")
    TASKS[task.name] = task
    return task


def task_class(name: str | None, *, from_columns: bool = False) -> type[Task]:
    """The class of the task with this name.

    Args:
        name: as on the command line.
        from_columns: allow only tasks whose targets can be columns of a table.

    Raises:
        InputError: no task has this name.
    """
    known = [each for each, task in TASKS.items() if task.from_columns or not from_columns]
    if name not in known:
        names = f"{', '.join(known[:-1])} or {known[-1]}"
        raise InputError(f"expected task to be {names}, received {name!r}{suggestion(name, known)}")
    return TASKS[name]


def task_of(card: Mapping[str, Any]) -> Task:
    """The task in the card of an artifact.

    Raises:
        InputError: no task has the name in the card.
    """
    return task_class(card.get("task")).from_card(card)
