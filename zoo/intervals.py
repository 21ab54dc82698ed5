"""95 % intervals of scores, and of what two models differ by on the same examples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RESAMPLES = 2000  # of a mean; Efron and Tibshirani 1993, section 13.3: 1,000 and more for an interval
COSTLY = 1000  # where the score of a resample is more than a mean
MANY, PIECES = 10_000, 20  # examples up to which means are drawn in so many pieces, rather than one by one
BLOCKS = 100  # that are left out one at a time, to see how skewed a score is
Z = 1.959964  # 97.5th percentile of the normal distribution


def wilson(right: int, count: int) -> tuple[float, float]:
    """Interval of a proportion.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    share, spread = right / count, Z * Z / count
    centre = (share + spread / 2) / (1 + spread)
    half = Z * np.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def paired(gaps: np.ndarray, seed: int) -> tuple[float, float]:
    """Interval of the mean of `gaps`, what two models differ by on each example.

    Where each is 1, 0 or -1, as of answers that are right or wrong, that of two proportions, which has a width where
    all are 0 too; else by bootstrap over examples of the mean in units of its error, as gaps may be skewed.

    Args:
        gaps: float (examples,).
        seed: of the resamples.

    Source: Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions"; Efron and
        Tibshirani 1993, "An Introduction to the Bootstrap", section 12.5, the bootstrap-t interval.
    """
    gaps = np.asarray(gaps, np.float64)
    if np.isin(gaps, (-1, 0, 1)).all():
        return matched(int((gaps > 0).sum()), int((gaps < 0).sum()), len(gaps))
    rng, count = np.random.default_rng(seed), len(gaps)
    mean, error = gaps.mean(), gaps.std()
    sizes = [RESAMPLES // PIECES] * PIECES if count <= MANY else [1] * RESAMPLES
    apart = []
    for size in sizes:
        drawn = gaps[rng.integers(0, count, (size, count))]
        spread = drawn.std(axis=1)
        apart.append((drawn.mean(axis=1) - mean)[spread > 0] / spread[spread > 0])
    low, high = np.quantile(np.concatenate(apart), [0.025, 0.975]) if error > 0 else (0.0, 0.0)
    return float(mean - high * error), float(mean - low * error)


def matched(better: int, worse: int, count: int) -> tuple[float, float]:
    """Interval of the share of `count` examples that one model alone gets right less that of another.

    Half an example is added to each of the four cells of the table of right and wrong.
    """
    total = count + 2
    difference = (better - worse) / total
    half = Z * np.sqrt(max(0.0, (better + worse + 1) / total - difference**2) / total)
    return float(max(-1.0, difference - half)), float(min(1.0, difference + half))


def bootstrap(score: Callable[[np.ndarray], float], count: int, seed: int) -> tuple[float, float]:
    """Interval of a score of examples, by bootstrap over them, corrected for bias and skewness (BCa).

    Args:
        score: of the examples at some positions, int64; NaN where it has no value, as an area without one class.
        count: of the examples.
        seed: of the resamples.

    Source: Efron 1987, "Better Bootstrap Confidence Intervals"; for the acceleration, from blocks left out one at a
        time, Efron and Tibshirani 1993, "An Introduction to the Bootstrap", section 14.3.
    """
    rng, every = np.random.default_rng(seed), np.arange(count)
    found = np.array([score(rng.integers(0, count, count)) for _ in range(COSTLY)])
    blocks = np.array_split(rng.permutation(count), min(BLOCKS, count))
    left = np.array([score(np.delete(every, block)) for block in blocks])
    middle = np.nanmean(left) - left[np.isfinite(left)]
    skew = (middle**3).sum() / (6 * (middle**2).sum() ** 1.5) if middle.any() else 0.0
    return _corrected(found[np.isfinite(found)], score(every), skew)


def _corrected(found: np.ndarray, value: float, skew: float) -> tuple[float, float]:
    """The percentiles of resampled scores that bias and skewness ask for; `value` is the score of all examples."""
    from scipy.stats import norm

    if not len(found) or not np.isfinite(value):
        return float("-inf"), float("inf")
    below = ((found < value).sum() + (found == value).sum() / 2) / len(found)
    bias = norm.ppf(np.clip(below, 0.5 / len(found), 1 - 0.5 / len(found)))
    ends = bias + np.array([-Z, Z])
    shares = norm.cdf(bias + ends / (1 - skew * ends))
    low, high = np.quantile(found, shares)
    return float(low), float(high)
