"""Objectives of a search: the measures of the tasks, with their direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuning.results import Comparison
from zoo.errors import InputError
from zoo.evaluation import intervals
from zoo.settings import suggestion
from zoo.tasks.registry import TASKS
from zoo.tasks.task import Task
from zoo.tasks.terms import Measure, Outputs

OBJECTIVES: dict[str, Measure] = {measure.name: measure for task in TASKS.values() for measure in task.measures}
"""Name -> measure, for all tasks."""


def objective_of(name: str | None, allowed: Sequence[Measure], task: str) -> Measure:
    """The objective of that name, or the first allowed one if `name` is None.

    Args:
        name: in `OBJECTIVES`.
        allowed: objectives of the task, as `Task.objectives` returns them.
        task: its name, for messages.

    Raises:
        InputError: no objective has that name, or it does not fit the task.
    """
    names = [each.name for each in allowed]
    if name is None:
        return allowed[0]
    if name not in OBJECTIVES:
        raise _unknown(name, names)
    if name not in names:
        raise InputError(f"{name} does not fit {task}; expected an objective out of {', '.join(names)}")
    return allowed[names.index(name)]


def check_objective(name: str) -> None:
    """Raise InputError if no task has an objective of that name."""
    if name not in OBJECTIVES:
        raise _unknown(name, list(OBJECTIVES))


def _unknown(name: str, names: Sequence[str]) -> InputError:
    return InputError(
        f"expected an objective out of {', '.join(names)}, received {name!r}{suggestion(name, OBJECTIVES)}"
    )


def compare(
    objective: Measure, task: Task, targets: np.ndarray, best: Outputs, default: Outputs, part: str, seed: int
) -> Comparison:
    """Compare the outputs of two models for the same examples, with a paired interval of the difference.

    Args:
        objective: the measure to compare by.
        task: of both models.
        targets: of the examples.
        best: outputs of the best model.
        default: outputs of the model of the default configuration.
        part: name of the part that the examples are from.
        seed: of the resamples.

    Source: see `zoo.evaluation.intervals`.
    """
    parts = [objective.parts(task, targets, outputs) for outputs in (best, default)]
    scores = [float(each.mean()) for each in parts]
    interval = (float("-inf"), float("inf"))  # two sets of generated images have no pairs
    if objective.paired:
        interval = intervals.paired(parts[0] - parts[1], seed)
    if interval == (0, 0) and objective.decided:  # equal decisions here do not mean equal decisions elsewhere
        fewest = min((each for each in task.counts(targets).values() if each), default=len(targets))
        interval = intervals.matched(0, 0, len(targets) if objective is task.quality else fewest)
    return Comparison(part, len(targets), scores[0], scores[1], scores[0] - scores[1], interval)
