"""Objectives of a search: the measures of the tasks, with their direction, also by the names that Keras has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

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
LOSS = "loss"
LOSSES = ("log_loss", "mse", "reconstruction_mse")  # the first that a task has is its loss
KERAS = {
    "acc": "accuracy",
    "auc": "roc_auc",
    "binary_accuracy": "accuracy",
    "binary_crossentropy": "log_loss",
    "categorical_accuracy": "accuracy",
    "categorical_crossentropy": "log_loss",
    "f1": "f1_macro",
    "f1_score": "f1_macro",
    "mean_absolute_error": "mae",
    "mean_io_u": "iou",
    "mean_squared_error": "mse",
    "r2_score": "r2",
    "root_mean_squared_error": "rmse",
    "sparse_categorical_accuracy": "accuracy",
    "sparse_categorical_crossentropy": "log_loss",
}
"""Name of a metric of Keras -> name of the measure."""
NEAR = {"precision": "f1_macro", "recall": "balanced_accuracy", "mean_absolute_percentage_error": "mae"}
"""Name of a metric of Keras that is no measure here -> the nearest one."""


def objective_of(name: str | None, allowed: Sequence[Measure], task: str) -> Measure:
    """The objective of that name, or the first allowed one if `name` is None.

    Args:
        name: in `OBJECTIVES`, or loss: log_loss of classes, mse of numbers.
        allowed: objectives of the task, as `Task.objectives` returns them.
        task: its name, for messages.

    Raises:
        InputError: no objective has that name, or it does not fit the task.
    """
    names = [each.name for each in allowed]
    if name is None:
        return allowed[0]
    if name == LOSS:
        name = next((each for each in LOSSES if each in names), names[0])
    if name not in OBJECTIVES:
        raise _unknown(name, names)
    if name not in names:
        raise InputError(f"{name} does not fit {task}; expected an objective out of {', '.join(names)}")
    return allowed[names.index(name)]


def objective_name(objective: Any) -> str | None:
    """The name of a measure in `OBJECTIVES`, or loss, for an objective as Keras Tuner takes it.

    Args:
        objective: a name, also as in a history of Keras, ``val_accuracy`` or ``val_loss``; a `keras_tuner.Objective`,
            or a metric of Keras; None for that of the task.

    Raises:
        InputError: no task has such an objective, or its direction is the other one.
    """
    if objective is None:
        return None
    given = getattr(objective, "name", objective)
    if not isinstance(given, str):
        raise InputError(f"expected one objective by name, as 'accuracy', received {objective!r}")
    if hasattr(objective, "update_state"):  # the name of a metric may be the user's
        given = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(objective).__name__).lower()
        if objective.get_config().get("curve", "ROC") != "ROC":
            raise InputError(
                f"{type(objective).__name__}: expected the area under the curve ROC; name another objective"
            )
    name = given.removeprefix("val_")
    name = KERAS.get(name, name)
    if name not in OBJECTIVES and name != LOSS:
        raise _unknown(given, list(OBJECTIVES))
    best = "min" if name == LOSS else OBJECTIVES[name].direction
    if getattr(objective, "direction", best) not in (best, "auto", "up" if best == "max" else "down"):
        better = "larger" if best == "max" else "smaller"
        raise InputError(
            f"{given} is better where it is {better}; expected direction={best!r}, received {objective.direction!r}"
        )
    return name


def _unknown(name: str, names: Sequence[str]) -> InputError:
    plain = name.removeprefix("val_")
    near = f"; the nearest is {NEAR[plain]}" if plain in NEAR else suggestion(KERAS.get(plain, plain), OBJECTIVES)
    return InputError(f"expected an objective out of {', '.join(names)}, received {name!r}{near}")


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
