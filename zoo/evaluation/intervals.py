"""95 % intervals of scores, and of the difference of two models on the same examples."""

from __future__ import annotations

import numpy as np

RESAMPLES = 2000  # of a mean; Efron and Tibshirani 1993, section 13.3: 1,000 and more for an interval
MANY, PIECES = 10_000, 20  # examples up to which means are drawn in so many pieces, rather than one by one
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
    """Interval of the mean of `gaps`, the differences of two models on each example.

    Gaps of 1, 0 and -1, as of predictions that are right or wrong, have the interval of two proportions. Other gaps
    have the wider ends of two intervals: Student's, which holds for heavy tails, and the bootstrap of the mean in units
    of its error, which holds for skewed gaps.

    Args:
        gaps: float (examples,).
        seed: of the resamples.

    Returns:
        The ends; (0, 0) where all gaps are 0, and (-inf, inf) where there are fewer than two or one is NaN.

    Source: Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions"; Efron and
        Tibshirani 1993, "An Introduction to the Bootstrap", section 12.5, the bootstrap-t interval.
    """
    gaps = np.asarray(gaps, np.float64)
    if len(gaps) < 2 or not np.isfinite(gaps).all():
        return float("-inf"), float("inf")
    if not gaps.any():
        return 0.0, 0.0
    if np.isin(gaps, (-1, 0, 1)).all():
        return matched(int((gaps > 0).sum()), int((gaps < 0).sum()), len(gaps))
    mean, error = gaps.mean(), gaps.std()
    (low, high), half = _resampled(gaps, seed), _student(len(gaps))
    return float(mean - max(high, half) * error), float(mean - min(low, -half) * error)


def _student(count: int) -> float:
    """How many deviations of the gaps the end of Student's interval of their mean is from it."""
    from scipy.stats import t

    return float(t.ppf(0.975, count - 1) / np.sqrt(count - 1))


def _resampled(gaps: np.ndarray, seed: int) -> tuple[float, float]:
    """2.5th and 97.5th percentile of how many of its own deviations the mean of a resample is from that of `gaps`."""
    rng, count, distances = np.random.default_rng(seed), len(gaps), []
    for size in [RESAMPLES // PIECES] * PIECES if count <= MANY else [1] * RESAMPLES:
        drawn = gaps[rng.integers(0, count, (size, count))]
        spread = drawn.std(axis=1)
        distances.append((drawn.mean(axis=1) - gaps.mean())[spread > 0] / spread[spread > 0])
    together = np.concatenate(distances)
    low, high = np.quantile(together, [0.025, 0.975]) if len(together) else (0.0, 0.0)
    return float(low), float(high)


def matched(better: int, worse: int, count: int) -> tuple[float, float]:
    """Interval of the share of `count` examples that one model alone gets right less that of another.

    Half an example is added to each of the four cells of the table of right and wrong.
    """
    total = count + 2
    difference = (better - worse) / total
    half = Z * np.sqrt(max(0.0, (better + worse + 1) / total - difference**2) / total)
    return float(max(-1.0, difference - half)), float(min(1.0, difference + half))
