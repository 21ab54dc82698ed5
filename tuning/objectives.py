"""What a search optimises: scores of scikit-learn and their direction."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from tuning.results import Comparison
from zoo.errors import InputError
from zoo.evaluation import intervals, measures
from zoo.evaluation.measures import correct

DECIDED = ("accuracy", "f1_macro", "balanced_accuracy", "roc_auc")  # models that decide alike here may not elsewhere


class Objective(NamedTuple):
    """A score.

    Attributes:
        name: as people ask for it.
        direction: ``max`` or ``min``: which is better.
        tasks: what it fits.
        score: of targets and answers, as `zoo.data.Part` and a model have them.
        parts: of the score, one an example, as `zoo.evaluation.measures` says; None for a distance of two sets.
    """

    name: str
    direction: Literal["max", "min"]
    tasks: tuple[str, ...]
    score: Callable[[np.ndarray, np.ndarray], float]
    parts: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


def _mean(name: str, direction: Literal["max", "min"], tasks: tuple[str, ...], each: Callable) -> Objective:
    return Objective(name, direction, tasks, lambda targets, answers: float(each(targets, answers).mean()), each)


def _rmse(targets: np.ndarray, answers: np.ndarray) -> float:
    return float(measures.squares(targets, answers).mean() ** 0.5)


def _given(targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
    return answers


CLASSES, LABELS, NUMBERS = ("classification",), ("classification", "multi_label"), ("regression", "forecasting")
_KNOWN = (
    _mean("accuracy", "max", LABELS, lambda targets, answers: correct(targets, answers).astype(float)),
    Objective("balanced_accuracy", "max", CLASSES, measures.balanced_accuracy, measures.recall_parts),
    Objective("f1_macro", "max", LABELS, measures.f1_macro, measures.f1_parts),
    Objective("roc_auc", "max", LABELS, measures.mean_area, measures.area_parts),
    _mean("log_loss", "min", LABELS, measures.likelihoods),
    Objective("r2", "max", NUMBERS, measures.determination, measures.determination_parts),
    _mean("mse", "min", NUMBERS, measures.squares),
    Objective("rmse", "min", NUMBERS, _rmse, measures.root_parts),
    _mean("mae", "min", NUMBERS, measures.distances),
    _mean("reconstruction_mse", "min", ("autoencoder",), _given),
    _mean("bound", "max", ("variational",), _given),
    Objective("frechet", "min", ("adversarial",), lambda targets, answers: float(answers[0])),
)
OBJECTIVES: dict[str, Objective] = {each.name: each for each in _KNOWN}
"""Name -> objective. Of autoencoders and adversarial networks: mean squared error of the reconstruction, the evidence
lower bound in nats, and the Fréchet distance of generated images."""
DEFAULTS = {"classification": "accuracy", "multi_label": "f1_macro", "regression": "r2", "forecasting": "rmse"}
DEFAULTS |= {"autoencoder": "reconstruction_mse", "variational": "bound", "adversarial": "frechet"}


def objective_of(name: str | None, task: str) -> Objective:
    """The objective of that name, or that of the task where `name` is None.

    Args:
        name: out of `OBJECTIVES`.
        task: as `zoo.data.Data` has it; autoencoder, variational or adversarial for models whose input is the target.

    Raises:
        InputError: there is none of that name, or it does not fit the task.
    """
    able = [each.name for each in OBJECTIVES.values() if task in each.tasks]
    if name is None:
        return OBJECTIVES[DEFAULTS[task]]
    if name not in OBJECTIVES:
        near = difflib.get_close_matches(name, OBJECTIVES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"expected an objective out of {', '.join(able)}, received {name!r}{hint}")
    if name not in able:
        raise InputError(f"{name} does not fit {task}; expected an objective out of {', '.join(able)}")
    return OBJECTIVES[name]


def compared(
    objective: Objective, targets: np.ndarray, best: np.ndarray, default: np.ndarray, part: str, seed: int
) -> Comparison:
    """Two models' answers on the same examples, with a paired interval of the difference.

    Args:
        objective: what is compared.
        targets: of the examples.
        best: the winner's answers.
        default: those of the default configuration.
        part: name of the examples.
        seed: of the resamples.

    Source: see `zoo.evaluation.intervals`.
    """
    scores = [objective.score(targets, answers) for answers in (best, default)]
    interval = (float("-inf"), float("inf"))  # of two sets there are no pairs
    if objective.parts is not None:
        interval = intervals.paired(objective.parts(targets, best) - objective.parts(targets, default), seed)
    if interval == (0, 0) and objective.name in DECIDED:
        interval = intervals.matched(0, 0, len(targets) if objective.name == "accuracy" else _fewest(targets))
    return Comparison(part, len(targets), scores[0], scores[1], scores[0] - scores[1], interval)


def _fewest(targets: np.ndarray) -> int:
    """Examples of the class, or label, that has the fewest and has some."""
    counts = targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets)
    return int(counts[counts > 0].min(initial=len(targets)))
