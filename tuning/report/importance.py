"""Which hyperparameters matter: what a random forest loses when one of them is shuffled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from tuning.results import SearchResult, TrialResult

FEWEST = 10  # different scores; a forest on fewer tells nothing
TREES = 300
SHUFFLES = 10
DECADES = 30  # largest over smallest value from which on a logarithm shows more; draws from 1e-4 to 1e-2 pass it
ABSENT = "not set"


class Importance(NamedTuple):
    """The share of one hyperparameter in what the forest explains; `spread` is its standard deviation over shuffles."""

    name: str
    importance: float
    spread: float


class Explanation(NamedTuple):
    """Hyperparameters, the most important first.

    Attributes:
        importances: empty with too few trials.
        explained: out-of-bag R² of the forest, the share of the scores' variance that it explains; it may be
            negative. None with too few trials, or where no hyperparameter varies.
    """

    importances: list[Importance]
    explained: float | None


class Column(NamedTuple):
    """A hyperparameter over many trials.

    Attributes:
        name: of the hyperparameter.
        kind: ``number`` where every value is a finite one, else ``category``.
        log: numbers that span decades.
        levels: different values, as text, absent ones left out: numbers in rising order, categories as they appear.
        absent: a trial has none, as hyperparameters that hang on another one.
    """

    name: str
    kind: Literal["number", "category"]
    log: bool
    levels: tuple[str, ...]
    absent: bool

    @property
    def varies(self) -> bool:
        """Whether two trials differ in it."""
        return len(self.levels) + self.absent > 1


def columns(trials: Iterable[TrialResult]) -> list[Column]:
    """Every hyperparameter of the trials, in the order in which they appear."""
    trials = list(trials)
    found = []
    for name in dict.fromkeys(name for trial in trials for name in trial.values):
        values = [trial.values[name] for trial in trials if name in trial.values]
        absent = len(values) < len(trials)
        if all(map(is_number, values)):
            levels = sorted({float(value) for value in values})
            log = decades(levels)
            found.append(Column(name, "number", log, tuple(f"{level:.12g}" for level in levels), absent))
        else:
            found.append(Column(name, "category", False, tuple(dict.fromkeys(map(level_of, values))), absent))
    return found


def decades(values: Sequence[float]) -> bool:
    """Whether positive numbers span so much that they are better seen by their logarithm."""
    return bool(values) and min(values) > 0 and max(values) / min(values) >= DECADES


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; True and False are not."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def level_of(value: Any) -> str:
    """The text of a category."""
    return value if isinstance(value, str) else repr(value.item() if isinstance(value, np.generic) else value)


def scored(trials: Iterable[TrialResult]) -> list[TrialResult]:
    """The trials that have a score, a finite one."""
    return [trial for trial in trials if trial.score is not None and math.isfinite(trial.score)]


def importances(result: SearchResult, seed: int = 0) -> list[Importance]:
    """How much each hyperparameter matters for the score; see `explain`.

    Args:
        result: of a search.
        seed: of the forest and of the shuffles.

    Returns:
        The hyperparameters that vary, the most important first. Shares add up to 1, or are all 0 where the forest
        explains nothing. Empty with fewer than `FEWEST` different scores.
    """
    return explain(result, seed).importances


def explain(result: SearchResult, seed: int = 0) -> Explanation:
    """Fit a random forest to the scores of the completed trials, and see what it loses without a hyperparameter.

    A hyperparameter's importance is the rise of the squared error when its values are shuffled between trials, by
    the predictions of the trees that have not seen the trial (Breiman 2001, Random Forests, section 10): a tree that
    has learnt noise by heart finds nothing of it there. That a forest on the trials of a search tells which
    hyperparameters matter is Hutter, Hoos and Leyton-Brown 2014, An Efficient Approach for Assessing Hyperparameter
    Importance; they take the variance of its marginals instead. A hyperparameter that is absent in a trial has a
    level of its own there. Scores far out, beyond three interquartile ranges (Tukey 1977), are moved to that border:
    one trial that diverged would be all that a squared error sees.

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
    # A leaf of two trials: with a single one the forest follows the noise of every score.
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
    found = [
        Importance(column.name, float(mean / total), float(spread / total))
        for column, mean, spread in zip(varying, means, rises.std(1, ddof=1), strict=True)
    ]
    return Explanation(sorted(found, key=lambda row: -row.importance), explained)


def _encoded(column: Column, trials: Sequence[TrialResult]) -> np.ndarray:
    """Float64 (trials, 1 or levels): a number as it is or its logarithm, a category as one-hot."""
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
    # Below all others, where one split of a tree sets the absent ones apart.
    return np.where(np.isnan(values), low - max(high - low, 1.0), values)[:, None]


def _fenced(scores: np.ndarray) -> np.ndarray:
    low, high = np.quantile(scores, (0.25, 0.75))
    reach = 3 * (high - low)
    return scores.clip(low - reach, high + reach) if reach else scores


def _out_of_bag_errors(forest: Any, inputs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean squared errors of trees that have not seen the trial.

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
    for tree, seen in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        unseen = np.ones(count, bool)
        unseen[seen] = False
        total += tree.predict(flat).reshape(versions, count) * unseen
        trees += unseen
    known = trees > 0
    return ((total[:, known] / trees[known] - scores[known]) ** 2).mean(1)
