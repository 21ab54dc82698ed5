"""Importance of hyperparameters, by permutation in a random forest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from tuning.results import SearchResult, TrialResult

FEWEST = 10  # different scores; fewer are too few for a forest
TREES = 300
SHUFFLES = 10
DECADES = 30  # ratio of the largest to the smallest value from which on a logarithmic axis is used
ABSENT = "not set"


class Importance(NamedTuple):
    """The share of one hyperparameter in the importances; `spread` is its standard deviation over shuffles."""

    name: str
    importance: float
    spread: float


class Explanation(NamedTuple):
    """Hyperparameters, the most important first.

    Attributes:
        importances: empty with too few trials.
        explained: out-of-bag R² of the forest, the share of the scores' variance that it explains; it may be
            negative. None with too few trials, or if no hyperparameter varies.
    """

    importances: list[Importance]
    explained: float | None


class Column(NamedTuple):
    """A hyperparameter over many trials.

    Attributes:
        name: of the hyperparameter.
        kind: ``number`` if every value is a finite number, else ``category``.
        log: whether numbers span decades.
        levels: different values, as text: numbers in rising order, categories as they appear.
        absent: whether a trial has no value, as of a hyperparameter that depends on another.
    """

    name: str
    kind: Literal["number", "category"]
    log: bool
    levels: tuple[str, ...]
    absent: bool

    @property
    def varies(self) -> bool:
        """Whether two trials have different values."""
        return len(self.levels) + self.absent > 1


def columns(trials: Iterable[TrialResult]) -> list[Column]:
    """Every hyperparameter of the trials, in the order in which they appear."""
    trials = list(trials)
    result = []
    for name in dict.fromkeys(name for trial in trials for name in trial.values):
        values = [trial.values[name] for trial in trials if name in trial.values]
        absent = len(values) < len(trials)
        if all(map(is_number, values)):
            levels = sorted({float(value) for value in values})
            log = decades(levels)
            result.append(Column(name, "number", log, tuple(f"{level:.12g}" for level in levels), absent))
        else:
            result.append(Column(name, "category", False, tuple(dict.fromkeys(map(level_of, values))), absent))
    return result


def decades(values: Sequence[float]) -> bool:
    """Whether positive numbers span so much that their logarithm is better to look at."""
    return bool(values) and min(values) > 0 and max(values) / min(values) >= DECADES


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; True and False are not."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def level_of(value: Any) -> str:
    """The text of a category."""
    return value if isinstance(value, str) else repr(value.item() if isinstance(value, np.generic) else value)


def scored(trials: Iterable[TrialResult]) -> list[TrialResult]:
    """The trials that have a finite score."""
    return [trial for trial in trials if trial.score is not None and math.isfinite(trial.score)]


def importances(result: SearchResult, seed: int = 0) -> list[Importance]:
    """The importance of each hyperparameter for the score; see `explain`.

    Args:
        result: of a search.
        seed: of the forest and of the shuffles.

    Returns:
        The hyperparameters that vary, the most important first. Shares add up to 1, or are all 0 if the forest
        explains nothing. Empty with fewer than `FEWEST` different scores.
    """
    return explain(result, seed).importances


def explain(result: SearchResult, seed: int = 0) -> Explanation:
    """Fit a random forest to the scores of the completed trials, and measure the importance of each hyperparameter.

    The importance is the rise of the squared error when the values of the hyperparameter are shuffled between trials.
    Only trees whose bootstrap sample lacks the trial predict it (Breiman 2001, Random Forests, section 10), so that
    noise that a tree memorised does not count. An absent value is a level of its own. Scores beyond three
    interquartile ranges (Tukey 1977) are clipped to that border, because a single diverged trial would dominate the
    squared error.

    The idea of a forest on the trials is that of Hutter, Hoos and Leyton-Brown 2014, An Efficient Approach for
    Assessing Hyperparameter Importance, who take the variance of its marginals instead.

    Args:
        result: of a search.
        seed: of the forest and of the shuffles.
    """
    trials = scored(result.trials)
    varying = [column for column in columns(trials) if column.varies]
    if len({trial.score for trial in trials}) < FEWEST or not varying:
        return Explanation([], None)
    from sklearn.ensemble import RandomForestRegressor

    blocks = [_encoded(column, trials) for column in varying]
    inputs = np.hstack(blocks)
    scores = _fenced(np.array([trial.score for trial in trials], np.float64))
    # At least two trials in a leaf: with one, the forest would follow the noise of every score.
    forest = RandomForestRegressor(TREES, min_samples_leaf=2, random_state=seed).fit(inputs, scores)
    rng = np.random.default_rng(seed)
    stacked = [inputs]
    ends = np.cumsum([block.shape[1] for block in blocks])
    for block, end in zip(blocks, ends, strict=True):
        for _ in range(SHUFFLES):
            shuffled = inputs.copy()
            shuffled[:, end - block.shape[1] : end] = block[rng.permutation(len(block))]
            stacked.append(shuffled)
    errors = _out_of_bag_errors(forest, np.stack(stacked), scores)
    explained = float(1 - errors[0] / scores.var())
    rises = (errors[1:] - errors[0]).reshape(len(varying), SHUFFLES)
    means = rises.mean(1).clip(0)
    total = means.sum()
    if explained <= 0 or total <= 0:
        return Explanation([Importance(column.name, 0.0, 0.0) for column in varying], explained)
    rows = [
        Importance(column.name, float(mean / total), float(spread / total))
        for column, mean, spread in zip(varying, means, rises.std(1, ddof=1), strict=True)
    ]
    return Explanation(sorted(rows, key=lambda row: -row.importance), explained)


def _encoded(column: Column, trials: Sequence[TrialResult]) -> np.ndarray:
    """A column as float64 (trials, 1 or levels): a number or its logarithm, or a one-hot category."""
    if column.kind == "category":
        levels = [*column.levels, *([None] if column.absent else [])]
        at = [
            levels.index(level_of(trial.values[column.name]) if column.name in trial.values else None)
            for trial in trials
        ]
        return np.eye(len(levels))[at]
    values = np.array([float(trial.values.get(column.name, np.nan)) for trial in trials])
    if column.log:
        values = np.log10(values)
    low, high = np.nanmin(values), np.nanmax(values)
    # Absent values are below all others, so that one split of a tree separates them.
    return np.where(np.isnan(values), low - max(high - low, 1.0), values)[:, None]


def _fenced(scores: np.ndarray) -> np.ndarray:
    low, high = np.quantile(scores, (0.25, 0.75))
    reach = 3 * (high - low)
    return scores.clip(low - reach, high + reach) if reach else scores


def _out_of_bag_errors(forest: Any, inputs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean squared errors of the out-of-bag predictions.

    Args:
        forest: fitted to the trials.
        inputs: (versions, trials, columns).
        scores: (trials,).

    Returns:
        float64 (versions,).
    """
    versions, count, _ = inputs.shape
    flat = inputs.reshape(versions * count, -1)
    total, trees = np.zeros((versions, count)), np.zeros(count)
    for tree, in_bag in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        out_of_bag = np.ones(count, bool)
        out_of_bag[in_bag] = False
        total += tree.predict(flat).reshape(versions, count) * out_of_bag
        trees += out_of_bag
    scored = trees > 0
    return ((total[:, scored] / trees[scored] - scores[scored]) ** 2).mean(1)
