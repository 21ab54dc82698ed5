"""Scores of all images by cross-validation, where one held-out part is too small to tell much."""

from __future__ import annotations

from typing import Any

import numpy as np

from applications.learning_curve import Fit
from zoo.data.splits import folds_of
from zoo.errors import InputError
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam


def check_folds(folds: int | None) -> None:
    """Raise InputError unless `folds` is None or at least 2."""
    if folds is not None and folds < 2:
        raise InputError(f"expected at least 2 folds, received {folds}")


def cross_validated(
    task: Task, fit: Fit, features: np.ndarray, targets: np.ndarray, units: np.ndarray, folds: int, seed: int
) -> Any:
    """Scores of all images, each by a head that did not learn from it, features and strength chosen anew each time.

    Args:
        task: of the targets, with the facts of training.
        fit: fits a head.
        features: float32 (images, width).
        targets: of the same images.
        units: int64 (images,): images with equal values are in one fold.
        folds: number of folds.
        seed: of the folds.

    Raises:
        InputError: a class has too few images.
    """
    strata = task.inner_strata(targets)
    fewest = min(len(np.unique(units[column == 1])) for column in strata.T if column.any())
    if folds > fewest:
        raise InputError(f"expected at most {fewest} folds, as the rarest class has no more images, received {folds}")
    fold_of, parts = folds_of(strata, units, folds, seed), []
    for fold in range(folds):
        others = fold_of == fold
        parts.append((others, fit(np.flatnonzero(~others))(features[others])))
    outputs = np.zeros((len(features), parts[0][1].shape[1]), np.float32)
    for others, said in parts:
        outputs[others] = said
    return task.evaluate(Exam(f"{folds} folds of all images", targets, task.named(outputs), seed=seed))
