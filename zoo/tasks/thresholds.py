"""The score above which an example is an anomaly, set on scores of normal examples that were not learnt from."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.errors import InputError
from zoo.training.compiling import Reuse
from zoo.training.learning import Sides, learn
from zoo.training.preparing import Prepared

if TYPE_CHECKING:
    from zoo.builders.models import Autoencoder

FOLDS = 5


class Usual(NamedTuple):
    """Scores of normal examples, float32 (examples,), and in words where they are from."""

    scores: np.ndarray
    source: str


def check_rate(false_alarms: float) -> None:
    """Raise InputError unless `false_alarms` is in (0, 1)."""
    if not 0 < false_alarms < 1:
        raise InputError(f"expected false_alarms between 0 and 1, received {false_alarms}")


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


def usual(
    task: Prepared,
    network: Autoencoder,
    settings: Mapping[str, Any],
    epochs: int,
    choosing: np.ndarray,
    false_alarms: float,
    seed: int,
) -> Usual:
    """What a trained network says of normal examples that it did not learn from.

    Those that chose the epoch, if there are enough of them for the share of false alarms; else all, each scored by one
    of five networks that are trained as this one was, each on four fifths of the examples.

    Args:
        task: what was learnt.
        network: trained.
        settings: of its training, as `zoo.training.learning.settled` gives them.
        epochs: that it was trained.
        choosing: positions in the training part of the examples that chose the epoch.
        false_alarms: share of normal examples that may be over the threshold.
        seed: of the folds, and of their training.

    Source: Vovk 2015, "Cross-conformal predictors".
    """
    if (len(choosing) + 1) * false_alarms >= 1:
        return Usual(network.score(task.inputs[choosing]), f"{len(choosing):,} training examples, not learnt from")
    scores, reuse = np.full(len(task.inputs), np.nan, np.float32), Reuse()
    folds, rng = _folds(task, seed), np.random.default_rng(seed)
    least = min((len(chosen) for chosen, _ in folds), default=0)  # of one number of steps, one graph serves all
    for number, (chosen, asked) in enumerate(folds):
        random.seed(seed + number)  # which Keras draws the seeds of its weights from
        fold = type(network).from_config(network.get_config())
        sides = Sides((task.inputs, task.targets), None, np.sort(rng.permutation(chosen)[:least]))
        learn(task, fold, sides, settings, seed, stop_at=max(1, epochs), reuse=reuse)
        scores[asked] = fold.score(task.inputs[asked])
    if np.isnan(scores).any():
        return Usual(network.score(task.inputs), f"{len(scores):,} training examples, learnt from: too few to hold out")
    source = f"{len(scores):,} training examples, each scored by one of {FOLDS} networks that did not learn from it"
    return Usual(scores, source)


def _folds(task: Prepared, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions to learn from and to be scored, fold by fold; of windows those learnt share no step with the others."""
    from sklearn.model_selection import GroupKFold

    part, count = task.data.train, len(task.inputs)
    if task.data.task == "forecasting":
        window, places = task.data.input.get("window", 1), np.arange(count)
        blocks = np.array_split(places, FOLDS)
        apart = [(places < block[0] - window + 1) | (places > block[-1] + window - 1) for block in blocks if len(block)]
        found = [(np.flatnonzero(learnt), block) for learnt, block in zip(apart, blocks, strict=False)]
        return [(learnt, block) for learnt, block in found if len(learnt)]
    units = part.together
    if len(np.unique(units)) < FOLDS:
        return []
    return list(GroupKFold(FOLDS, shuffle=True, random_state=seed).split(units, groups=units))
