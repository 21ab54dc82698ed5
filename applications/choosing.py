"""Features and strength of a linear head, chosen by cross-validation.

The features are chosen by ridge regressions. The strengths of a fold are then fitted from the strongest penalty to the
weakest, each from the solution before it, and the search ends where a weaker penalty is clearly worse. Where there are
fewer examples than features, the examples are first expressed in as many axes as there are examples. The axes are
orthogonal, so that the solution and its penalty are the same.

Source: for the axes, Hastie and Tibshirani 2004, "Efficient Quadratic Regularization for Expression Arrays"; for the
    rule of one standard error, Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from applications.depths import LAST, Depths
from applications.logistic import Regressions
from zoo.data.splits import folds_of, stratified
from zoo.evaluation.calibration import as_probabilities
from zoo.evaluation.measures import binary_cross_entropy, cross_entropy

# Inverse strengths of the L2 penalty on standardised embeddings: cross-validation chooses within this range for 10 to
# 10,000 images.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
RIDGE_STRENGTHS = tuple(10.0**power for power in np.arange(-5, 1.5, 0.5))  # of a ridge regression, which fits faster
FOLDS = 5
SAMPLE, OF_EACH = 2000, 8  # examples to choose by, at most; or so many of each class, if they are more
OF_GROUPS = 1000  # examples to choose features by, at most
ROUGH = 3e-4  # tolerance of the gradient


class Choice(NamedTuple):
    """The result of a cross-validation.

    Attributes:
        group: of features, a name in `applications.depths.GROUPS`.
        strength: inverse of the L2 penalty.
        folds: number of folds.
        positions: of the scored examples, int64.
        logits: of the scored examples, by heads that did not learn from them, float32 (scored, outputs).
        loss: of the scored examples, mean.
    """

    group: str
    strength: float
    folds: int
    positions: np.ndarray
    logits: np.ndarray
    loss: float


class Candidate(NamedTuple):
    """Scores of one strength: the loss of each fold, and logits as in `Choice`."""

    strength: float
    losses: np.ndarray
    logits: np.ndarray


def choose(
    embeddings: np.ndarray,
    targets: np.ndarray,
    outputs: int,
    *,
    depths: Depths,
    units: np.ndarray,
    folds: int,
    several: bool,
    weighted: bool,
    seed: int,
) -> Choice:
    """The features and the strength of a logistic regression, by cross-validation with stratified folds.

    The features are those of `choose_ridge` for the classes, as a ridge regression is fitted in a fraction of the time.
    Of all strengths whose log loss is within one standard error of the best, the one with the strongest penalty is
    taken.

    Args:
        embeddings: float32 (examples, width), as `depths` describes them.
        targets: int64 (examples,), or (examples, outputs) of 0 and 1.
        outputs: number of classes or labels.
        depths: widths of the features.
        units: int64 (examples,): examples with equal values are in one fold.
        folds: number of folds.
        several: whether an example may have several labels.
        weighted: whether rare classes have more weight in the fit; the loss is that of their real frequency.
        seed: of the folds.
    """
    from threadpoolctl import threadpool_limits

    hot = targets if several else np.eye(outputs, dtype=np.int8)[targets]
    chosen = sample(hot, units, seed)
    rows, targets, hot = embeddings[chosen], targets[chosen], hot[chosen]
    how = {"depths": depths, "units": units[chosen], "folds": folds, "seed": seed}
    group = choose_ridge(rows, standardised(hot), **how)[0] if len(depths.groups) > 1 else LAST
    width = depths.groups[group]
    mean, deviation = middle_of(rows[:, :width], depths.parts(group))
    axes, _ = turned(((rows[:, :width] - mean) / deviation).astype(np.float32))
    fold_of = folds_of(hot, units[chosen], folds, seed)
    # A fold a core: products of matrices as small as these are slower in several threads.
    with ThreadPoolExecutor(os.cpu_count()) as pool, threadpool_limits(1):
        candidates = list(_path(axes, targets, outputs, fold_of, several, weighted, pool))
    best = min(candidates, key=lambda each: each.losses.mean())
    allowed = best.losses.mean() + best.losses.std(ddof=1) / np.sqrt(folds)
    taken = next(each for each in candidates if each.losses.mean() <= allowed)
    return Choice(group, taken.strength, folds, chosen, taken.logits, float(taken.losses.mean()))


def standardised(targets: np.ndarray) -> np.ndarray:
    """Targets (examples, values) with mean 0 and deviation 1 each, 0 where all are equal; float32."""
    deviation = targets.std(axis=0, dtype=np.float64)
    return ((targets - targets.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)


def choose_ridge(
    embeddings: np.ndarray,
    targets: np.ndarray,
    *,
    depths: Depths,
    units: np.ndarray,
    folds: int,
    seed: int,
    most: int = OF_GROUPS,
) -> tuple[str, float, float]:
    """The features and the strength of a ridge regression, by the squared error of folds.

    Of each group the best strength is taken, and of these the first whose error is within one standard error of the
    best. The error is returned too.

    Args:
        embeddings: float32 (examples, width), as `depths` describes them.
        targets: float32 (examples, values).
        depths: widths of the features.
        units: int64 (examples,): examples with equal values are in one fold.
        folds: number of folds.
        seed: of the folds.
        most: examples to choose by, at most.
    """
    from sklearn.model_selection import GroupKFold

    chosen = np.random.default_rng(seed).permutation(len(targets))[:most]
    rows, targets, units = embeddings[chosen], targets[chosen], units[chosen]
    folds = min(folds, len(np.unique(units)))
    splits = list(GroupKFold(folds, shuffle=True, random_state=seed).split(rows, groups=units))
    best: list[tuple[str, float, np.ndarray]] = []
    for group, axes in _axes(rows, depths):
        errors = np.stack([_ridge_errors(axes, targets, *split) for split in splits], axis=1)
        at = int(errors.mean(axis=1).argmin())
        best.append((group, RIDGE_STRENGTHS[at], errors[at]))
    least = min((errors for _, _, errors in best), key=np.mean)
    allowed = least.mean() + least.std(ddof=1) / np.sqrt(folds)
    taken = next(each for each in best if each[2].mean() <= allowed)
    return taken[0], taken[1], float(taken[2].mean())


def _ridge_errors(rows: np.ndarray, targets: np.ndarray, some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared errors on `others` of ridge regressions on `some`, float64 (strengths,), by one decomposition for all.

    Source: Hastie, Tibshirani and Friedman 2009, "The Elements of Statistical Learning", equations 3.47 and 18.14.
    """
    mean, middle = rows[some].mean(axis=0), targets[some].mean(axis=0)
    inputs, queries, values = rows[some] - mean, rows[others] - mean, targets[some] - middle
    dual = len(inputs) < inputs.shape[1]
    squares, vectors = np.linalg.eigh(inputs @ inputs.T if dual else inputs.T @ inputs)
    known = vectors.T @ (values if dual else inputs.T @ values)
    turned = (queries @ inputs.T if dual else queries) @ vectors
    errors = []
    for strength in RIDGE_STRENGTHS:
        said = turned @ (known / (np.maximum(squares, 0) + 1 / strength)[:, None]) + middle
        errors.append(np.square(said - targets[others]).mean(dtype=np.float64))
    return np.array(errors)


def sample(hot: np.ndarray, units: np.ndarray, seed: int, most: int = SAMPLE) -> np.ndarray:
    """Positions of the examples to choose by, int64, sorted: all, or a stratified part of many.

    Args:
        hot: (examples, classes) of 0 and 1.
        units: int64 (examples,): examples with equal values are taken together.
        seed: of the part.
        most: examples that are taken, or so many of each class, if these are more.
    """
    most = max(most, OF_EACH * hot.shape[1])
    if len(hot) <= most:
        return np.arange(len(hot))
    return np.flatnonzero(stratified(hot, units, most / len(hot), seed))


def _path(
    rows: np.ndarray,
    targets: np.ndarray,
    outputs: int,
    fold_of: np.ndarray,
    several: bool,
    weighted: bool,
    pool: ThreadPoolExecutor,
) -> Iterator[Candidate]:
    """The strengths, from the strongest penalty on, up to the first one that is clearly worse."""
    loss = binary_cross_entropy if several else cross_entropy
    learns = [fold_of != fold for fold in range(fold_of.max() + 1)]
    fits = [Regressions(targets[some], outputs, several=several, weighted=weighted, tolerance=ROUGH) for some in learns]
    least, allowed = np.inf, np.inf
    inner = [rows[some] for some in learns]
    for strength in STRENGTHS:
        logits = np.zeros((len(rows), outputs), np.float32)
        solved = pool.map(lambda fit, inputs, strength=strength: fit.fit(inputs, strength), fits, inner)
        for some, (kernel, bias) in zip(learns, solved, strict=True):
            logits[~some] = rows[~some] @ kernel + bias
        every = loss(targets, as_probabilities(logits, several))
        losses = [every[~some].mean() for some in learns]
        yield Candidate(strength, np.array(losses), logits)
        mean = np.mean(losses)
        if mean > allowed:
            return
        if mean < least:
            least, allowed = mean, mean + np.std(losses, ddof=1) / np.sqrt(len(losses))


def _axes(rows: np.ndarray, depths: Depths) -> Iterator[tuple[str, np.ndarray]]:
    """Each group of features of the examples, standardised, float32 (examples, axes)."""
    squares, begin = 0.0, 0
    for group, width in depths.groups.items():
        mean, deviation = middle_of(rows[:, :width], depths.parts(group))
        standard = ((rows[:, :width] - mean) / deviation).astype(np.float32)
        if len(rows) >= width:
            yield group, standard
            continue
        new = standard[:, begin:]
        squares, begin = squares + new @ new.T, width
        yield group, _turned(squares)[0]


def turned(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Examples float32 (examples, width) in at most as many axes as there are examples, and the axes (width, axes).

    The axes are None for `rows` as they are.
    """
    if len(rows) >= rows.shape[1]:
        return rows, None
    axes, turn = _turned(rows @ rows.T)
    return axes, rows.T @ turn


def _turned(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (examples, axes) with the inner products `squares`, and what turns examples into axes."""
    values, vectors = np.linalg.eigh(squares)
    kept = values > 1e-6 * max(values[-1], 1e-30)  # below it float32 has no more than noise
    roots = np.sqrt(values[kept])
    return vectors[:, kept] * roots, vectors[:, kept] / roots


def middle_of(embeddings: np.ndarray, parts: Sequence[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of embeddings (examples, width) to standardise by, float64 (width,).

    A deviation is at least a tenth of the mean one of its part: what hardly varies here may vary elsewhere.

    Args:
        embeddings: float32 (examples, width).
        parts: widths of the parts, one after the other; one for all if None.
    """
    deviation = embeddings.std(axis=0, dtype=np.float64)
    ends = np.cumsum(parts or [embeddings.shape[1]])
    for part in np.split(deviation, ends[:-1]):  # views
        np.maximum(part, 0.1 * part.mean() or 1.0, out=part)  # 1 where all examples are the same
    return embeddings.mean(axis=0, dtype=np.float64), deviation
