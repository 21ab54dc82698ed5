"""Scores by scikit-learn's definitions, in float64, whatever the unit of the targets.

Targets and answers are as `zoo.data.Part` and a model have them: classes (examples,) and probabilities (examples,
classes); several labels (examples, classes) of 0 and 1; numbers (examples, values).

A score that is no mean over examples has a function whose name ends in `_parts` beside it: one number an example,
float64 (examples,), whose mean is the score, and which vary as the score does from one set of examples to another. An
interval of the mean of their differences is one of the scores' difference.

Source: Jaeckel 1972, "The Infinitesimal Jackknife"; Efron and Tibshirani 1993, "An Introduction to the Bootstrap",
    section 21.3; for areas DeLong, DeLong and Clarke-Pearson 1988, "Comparing the Areas under Two or More Correlated
    Receiver Operating Characteristic Curves: A Nonparametric Approach".
"""

from __future__ import annotations

import numpy as np


def predicted(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The answers, like `targets`: of several labels those of at least 0.5, else the most probable class."""
    return (probabilities >= 0.5).astype(np.int64) if targets.ndim == 2 else probabilities.argmax(axis=1)


def correct(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Bool (examples,): where the answer is right; of several labels, where all of them are."""
    same = predicted(targets, probabilities) == targets
    return same.all(axis=1) if targets.ndim == 2 else same


def f1_macro(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean F1 over the classes that some example has or is predicted to have; of several labels, over all labels."""
    return float(f1_parts(targets, probabilities).mean())


def f1_parts(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Parts of `f1_macro`."""
    has, said = _hot(targets, probabilities), _hot(predicted(targets, probabilities), probabilities)
    there = (has + said).any(axis=0) | (targets.ndim == 2)
    return _ratios(2 * has * said, has + said)[:, there].mean(axis=1)


def balanced_accuracy(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean recall over the classes that some example has."""
    return float(recall_parts(targets, probabilities).mean())


def recall_parts(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Parts of `balanced_accuracy`."""
    has = _hot(targets, probabilities)
    right = has * _hot(predicted(targets, probabilities), probabilities)
    return _ratios(right, has)[:, has.any(axis=0)].mean(axis=1)


def areas(targets: np.ndarray, probabilities: np.ndarray) -> list[float | None]:
    """Area under the ROC curve of each class against the rest, ties half; None where all or no examples have it.

    Source: Hanley and McNeil 1982, "The Meaning and Use of the Area under a ROC Curve": the share of pairs of an
        example that has the class and one that has not whose probabilities are in the right order.
    """
    from scipy.stats import rankdata

    hot = _hot(targets, probabilities)
    having, ranks = hot.sum(axis=0), rankdata(probabilities, axis=0)
    above = (ranks * hot).sum(axis=0) - having * (having + 1) / 2
    pairs = having * (len(hot) - having)
    return [float(each / count) if count else None for each, count in zip(above, pairs, strict=True)]


def mean_area(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of `areas` over the classes that have one; NaN where none has."""
    there = [area for area in areas(targets, probabilities) if area is not None]
    return float(np.mean(there)) if there else float("nan")


def area_parts(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Parts of `mean_area`; NaN where no class has an area."""
    hot = _hot(targets, probabilities).astype(bool)
    there = np.flatnonzero(hot.any(axis=0) & ~hot.all(axis=0))
    if not len(there):
        return np.full(len(hot), np.nan)
    return np.mean([ordered_parts(hot[:, at], probabilities[:, at]) for at in there], axis=0)


def ordered_parts(has: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Parts of one area.

    Args:
        has: bool (examples,); some have it, and some have not.
        scores: float (examples,), larger for those that have it.
    """
    from scipy.stats import rankdata

    ranks, right = rankdata(scores), np.empty(len(scores))
    right[has] = (ranks[has] - rankdata(scores[has])) / (~has).sum()  # share of the others that it is over
    right[~has] = 1 - (ranks[~has] - rankdata(scores[~has])) / has.sum()
    area = right[has].mean()
    return area + (right - area) / np.where(has, has.mean(), (~has).mean())


def likelihoods(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Negative log likelihood of each example, float64 (examples,), in nats; of several labels the mean over them.

    Of one class an example the probabilities are taken to sum to 1, as scikit-learn wants them to.
    """
    likely = probabilities.astype(np.float64)
    if targets.ndim == 1:
        likely = likely / likely.sum(axis=1, keepdims=True)
    smallest = np.finfo(np.float64).eps  # as scikit-learn clips
    likely = np.clip(likely, smallest, 1 - smallest)
    if targets.ndim == 2:
        return -(targets * np.log(likely) + (1 - targets) * np.log1p(-likely)).mean(axis=1)
    return -np.log(likely[np.arange(len(targets)), targets])


def squares(targets: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean squared error of each example over its values, float64 (examples,), in the squared unit."""
    return np.square(targets.astype(np.float64) - values).mean(axis=1)


def root_parts(targets: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Parts of the root mean squared error, in the unit of the targets."""
    each = squares(targets, values)
    root = np.sqrt(each.mean())
    return root + (each - each.mean()) / (2 * root) if root > 0 else each


def distances(targets: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean absolute error of each example over its values, float64 (examples,)."""
    return np.abs(targets.astype(np.float64) - values).mean(axis=1)


def determination(targets: np.ndarray, values: np.ndarray) -> float:
    """R², mean over values; NaN for fewer than two examples.

    Where all targets are equal, it is 1 if they are hit and 0 if not.
    """
    return float(determination_parts(targets, values).mean())


def determination_parts(targets: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Parts of `determination`."""
    if len(targets) < 2:
        return np.full(len(targets), np.nan)
    wide = targets.astype(np.float64)
    left, spread = np.square(wide - values), np.square(wide - wide.mean(axis=0))
    shares = np.where((spread > 0).any(axis=0), _ratios(left, spread), (left > 0).any(axis=0))
    return 1 - shares.mean(axis=1)


def _ratios(parts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Numbers (examples, columns) whose mean is the sum of `parts` over that of `totals`; 0 where that is 0."""
    below = totals.mean(axis=0)
    share = np.divide(parts.mean(axis=0), below, out=np.zeros(parts.shape[1]), where=below > 0)
    return share + np.divide(parts - share * totals, below, out=np.zeros(parts.shape), where=below > 0)


def _hot(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Int64 (examples, classes) of 0 and 1: which an example has."""
    return targets if targets.ndim == 2 else np.eye(probabilities.shape[1], dtype=np.int64)[targets]
