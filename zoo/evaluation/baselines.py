"""Simple models to hold a score against: fitted on the same training part, asked on the same held-out examples.

Each takes some seconds at most, on two cores: where there are too many examples it is fitted on some of them, and its
name says on how many.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from zoo.data.dataset import Data

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


class Simple(NamedTuple):
    """A simple model: its name, the number of examples that it is fitted on at most, and how it answers."""

    name: str
    most: int
    answer: Answer


def outputs(data: Data, train: np.ndarray, held_out: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Outputs of the simple models that fit the task, on the held-out part.

    Forecasting: the last value, the season before, and a linear autoregression on the same window. Text: TF-IDF with a
    linear support vector machine, or ridge for numbers. All else: logistic regression, or ridge for numbers; nearest
    neighbours; a support vector machine with an RBF kernel, where the examples are few or narrow enough; and boosted
    trees for tables. For numbers the training mean, too. The most frequent class is not among them: every evaluation
    has it.

    Args:
        data: brings raw inputs, targets and task.
        train: the training part's inputs as a builder takes them, (examples, ...); images uint8 0-255.
        held_out: those of the held-out part.
        seed: of the choice of training examples, where there are too many, and of the trees.

    Returns:
        name -> float (examples, classes or values); a name tells on how many examples the model was fitted, where
        those are not all.
    """
    from threadpoolctl import threadpool_limits

    targets, found = data.train.targets, {}
    if data.task == "regression":
        found["mean"] = np.repeat(targets.mean(axis=0, keepdims=True, dtype=np.float64), len(held_out), axis=0)
    if data.input.get("kind") == "text":
        rows, asked = np.asarray(data.train.inputs, object), np.asarray(data.held_out.inputs, object)
        models = [_of_text(rows, data)]
    else:
        rows, asked = flat(train), flat(held_out)
        models = _of_rows(rows, asked, data, seed)
    if data.task == "forecasting":
        found |= _repeated(data)
        models = [Simple("linear autoregression", most_linear(rows), _linear)]
    order = np.random.default_rng(seed).permutation(len(rows))
    for name, most, answer in models:
        chosen = np.sort(order[:most])
        note = "" if len(chosen) == len(rows) else f" ({len(chosen):,} examples)"
        # Threads wait for each other longer than they work, where another process has the cores: up to fifty times.
        with threadpool_limits(1):
            found[name + note] = answer(rows[chosen], targets[chosen], asked)
    return found


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


def neighbours(count: int, rows: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Mean of the targets of the nearest rows: float (asked, classes or values), of `count` classes their shares."""
    values = targets if targets.ndim == 2 else np.eye(count)[targets]
    return values[nearest(rows, asked)[1]].mean(axis=1)


def most_near(rows: np.ndarray, asked: np.ndarray) -> int:
    """How many of `rows` are looked through for the neighbours of `asked` within some seconds."""
    each = len(asked) * (rows.shape[1] + 50)  # to rank a distance takes as long as so many products
    return min(len(rows), max(1000, int(PAIRS / each)))


def _of_rows(rows: np.ndarray, asked: np.ndarray, data: Data, seed: int) -> list[Simple]:
    """A linear model, nearest neighbours, a support vector machine and, of tables, boosted trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC, SVR

    numbers, count, width = data.task == "regression", len(data.classes), max(1, rows.shape[1])
    # A hundred steps: what the last digit of a baseline would still gain is not worth the wait.
    most = min(len(rows), max(most_linear(rows), int(WEIGHED / count / width)))
    linear = Simple("logistic regression", most, _each(partial(LogisticRegression, tol=1e-3), count))
    if numbers:
        linear = Simple("ridge", most_linear(rows), _linear)
    models = [linear, Simple("nearest neighbours", most_near(rows, asked), _clipped(partial(neighbours, count)))]
    # Training takes some of the square of the examples, and answering each of them for each that is asked.
    few, many = min(MACHINE[0], len(rows)), min(MACHINE[1], len(rows))
    most = int(np.sqrt(KERNEL / width / data.train.targets[0].size + len(asked) ** 2 / 4) - len(asked) / 2)
    if most >= few and count <= CLASSES:
        machine = _clipped(_each(SVR if numbers else SVC, count))
        models.append(Simple("SVM with RBF kernel", min(most, many), machine))
    if data.input.get("kind") == "table" and count <= CLASSES:
        rounds = int(np.clip(TREES // count, 10, 50))
        kind = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
        boosted = _each(partial(kind, max_iter=rounds, learning_rate=0.2, random_state=seed), count)
        models.append(Simple("boosted trees", min(len(rows), int(BINNED / rounds / count / width)), boosted))
    return models


def _each(make: Callable[[], Any], count: int) -> Answer:
    """By an estimator of scikit-learn: one for the classes, or one for each label or value.

    Args:
        make: gives it, unfitted.
        count: of classes, labels or values.
    """

    def answer(rows: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
        columns = targets.T if targets.ndim == 2 else targets[None]
        said = [_one(make, rows, column, asked) for column in columns]
        return np.stack(said, axis=1) if targets.ndim == 2 else np.eye(count)[said[0]]

    return answer


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


def _repeated(data: Data) -> dict[str, np.ndarray]:
    """The last value again; and, where it is nearer on the training part, the values of a season before."""
    steps, at = data.train.targets.shape[1], data.input["target_position"]

    def season(length: int, inputs: np.ndarray) -> np.ndarray:
        return inputs[:, inputs.shape[1] - length + np.arange(steps) % length, at]

    known, asked = data.train.inputs, data.held_out.inputs
    some = np.arange(0, len(known), max(1, len(known) // 2000))
    errors = [
        np.square(season(length, known[some]) - data.train.targets[some].astype(np.float64)).mean()
        for length in range(1, known.shape[1] + 1)
    ]
    best = 1 + int(np.argmax(errors <= ALIKE * min(errors)))  # a multiple of the season is as near
    found = {"persistence": season(1, asked)}
    return found if best == 1 else found | {f"the season before ({best} steps)": season(best, asked)}


def _of_text(texts: np.ndarray, data: Data) -> Simple:
    """TF-IDF of words and pairs of words, and a linear model."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    def answer(rows: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORDS)
        known = words.fit_transform(rows.tolist())
        by = _ridge_of_words if data.task == "regression" else _each(LinearSVC, len(data.classes))
        return by(known, targets, words.transform(asked.tolist()))

    name = "TF-IDF, ridge" if data.task == "regression" else "TF-IDF, linear SVM"
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
