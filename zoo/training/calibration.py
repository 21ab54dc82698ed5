"""Scores of training examples by networks that did not learn from them, to calibrate thresholds on."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.tasks.terms import HeldOutScores, SourcedScores
from zoo.training.compiling import SessionCache
from zoo.training.learning import InnerSplit, learn

if TYPE_CHECKING:
    import keras

    from zoo.training.preparing import Job
    from zoo.training.settings import Settings

FOLDS = 5


def calibration_scores(
    job: Job, network: keras.Model, settings: Settings, epochs: int, choosing: np.ndarray, seed: int
) -> HeldOutScores:
    """A function that scores examples which the network did not learn from.

    These are the examples that chose the epoch, if there are enough; else all, each scored by one of five networks
    that are trained in the same way on four fifths of the examples.

    Args:
        job: data and task.
        network: trained.
        settings: of its training, completed.
        epochs: of its training.
        choosing: positions in the training part of the examples that chose the best epoch.
        seed: of the folds, and of their training.

    Source: Vovk 2015, "Cross-conformal predictors".
    """

    def scores_of(answer: Callable[[Any, np.ndarray], np.ndarray], enough: Callable[[int], bool]) -> SourcedScores:
        if enough(len(choosing)):
            source = f"{len(choosing):,} training examples, not learnt from"
            return SourcedScores(answer(network, job.inputs[choosing]), source)
        scores, reuse = np.full(len(job.inputs), np.nan, np.float32), SessionCache()
        splits, rng = folds(job, seed), np.random.default_rng(seed)
        least = min((len(chosen) for chosen, _ in splits), default=0)  # of one number of steps, one graph serves all
        for number, (chosen, others) in enumerate(splits):
            random.seed(seed + number)  # Keras draws the seeds of its weights from it
            fold = network.untrained()
            split = InnerSplit((job.inputs, job.targets), None, np.sort(rng.permutation(chosen)[:least]))
            learn(job, fold, split, settings, seed, stop_at=max(1, epochs), reuse=reuse)
            scores[others] = answer(fold, job.inputs[others])
        if np.isnan(scores).any():
            source = f"{len(scores):,} training examples, learnt from: too few to hold out"
            return SourcedScores(answer(network, job.inputs), source)
        source = f"{len(scores):,} training examples, each scored by one of {FOLDS} networks that did not learn from it"
        return SourcedScores(scores, source)

    return scores_of


def folds(job: Job, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions to learn from and to score, for each fold; windows to learn from share no step with those to score."""
    from sklearn.model_selection import GroupKFold

    part, count = job.data.train, len(job.inputs)
    if job.data.task.inner_strata(part.targets) is None:
        window, places = max(1, job.data.kind.overlap), np.arange(count)
        blocks = np.array_split(places, FOLDS)
        apart = [(places < block[0] - window + 1) | (places > block[-1] + window - 1) for block in blocks if len(block)]
        splits = [(np.flatnonzero(train), block) for train, block in zip(apart, blocks, strict=False)]
        return [(train, block) for train, block in splits if len(train)]
    units = part.together
    if len(np.unique(units)) < FOLDS:
        return []
    return list(GroupKFold(FOLDS, shuffle=True, random_state=seed).split(units, groups=units))
