"""Simple models to hold a score against: fitted on the same training part, asked on the same held-out examples."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from zoo.data.dataset import Data, Inputs

CELLS = 2_000_000  # numbers that a linear model is fitted on; some seconds on two cores


def outputs(data: Data, train: Inputs, held_out: Inputs, seed: int = 0) -> dict[str, np.ndarray]:
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
    # Non-finite: padding.
    flat, asked = (np.nan_to_num(_flat(inputs)) for inputs in (train, held_out))
    most = max(100, CELLS // flat.shape[1])
    note = ""
    if len(flat) > most:
        chosen = np.random.default_rng(seed).permutation(len(flat))[:most]
        flat, targets, note = flat[chosen], targets[chosen], f" ({most:,} examples)"
    if data.task == "regression":
        mean = np.repeat(data.train.targets.mean(axis=0, keepdims=True), len(asked), axis=0)
        return {"mean": mean, f"ridge{note}": _ridge(flat, targets, asked)}
    if data.task == "forecasting":
        last = data.held_out.inputs[:, -1, data.input["target_position"]]
        steps = targets.shape[1]
        persistence = np.repeat(last[:, None], steps, axis=1)
        return {"persistence": persistence, f"linear autoregression{note}": _ridge(flat, targets, asked)}
    return {f"logistic regression{note}": _logistic(flat, targets, asked, len(data.classes))}


def _flat(inputs: Inputs) -> np.ndarray:
    values = np.asarray(inputs)
    flat = values.reshape(len(values), -1).astype(np.float32)
    return flat / 255 if values.dtype == np.uint8 else flat


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


def _ridge(rows: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(alphas=np.logspace(-3, 3, 13)).fit(rows, targets)
    return model.predict(asked).reshape(len(asked), -1)


def _text(data: Data) -> np.ndarray:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())
    model.fit(list(data.train.inputs), data.train.targets)
    return np.eye(len(data.classes))[model.predict(list(data.held_out.inputs))]
