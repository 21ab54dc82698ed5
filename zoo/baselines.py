"""Simple models to hold a score against: fitted on the same training part, asked on the same held-out examples."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from zoo.data.dataset import Data

CELLS = 2_000_000  # numbers that a linear model is fitted on; some seconds on two cores


def outputs(data: Data, train: np.ndarray, held_out: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Outputs of the simple models that fit the task, on the held-out part.

    Classification: logistic regression; of text, TF-IDF with a linear support vector machine. Several labels: a
    logistic regression each. Regression: the training mean, and ridge. Forecasting: persistence, and a linear
    autoregression on the same window. The most frequent class is not among them: every evaluation has it.

    Args:
        data: brings raw inputs, targets and task.
        train: the training part's inputs as a builder takes them, (examples, ...); images uint8 0-255.
        held_out: those of the held-out part.
        seed: of the choice of training examples, where there are too many for a linear model.

    Returns:
        name -> float (examples, classes or values); a name tells on how many examples the model was fitted, where
        those are not all.
    """
    targets = data.train.targets
    if data.input.get("kind") == "text" and data.task == "classification":
        return {"TF-IDF, linear SVM": _text(data)}
    rows, asked = flat(train), flat(held_out)
    chosen = few(rows, seed)
    note = "" if len(chosen) == len(rows) else f" ({len(chosen):,} examples)"
    rows, targets = rows[chosen], targets[chosen]
    if data.task == "forecasting":
        last = data.held_out.inputs[:, -1, data.input["target_position"]]
        persistence = np.repeat(last[:, None], targets.shape[1], axis=1)
        kernel, bias = ridge(rows, targets)
        return {"persistence": persistence, f"linear autoregression{note}": asked @ kernel + bias}
    if data.task == "regression":
        mean = np.repeat(data.train.targets.mean(axis=0, keepdims=True), len(asked), axis=0)
        kernel, bias = ridge(rows, targets)
        return {"mean": mean, f"ridge{note}": asked @ kernel + bias}
    return {f"logistic regression{note}": _logistic(rows, targets, asked, len(data.classes))}


def flat(inputs: np.ndarray) -> np.ndarray:
    """Inputs as a builder takes them, as rows: float32 (examples, width), pixels 0-1, padding 0."""
    rows = inputs.reshape(len(inputs), -1).astype(np.float32)
    return rows / 255 if inputs.dtype == np.uint8 else np.nan_to_num(rows)


def few(rows: np.ndarray, seed: int = 0) -> np.ndarray:
    """Positions of as many rows as a linear model is fitted on within some seconds, int64, in order."""
    most = max(100, CELLS // rows.shape[1])
    return np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])


def ridge(rows: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kernel float (width, values) and bias float (values,) of a ridge regression, its penalty by cross-validation."""
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(alphas=np.logspace(-3, 3, 13)).fit(rows, targets)
    return np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)


def _logistic(rows: np.ndarray, targets: np.ndarray, asked: np.ndarray, count: int) -> np.ndarray:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # A hundred steps: what the last digit of a baseline would still gain is not worth the wait, nor a warning.
    model = LogisticRegression(tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _probabilities(model, rows, targets, asked, count)


def _probabilities(model: Any, rows: np.ndarray, targets: np.ndarray, asked: np.ndarray, count: int) -> np.ndarray:
    if targets.ndim == 1:
        model.fit(rows, targets)
        result = np.zeros((len(asked), count))
        result[:, model.classes_] = model.predict_proba(asked)
        return result
    columns = []
    for label in targets.T:  # a label that all or none have needs no model
        same = len(set(label.tolist())) == 1
        columns.append(
            np.full(len(asked), float(label[0])) if same else model.fit(rows, label).predict_proba(asked)[:, 1]
        )
    return np.stack(columns, axis=1)


def _text(data: Data) -> np.ndarray:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())
    model.fit(list(data.train.inputs), data.train.targets)
    return np.eye(len(data.classes))[model.predict(list(data.held_out.inputs))]
