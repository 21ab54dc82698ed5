"""Simple models to compare a score with: fitted on the same training part, scored on the same held-out examples.

Each takes some seconds at most on two cores. If there are too many examples, it is fitted on some of them, and its name
has their number.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from zoo.evaluation.units import Units

CELLS = 2_000_000  # numbers to fit a linear model on, at most
WEIGHED = 1e8  # numbers to fit a logistic regression on, times its classes
PAIRS = 3e10  # products in all distances between neighbours
KERNEL = 2e9  # the same for a support vector machine, which has no fast matrix product
MACHINE = (1000, 5000)  # examples for a support vector machine: fewer are too few, more take too long
TREES = 1000  # boosted trees of all classes together
CLASSES = 100  # above these, a model for each class, or for each pair, takes too long
BINNED = 5e8  # numbers for all trees to look at
CHARACTERS = 20_000_000  # of texts
NEIGHBOURS = 5
ALIKE = 1.2  # squared errors, over the least
OUTLIER = 3.0  # deviations; without clipping, a nearly constant column would dominate the distances
WORDS = r"\w+|[^\w\s]"  # exclamation marks and emoji matter too, and every text has a word

Answer = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""A function from rows, their targets, and rows to predict, to float (queries, classes or values)."""


@dataclass(frozen=True)
class Examples:
    """Examples to fit simple models on, and to score them on.

    Attributes:
        inputs: of the training part, as a builder takes them, (examples, ...); images uint8 0-255.
        targets: of the training part, (examples,) or (examples, values).
        held_out: inputs of the held-out part.
        raw: both, as a reader returns them.
        kind: of the inputs, as `zoo.data.kind.Kind`.
        seed: of the choice of training examples, where there are too many, and of the trees.
        units: of each example of both parts, where it has one of its own.
    """

    inputs: np.ndarray
    targets: np.ndarray
    held_out: np.ndarray
    raw: tuple[Any, Any]
    kind: Any
    seed: int = 0
    units: tuple[Units, Units] | None = None

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Training and held-out inputs for simple models: rows of numbers, or texts."""
        return self.kind.plain(self.inputs, self.raw[0]), self.kind.plain(self.held_out, self.raw[1])


class Simple(NamedTuple):
    """A simple model: its name, the largest number of examples to fit it on, and its function."""

    name: str
    most: int
    answer: Answer


def classifiers(examples: Examples, count: int, *, several: bool = False) -> dict[str, np.ndarray]:
    """Outputs of classifiers of scikit-learn: float (queries, classes), 1 for the predicted class else 0, or shares.

    Of texts TF-IDF with a linear support vector machine; else logistic regression, nearest neighbours, a support vector
    machine with an RBF kernel, where the examples are few or narrow enough; and boosted trees for tables. The most
    frequent class is not among them: every evaluation has it.

    Args:
        examples: targets are positions of the classes, or labels (examples, labels) of 0 and 1.
        count: of classes or labels.
        several: whether an example may have several.

    Returns:
        name -> float (queries, classes); a name has the number of examples if the model was not fitted on all.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC, LinearSVC

    def each(make: Callable[[], Any]) -> Answer:
        return _columns(make) if several else _one_hot(make, count)

    def nearest_classes(rows: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
        return neighbours(rows, targets if several else np.eye(count)[targets], queries)

    rows, _ = examples.rows
    if examples.kind.words:
        return _answers(examples, [_of_text(rows, "TF-IDF, linear SVM", each(LinearSVC))])
    width = max(1, rows.shape[1])
    # A hundred steps: what the last digit of a baseline would still gain is not worth the wait.
    most = min(len(rows), max(most_linear(rows), int(WEIGHED / count / width)))
    linear = Simple("logistic regression", most, each(partial(LogisticRegression, tol=1e-3)))
    trees = partial(HistGradientBoostingClassifier, random_state=examples.seed)
    return _answers(
        examples, [linear, *_others(examples, count, nearest_classes, each(SVC), lambda n: each(_boosted(trees, n)))]
    )


def regressors(examples: Examples) -> dict[str, np.ndarray]:
    """Outputs of regressors of scikit-learn: name -> float (queries, values); see `classifiers`.

    They are the training mean, ridge regression (on TF-IDF for texts), and the other models of `classifiers`.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.svm import SVR

    (rows, queries), targets = examples.rows, examples.targets
    outputs = {"mean": np.repeat(targets.mean(axis=0, keepdims=True, dtype=np.float64), len(queries), axis=0)}
    if examples.kind.words:
        return outputs | _answers(examples, [_of_text(rows, "TF-IDF, ridge", _ridge_of_words)])
    trees = partial(HistGradientBoostingRegressor, random_state=examples.seed)
    others = _others(examples, targets.shape[1], neighbours, _columns(SVR), lambda n: _columns(_boosted(trees, n)))
    return outputs | _answers(examples, [Simple("ridge", most_linear(rows), _linear), *others])


def forecasts(examples: Examples) -> dict[str, np.ndarray]:
    """The last value, the season before, and a linear autoregression on the same window; see `classifiers`."""
    rows, _ = examples.rows
    linear = Simple("linear autoregression", most_linear(rows), _linear)
    if examples.units is None:
        return _repeated(examples) | _answers(examples, [linear])
    learnt, asked = examples.units
    answers = _answers(replace(examples, targets=learnt.scaled(examples.targets)), [linear])
    return _repeated(examples) | {name: asked.restored(values) for name, values in answers.items()}


def _answers(examples: Examples, models: Sequence[Simple]) -> dict[str, np.ndarray]:
    from threadpoolctl import threadpool_limits

    (rows, queries), outputs = examples.rows, {}
    order = np.random.default_rng(examples.seed).permutation(len(rows))
    for name, most, answer in models:
        chosen = np.sort(order[:most])
        note = "" if len(chosen) == len(rows) else f" ({len(chosen):,} examples)"
        # Threads wait for each other longer than they work, where another process has the cores: up to fifty times.
        with threadpool_limits(1):
            outputs[name + note] = answer(rows[chosen], examples.targets[chosen], queries)
    return outputs


def _others(
    examples: Examples, count: int, neighbours_of: Answer, machine: Answer, boosted: Callable[[int], Answer]
) -> list[Simple]:
    """Nearest neighbours, a support vector machine and, of tables, boosted trees, each with its number of rounds."""
    (rows, queries), width = examples.rows, max(1, examples.rows[0].shape[1])
    models = [Simple("nearest neighbours", most_near(rows, queries), _clipped(neighbours_of))]
    # Training takes some of the square of the examples, and predicting compares each of them with each new one.
    few, many = min(MACHINE[0], len(rows)), min(MACHINE[1], len(rows))
    most = int(np.sqrt(KERNEL / width / examples.targets[0].size + len(queries) ** 2 / 4) - len(queries) / 2)
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


def nearest(rows: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of `rows` to each of `queries`.

    Returns:
        distances, float (queries, neighbours), nearest first, and positions in `rows`, int64.
    """
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(rows)), algorithm="brute").fit(rows).kneighbors(queries)


def neighbours(rows: np.ndarray, values: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Mean of the `values` of the nearest rows: float (queries, values)."""
    return values[nearest(rows, queries)[1]].mean(axis=1)


def most_near(rows: np.ndarray, queries: np.ndarray) -> int:
    """How many of `rows` are looked through for the neighbours of `queries` within some seconds."""
    each = len(queries) * (rows.shape[1] + 50)  # to rank a distance takes as long as so many products
    return min(len(rows), max(1000, int(PAIRS / each)))


def _columns(make: Callable[[], Any]) -> Answer:
    """By estimators of scikit-learn, which `make` gives unfitted, one for each label or value."""
    return lambda rows, targets, queries: np.stack([_one(make, rows, column, queries) for column in targets.T], axis=1)


def _one_hot(make: Callable[[], Any], count: int) -> Answer:
    """By a classifier of scikit-learn: 1 for the class that it gives."""
    return lambda rows, targets, queries: np.eye(count)[_one(make, rows, targets, queries)]


def _one(make: Callable[[], Any], rows: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """What an estimator says, like `targets` (queries,)."""
    from sklearn.exceptions import ConvergenceWarning

    if (targets == targets[0]).all():  # there is nothing to learn
        return np.repeat(targets[:1], len(queries))
    scaled, middle, spread = (targets, 0, 1) if targets.dtype.kind == "i" else _in_deviations(targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make().fit(rows, scaled).predict(queries) * spread + middle


def _clipped(answer: Answer) -> Answer:
    """On rows without outliers."""
    return lambda rows, targets, queries: answer(
        np.clip(rows, -OUTLIER, OUTLIER), targets, np.clip(queries, -OUTLIER, OUTLIER)
    )


def _linear(rows: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
    kernel, bias = ridge(rows, targets)
    return queries @ kernel + bias


def _repeated(examples: Examples) -> dict[str, np.ndarray]:
    """The last value again; and, where it is nearer on the training part, the values of a season before."""
    steps, at = examples.targets.shape[1], examples.kind.target_position

    def season(length: int, inputs: np.ndarray) -> np.ndarray:
        return inputs[:, inputs.shape[1] - length + np.arange(steps) % length, at]

    train, queries = examples.raw
    sample = np.arange(0, len(train), max(1, len(train) // 2000))
    own = None if examples.units is None else examples.units[0].chosen(sample)

    def wide(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float64) if own is None else own.scaled(values)

    errors = [
        np.square(wide(season(length, train[sample])) - wide(examples.targets[sample])).mean()
        for length in range(1, train.shape[1] + 1)
    ]
    best = 1 + int(np.argmax(errors <= ALIKE * min(errors)))  # a multiple of the season is as near
    outputs = {"persistence": season(1, queries)}
    return outputs if best == 1 else outputs | {f"the season before ({best} steps)": season(best, queries)}


def _of_text(texts: np.ndarray, name: str, by: Answer) -> Simple:
    """A linear model on TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    def answer(rows: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORDS)
        known = words.fit_transform(rows.tolist())
        return by(known, targets, words.transform(queries.tolist()))

    length = max(1, sum(map(len, texts)) // len(texts))
    return Simple(name, min(len(texts), CHARACTERS // length), answer)


def _ridge_of_words(rows: Any, targets: np.ndarray, queries: Any) -> np.ndarray:
    """Ridge on a sparse matrix, its penalty by cross-validation in folds: to leave one out would take minutes."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    penalties = {"alpha": (0.03, 0.1, 0.3, 1, 3, 10)}
    scaled, middle, spread = _in_deviations(targets)
    model = GridSearchCV(Ridge(solver="sparse_cg", tol=1e-3), penalties, cv=min(3, len(targets))).fit(rows, scaled)
    return model.predict(queries).reshape(queries.shape[0], -1) * spread + middle
