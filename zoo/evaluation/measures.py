"""Scores by scikit-learn's definitions, in float64, whatever the unit of the targets.

A score that is no mean over examples has parts: one number an example, float64 (examples,), whose mean is the score,
and which vary as the score does from one set of examples to another. An interval of the mean of their differences is
one of the scores' difference.

Source: Jaeckel 1972, "The Infinitesimal Jackknife"; Efron and Tibshirani 1993, "An Introduction to the Bootstrap",
    section 21.3; for areas DeLong, DeLong and Clarke-Pearson 1988, "Comparing the Areas under Two or More Correlated
    Receiver Operating Characteristic Curves: A Nonparametric Approach".
"""

from __future__ import annotations

import numpy as np


def f1_parts(has: np.ndarray, predicted: np.ndarray, *, all_columns: bool = False) -> np.ndarray:
    """Parts of the mean F1 over the classes that some example has or is predicted to have, or over all classes.

    Args:
        has: int64 (examples, classes) of 0 and 1, which an example has.
        predicted: the same for the predicted classes.
        all_columns: whether classes that no example has or is predicted to have count, with 0.
    """
    present = (has + predicted).any(axis=0) | all_columns
    return _ratios(2 * has * predicted, has + predicted)[:, present].mean(axis=1)


def recall_parts(has: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Parts of the mean recall over the classes that some example has; arguments as those of `f1_parts`."""
    return _ratios(has * predicted, has)[:, has.any(axis=0)].mean(axis=1)


def areas(has: np.ndarray, probabilities: np.ndarray) -> list[float | None]:
    """Area under the ROC curve of each class against the rest, ties half; None where all or no examples have it.

    Args:
        has: int64 (examples, classes) of 0 and 1, which an example has.
        probabilities: float (examples, classes).

    Source: Hanley and McNeil 1982, "The Meaning and Use of the Area under a ROC Curve": the share of pairs of an
        example that has the class and one that has not whose probabilities are in the right order.
    """
    from scipy.stats import rankdata

    having, ranks = has.sum(axis=0), rankdata(probabilities, axis=0)
    above = (ranks * has).sum(axis=0) - having * (having + 1) / 2
    pairs = having * (len(has) - having)
    return [float(each / count) if count else None for each, count in zip(above, pairs, strict=True)]


def area_parts(has: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Parts of the mean of `areas` over the classes that have one; NaN where none has."""
    hot = has.astype(bool)
    columns = np.flatnonzero(hot.any(axis=0) & ~hot.all(axis=0))
    if not len(columns):
        return np.full(len(hot), np.nan)
    return np.mean([ordered_parts(hot[:, at], probabilities[:, at]) for at in columns], axis=0)


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


def cross_entropy(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Negative log likelihood of each example, float64 (examples,), in nats.

    Args:
        targets: int64 (examples,), positions of the classes.
        probabilities: float (examples, classes); taken to sum to 1, as scikit-learn wants them to.
    """
    likely = probabilities.astype(np.float64)
    likely = _within(likely / likely.sum(axis=1, keepdims=True))
    return -np.log(likely[np.arange(len(targets)), targets])


def binary_cross_entropy(has: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Mean over labels of their negative log likelihood, float64 (examples,), in nats.

    Args:
        has: int64 (examples, labels) of 0 and 1.
        probabilities: float (examples, labels).
    """
    likely = _within(probabilities.astype(np.float64))
    return -(has * np.log(likely) + (1 - has) * np.log1p(-likely)).mean(axis=1)


def _within(likely: np.ndarray) -> np.ndarray:
    smallest = np.finfo(np.float64).eps  # as scikit-learn clips
    return np.clip(likely, smallest, 1 - smallest)


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

    Where all targets are equal, it is 1 if the predictions equal them, else 0.
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


def present_parts(values: np.ndarray) -> np.ndarray:
    """Parts of the mean over columns of each column's mean over the examples that have a number there.

    Args:
        values: float (examples, columns), NaN where an example has none. A column of such alone is left out; where all
            are, so is each part NaN.
    """
    there = ~np.isnan(values)
    some = there.any(axis=0)
    if not some.any():
        return np.full(len(values), np.nan)
    return _ratios(np.where(there, values, 0.0), there.astype(np.float64))[:, some].mean(axis=1)


def _ratios(parts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Numbers (examples, columns) whose mean is the sum of `parts` over the sum of `totals`; 0 where that sum is 0."""
    below = totals.mean(axis=0)
    share = np.divide(parts.mean(axis=0), below, out=np.zeros(parts.shape[1]), where=below > 0)
    return share + np.divide(parts - share * totals, below, out=np.zeros(parts.shape), where=below > 0)
