"""What a search optimises: scores of scikit-learn and their direction."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from tuning.results import Comparison
from zoo.errors import InputError
from zoo.evaluation import correct, paired

COSTLY = 300  # where the score of a resample is more than a mean


class Objective(NamedTuple):
    """A score.

    Attributes:
        name: as people ask for it.
        direction: ``max`` or ``min``: which is better.
        tasks: what it fits.
        score: of targets and answers, as `zoo.data.Part` and a model have them.
        each: values, one an example, whose mean is the score; None where it is no mean.
    """

    name: str
    direction: Literal["max", "min"]
    tasks: tuple[str, ...]
    score: Callable[[np.ndarray, np.ndarray], float]
    each: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


def _mean(name: str, direction: Literal["max", "min"], tasks: tuple[str, ...], each: Callable) -> Objective:
    return Objective(name, direction, tasks, lambda targets, answers: float(each(targets, answers).mean()), each)


def _likelihood(targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Negative, logarithmic, float64 (examples,), in nats."""
    likely = np.clip(answers.astype(np.float64), 1e-15, 1 - 1e-15)
    if targets.ndim == 2:
        return -(targets * np.log(likely) + (1 - targets) * np.log1p(-likely)).mean(axis=1)
    return -np.log(likely[np.arange(len(targets)), targets])


def _f1(targets: np.ndarray, answers: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    told = (answers >= 0.5).astype(np.int64) if targets.ndim == 2 else answers.argmax(axis=1)
    return float(f1_score(targets, told, average="macro", zero_division=0.0))


def _balanced(targets: np.ndarray, answers: np.ndarray) -> float:
    from sklearn.metrics import recall_score

    return float(recall_score(targets, answers.argmax(axis=1), average="macro", zero_division=0.0))


def _area(targets: np.ndarray, answers: np.ndarray) -> float:
    """Mean over the classes that are there, one against the rest."""
    from sklearn.metrics import roc_auc_score

    hot = targets if targets.ndim == 2 else np.eye(answers.shape[1], dtype=np.int64)[targets]
    there = [column for column in range(hot.shape[1]) if 0 < hot[:, column].sum() < len(hot)]
    return float(np.mean([roc_auc_score(hot[:, column], answers[:, column]) for column in there])) if there else np.nan


def _determination(targets: np.ndarray, answers: np.ndarray) -> float:
    from sklearn.metrics import r2_score

    return float(r2_score(targets, answers))


def _squares(targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
    return ((targets.astype(np.float64) - answers) ** 2).mean(axis=1)


def _given(targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
    return answers


CLASSES, LABELS, NUMBERS = ("classification",), ("classification", "multi_label"), ("regression", "forecasting")
_KNOWN = (
    _mean("accuracy", "max", LABELS, lambda targets, answers: correct(targets, answers).astype(float)),
    Objective("balanced_accuracy", "max", CLASSES, _balanced),
    Objective("f1_macro", "max", LABELS, _f1),
    Objective("roc_auc", "max", LABELS, _area),
    _mean("log_loss", "min", LABELS, _likelihood),
    Objective("r2", "max", NUMBERS, _determination),
    _mean("mse", "min", NUMBERS, _squares),
    Objective("rmse", "min", NUMBERS, lambda targets, answers: float(_squares(targets, answers).mean() ** 0.5)),
    _mean("mae", "min", NUMBERS, lambda t, answers: np.abs(t.astype(np.float64) - answers).mean(axis=1)),
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
    """Two models' answers on the same examples, with a paired bootstrap interval of the difference.

    Args:
        objective: what is compared.
        targets: of the examples.
        best: the winner's answers.
        default: those of the default configuration.
        part: name of the examples.
        seed: of the resamples.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13, the percentile interval.
    """
    scores = [objective.score(targets, answers) for answers in (best, default)]
    if "adversarial" in objective.tasks:  # a distance of two sets: there are no pairs
        interval = (float("-inf"), float("inf"))
    elif objective.each is not None:
        interval = paired(objective.each(targets, best) - objective.each(targets, default), seed)
    else:
        rng, count, found = np.random.default_rng(seed), len(best), []
        for _ in range(COSTLY):
            drawn = rng.integers(0, count, count)
            scored = [objective.score(targets[drawn], answers[drawn]) for answers in (best, default)]
            found.append(scored[0] - scored[1])
        low, high = np.nanpercentile(found, [2.5, 97.5])
        interval = (float(low), float(high))
    return Comparison(part, len(targets), scores[0], scores[1], scores[0] - scores[1], interval)
