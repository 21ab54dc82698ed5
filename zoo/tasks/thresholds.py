"""The score above which an example is an anomaly, set on scores of normal examples that were not learnt from."""

from __future__ import annotations

import numpy as np

from zoo.errors import InputError


def check_rate(false_alarms: float, name: str = "false_alarms") -> None:
    """Raise InputError unless `false_alarms`, an argument called `name`, is in (0, 1)."""
    if not 0 < false_alarms < 1:
        raise InputError(f"expected {name} between 0 and 1, received {false_alarms}")


def threshold(scores: np.ndarray, false_alarms: float) -> float:
    """The score that a new normal example exceeds with a probability of at most `promised`.

    Args:
        scores: float (examples,), of normal examples that were not learnt from.
        false_alarms: in (0, 1).

    Source: the quantile of split conformal prediction, Lei et al. 2018, "Distribution-Free Predictive Inference for
        Regression", section 2.2.
    """
    return float(np.sort(scores)[_rank(len(scores), false_alarms) - 1])


def _rank(count: int, false_alarms: float) -> int:
    return min(int(np.ceil((count + 1) * (1 - false_alarms) - 1e-9)), count)


def promised(count: int, false_alarms: float) -> float:
    """The share of false alarms that `count` scores can promise: no less than that of a new largest one among them."""
    return max(false_alarms, 1 / (count + 1))


def between(count: int, false_alarms: float) -> tuple[float, float]:
    """95 % interval of the share of false alarms on new examples, with a threshold that `count` scores set.

    Source: Vovk 2012, "Conditional Validity of Inductive Conformal Predictors", section 2: the share has a beta
        distribution.
    """
    from scipy.stats import beta

    rank = _rank(count, false_alarms)
    low, high = beta.ppf([0.025, 0.975], count + 1 - rank, rank)
    return float(low), float(high)
