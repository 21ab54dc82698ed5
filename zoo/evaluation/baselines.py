"""Simple models to hold a score against: fitted on the same training part, asked on the same held-out examples.

Each takes some seconds at most, on two cores: where there are too many examples it is fitted on some of them, and its
name says on how many.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

CELLS = 2_000_000  # numbers that a linear model is fitted on
WEIGHED = 1e8  # and a logistic regression on, times its classes
PAIRS = 3e10  # products in all distances between neighbours
KERNEL = 2e9  # the same of a support vector machine, which knows no fast matrix product
MACHINE = (1000, 5000)  # examples: on fewer of many it is no rival, on more it takes long however narrow they are
TREES = 1000  # boosted ones, of all classes together
CLASSES = 100  # above which a model for each, or for each pair, takes too long
BINNED = 5e8  # numbers that all trees look at
CHARACTERS = 20_000_000  # of texts
NEIGHBOURS = 5
ALIKE = 1.2  # squared errors, over the least
OUTLIER = 3.0  # deviations; further out a column that is nearly constant would decide who is near
WORDS = r"\w+|[^\w\s]"  # an exclamation mark and an emoji say something too; and no text is without any

Answer = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Rows, their targets and the rows that are asked for, to float (asked, classes or values)."""


@dataclass(frozen=True)
class Examples:
    """What simple models are fitted on, and asked.

    Attributes:
        inputs: of the training part, as a builder takes them, (examples, ...); images uint8 0-255.
        targets: of the training part, (examples,) or (examples, values).
        asked: inputs of the held-out part.
        raw: both as a reader has them.
        kind: of the inputs, as `zoo.data.kind.Kind`.
        seed: of the choice of training examples, where there are too many, and of the trees.
    """

    inputs: np.ndarray
    targets: np.ndarray
    asked: np.ndarray
    raw: tuple[Any, Any]
    kind: Any
    seed: int = 0

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Training and held-out inputs as simple models take them: rows of numbers, or texts."""
        return self.kind.plain(self.inputs, self.raw[0]), self.kind.plain(self.asked, self.raw[1])


class Simple(NamedTuple):
    """A simple model: its name, the number of examples that it is fitted on at most, and how it answers."""

    name: str
    most: int
    answer: Answer


def classifiers(examples: Examples, count: int, *, several: bool = False) -> dict[str, np.ndarray]:
    """What classifiers of scikit-learn say: float (asked, classes), 1 for what they decide and else 0, or shares.

    Of texts TF-IDF with a linear support vector machine; else logistic regression, nearest neighbours, a support vector
    machine with an RBF kernel, where the examples are few or narrow enough; and boosted trees for tables. The most
    frequent class is not among them: every evaluation has it.

    Args:
        examples: targets are positions of the classes, or labels (examples, labels) of 0 and 1.
        count: of classes or labels.
        several: whether an example may have several.

    Returns:
        name -> float (asked, classes); a name tells on how many examples the model was fitted, where those are not
        all.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC, LinearSVC

    def each(make: Callable[[], Any]) -> Answer:
        return _columns(make) if several else _one_hot(make, count)

    def near(rows: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return neighbours(rows, targets if several else np.eye(count)[targets], asked)

    rows, _ = examples.rows
    if examples.kind.words:
        return _asked(examples, [_of_text(rows, "TF-IDF, linear SVM", each(LinearSVC))])
    width = max(1, rows.shape[1])
    # A hundred steps: what the last digit of a baseline would still gain is not worth the wait.
    most = min(len(rows), max(most_linear(rows), int(WEIGHED / count / width)))
    linear = Simple("logistic regression", most, each(partial(LogisticRegression, tol=1e-3)))
    trees = partial(HistGradientBoostingClassifier, random_state=examples.seed)
    return _asked(examples, [linear, *_others(examples, count, near, each(SVC), lambda n: each(_boosted(trees, n)))])


def regressors(examples: Examples) -> dict[str, np.ndarray]:
    """What regressors of scikit-learn say: name -> float (asked, values); see `classifiers`.

    The training mean, ridge, of texts on TF-IDF, and what classes have too.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.svm import SVR

    (rows, asked), targets = examples.rows, examples.targets
    found = {"mean": np.repeat(targets.mean(axis=0, keepdims=True, dtype=np.float64), len(asked), axis=0)}
    if examples.kind.words:
        return found | _asked(examples, [_of_text(rows, "TF-IDF, ridge", _ridge_of_words)])
    trees = partial(HistGradientBoostingRegressor, random_state=examples.seed)
    others = _others(examples, targets.shape[1], neighbours, _columns(SVR), lambda n: _columns(_boosted(trees, n)))
    return found | _asked(examples, [Simple("ridge", most_linear(rows), _linear), *others])


def forecasts(examples: Examples) -> dict[str, np.ndarray]:
    """The last value, the season before, and a linear autoregression on the same window; see `classifiers`."""
    rows, _ = examples.rows
    return _repeated(examples) | _asked(examples, [Simple("linear autoregression", most_linear(rows), _linear)])


def _asked(examples: Examples, models: Sequence[Simple]) -> dict[str, np.ndarray]:
    from threadpoolctl import threadpool_limits

    (rows, asked), found = examples.rows, {}
    order = np.random.default_rng(examples.seed).permutation(len(rows))
    for name, most, answer in models:
        chosen = np.sort(order[:most])
        note = "" if len(chosen) == len(rows) else f" ({len(chosen):,} examples)"
        # Threads wait for each other longer than they work, where another process has the cores: up to fifty times.
        with threadpool_limits(1):
            found[name + note] = answer(rows[chosen], examples.targets[chosen], asked)
    return found


def _others(
    examples: Examples, count: int, near: Answer, machine: Answer, boosted: Callable[[int], Answer]
) -> list[Simple]:
    """Nearest neighbours, a support vector machine and, of tables, boosted trees, each with its number of rounds."""
    (rows, asked), width = examples.rows, max(1, examples.rows[0].shape[1])
    models = [Simple("nearest neighbours", most_near(rows, asked), _clipped(near))]
    # Training takes some of the square of the examples, and answering each of them for each that is asked.
    few, many = min(MACHINE[0], len(rows)), min(MACHINE[1], len(rows))
    most = int(np.sqrt(KERNEL / width / examples.targets[0].size + len(asked) ** 2 / 4) - len(asked) / 2)
    if most >= few and count <= CLASSES:
        models.append(Simple("SVM with RBF kernel", min(most, many), _clipped(machine)))
    if examples.kind.tabular and count <= CLASSES:
        rounds = int(np.clip(TREES // count, 10, 50))
        models.append(Simple("boosted trees", min(len(rows), int(BINNED / rounds / count / width)), boosted(rounds)))
    return models


def _boosted(make: Callable[..., Any], rounds: int) -> Callable[[], Any]:
    return partial(make, max_iter=rounds, learning_rate=0.2)


def flat(inputs: np.ndarray) -> np.ndarray:
    """Inputs as a builder takes them, as rows: float32 (examples, width), pixels 0-1, padding 0."""
    rows = inputs.reshape(len(inputs), -1).astype(np.float32)
    return rows / 255 if inputs.dtype == np.uint8 else np.nan_to_num(rows)


def most_linear(rows: np.ndarray) -> int:
    """How many of `rows` a linear model is fitted on within some seconds."""
    return min(len(rows), max(100, CELLS // rows.shape[1]))


def few(rows: np.ndarray, seed: int = 0) -> np.ndarray:
    """Positions of as many rows as a linear model is fitted on within some seconds, int64, in order."""
    return np.sort(np.random.default_rng(seed).permutation(len(rows))[: most_linear(rows)])


def ridge(rows: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kernel float64 (width, values) and bias float64 (values,) of a ridge regression, its penalty by cross-validation.

    One penalty serves all values, whatever their units.
    """
    from sklearn.linear_model import RidgeCV

    scaled, middle, spread = _in_deviations(targets)
    model = RidgeCV(alphas=np.logspace(-3, 3, 13)).fit(rows, scaled)
    return np.atleast_2d(model.coef_).T * spread, np.atleast_1d(model.intercept_) * spread + middle


def _in_deviations(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets with mean 0 and deviation 1, float64; and what they had. Squares of tiny and huge ones leave float32."""
    wide = targets.astype(np.float64)
    middle, spread = wide.mean(axis=0), wide.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    return (wide - middle) / spread, middle, spread


def nearest(rows: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of `rows` to each of `asked`.

    Returns:
        distances, float (asked, neighbours), nearest first, and positions in `rows`, int64.
    """
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(rows)), algorithm="brute").fit(rows).kneighbors(asked)


def neighbours(rows: np.ndarray, values: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Mean of the `values` of the nearest rows: float (asked, values)."""
    return values[nearest(rows, asked)[1]].mean(axis=1)


def most_near(rows: np.ndarray, asked: np.ndarray) -> int:
    """How many of `rows` are looked through for the neighbours of `asked` within some seconds."""
    each = len(asked) * (rows.shape[1] + 50)  # to rank a distance takes as long as so many products
    return min(len(rows), max(1000, int(PAIRS / each)))


def _columns(make: Callable[[], Any]) -> Answer:
    """By estimators of scikit-learn, which `make` gives unfitted, one for each label or value."""
    return lambda rows, targets, asked: np.stack([_one(make, rows, column, asked) for column in targets.T], axis=1)


def _one_hot(make: Callable[[], Any], count: int) -> Answer:
    """By a classifier of scikit-learn: 1 for the class that it gives."""
    return lambda rows, targets, asked: np.eye(count)[_one(make, rows, targets, asked)]


def _one(make: Callable[[], Any], rows: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """What an estimator says, like `targets` (asked,)."""
    from sklearn.exceptions import ConvergenceWarning

    if (targets == targets[0]).all():  # there is nothing to learn
        return np.repeat(targets[:1], len(asked))
    scaled, middle, spread = (targets, 0, 1) if targets.dtype.kind == "i" else _in_deviations(targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make().fit(rows, scaled).predict(asked) * spread + middle


def _clipped(answer: Answer) -> Answer:
    """On rows without outliers."""
    return lambda rows, targets, asked: answer(
        np.clip(rows, -OUTLIER, OUTLIER), targets, np.clip(asked, -OUTLIER, OUTLIER)
    )


def _linear(rows: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
    kernel, bias = ridge(rows, targets)
    return asked @ kernel + bias


def _repeated(examples: Examples) -> dict[str, np.ndarray]:
    """The last value again; and, where it is nearer on the training part, the values of a season before."""
    steps, at = examples.targets.shape[1], examples.kind.target_position

    def season(length: int, inputs: np.ndarray) -> np.ndarray:
        return inputs[:, inputs.shape[1] - length + np.arange(steps) % length, at]

    known, asked = examples.raw
    some = np.arange(0, len(known), max(1, len(known) // 2000))
    errors = [
        np.square(season(length, known[some]) - examples.targets[some].astype(np.float64)).mean()
        for length in range(1, known.shape[1] + 1)
    ]
    best = 1 + int(np.argmax(errors <= ALIKE * min(errors)))  # a multiple of the season is as near
    found = {"persistence": season(1, asked)}
    return found if best == 1 else found | {f"the season before ({best} steps)": season(best, asked)}


def _of_text(texts: np.ndarray, name: str, by: Answer) -> Simple:
    """A linear model on TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    def answer(rows: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORDS)
        known = words.fit_transform(rows.tolist())
        return by(known, targets, words.transform(asked.tolist()))

    length = max(1, sum(map(len, texts)) // len(texts))
    return Simple(name, min(len(texts), CHARACTERS // length), answer)


def _ridge_of_words(rows: Any, targets: np.ndarray, asked: Any) -> np.ndarray:
    """Ridge on a sparse matrix, its penalty by cross-validation in folds: to leave one out would take minutes."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    penalties = {"alpha": (0.03, 0.1, 0.3, 1, 3, 10)}
    scaled, middle, spread = _in_deviations(targets)
    model = GridSearchCV(Ridge(solver="sparse_cg", tol=1e-3), penalties, cv=min(3, len(targets))).fit(rows, scaled)
    return model.predict(asked).reshape(asked.shape[0], -1) * spread + middle
