"""What a search optimises: scores of the tasks and their direction."""

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
"""Name -> score, of all tasks."""


def objective_of(name: str | None, able: Sequence[Measure], task: str) -> Measure:
    """The objective of that name, or the first of those that fit where `name` is None.

    Args:
        name: out of `OBJECTIVES`.
        able: those that fit, as `Task.objectives` gives them.
        task: name of it, for messages.

    Raises:
        InputError: there is none of that name, or it does not fit the task.
    """
    names = [each.name for each in able]
    if name is None:
        return able[0]
    if name not in OBJECTIVES:
        raise _unknown(name, names)
    if name not in names:
        raise InputError(f"{name} does not fit {task}; expected an objective out of {', '.join(names)}")
    return able[names.index(name)]


def check_objective(name: str) -> None:
    """Raise an InputError where there is no objective of that name, whatever the task."""
    if name not in OBJECTIVES:
        raise _unknown(name, list(OBJECTIVES))


def _unknown(name: str, names: Sequence[str]) -> InputError:
    return InputError(
        f"expected an objective out of {', '.join(names)}, received {name!r}{suggestion(name, OBJECTIVES)}"
    )


def compared(
    objective: Measure, task: Task, targets: np.ndarray, best: Outputs, default: Outputs, part: str, seed: int
) -> Comparison:
    """Two models' outputs for the same examples, with a paired interval of the difference.

    Args:
        objective: what is compared.
        task: of both.
        targets: of the examples.
        best: the winner's outputs.
        default: those of the default configuration.
        part: name of the examples.
        seed: of the resamples.

    Source: see `zoo.evaluation.intervals`.
    """
    parts = [objective.parts(task, targets, outputs) for outputs in (best, default)]
    scores = [float(each.mean()) for each in parts]
    interval = (float("-inf"), float("inf"))  # of two sets there are no pairs
    if objective.paired:
        interval = intervals.paired(parts[0] - parts[1], seed)
    if interval == (0, 0) and objective.decided:  # models that decide alike here may not elsewhere
        fewest = min((each for each in task.counts(targets).values() if each), default=len(targets))
        interval = intervals.matched(0, 0, len(targets) if objective is task.quality else fewest)
    return Comparison(part, len(targets), scores[0], scores[1], scores[0] - scores[1], interval)
