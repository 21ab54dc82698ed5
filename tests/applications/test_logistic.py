"""Our logistic regressions have the minimum of scikit-learn's, from any start."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from applications import logistic

pytestmark = pytest.mark.numerical


def examples(count: int, width: int, classes: int, several: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, width)).astype(np.float32)
    logits = rows @ rng.normal(size=(width, classes)) + rng.normal(size=(count, classes))
    return rows, (logits > 0.5).astype(np.int64) if several else logits.argmax(axis=1)


def probabilities(rows: np.ndarray, kernel: np.ndarray, bias: np.ndarray, several: bool) -> np.ndarray:
    logits = rows @ kernel + bias
    if several:
        return 1 / (1 + np.exp(-logits))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def scikit_learns(rows: np.ndarray, targets: np.ndarray, strength: float, weighted: bool) -> np.ndarray:
    weights = "balanced" if weighted else None
    model = LogisticRegression(C=strength, class_weight=weights, max_iter=10_000, tol=1e-9)
    return model.fit(rows.astype(np.float64), targets).predict_proba(rows)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(20, 80),
    width=st.integers(1, 30),
    classes=st.integers(2, 5),
    strength=st.sampled_from([1e-4, 1e-2, 1.0]),
    weighted=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_classes(count: int, width: int, classes: int, strength: float, weighted: bool, seed: int) -> None:
    rows, targets = examples(count, width, classes, False, seed)
    known = np.unique(targets)
    fit = logistic.Regressions(targets, classes, several=False, weighted=weighted, tolerance=1e-6)
    kernel, bias = fit.fit(rows, strength)
    said = probabilities(rows, kernel, bias - fit.prior, False)
    assert (said[:, np.setdiff1d(np.arange(classes), known)] < 1e-10).all()
    if len(known) == 1:
        assert (said[:, known] > 1 - 1e-10).all()
        return
    np.testing.assert_allclose(said[:, known], scikit_learns(rows, targets, strength, weighted), atol=3e-3)


@settings(max_examples=25, deadline=None)
@given(strength=st.sampled_from([1e-4, 1e-2, 1.0]), labels=st.integers(1, 4), seed=st.integers(0, 1000))
def test_labels(strength: float, labels: int, seed: int) -> None:
    rows, targets = examples(60, 12, labels, True, seed)
    targets = np.hstack([targets, np.ones((60, 1), int), np.zeros((60, 1), int)])
    fit = logistic.Regressions(targets, labels + 2, several=True, weighted=False, tolerance=1e-6)
    said = probabilities(rows, *fit.fit(rows, strength), True)
    assert (said[:, -2] > 1 - 1e-10).all() and (said[:, -1] < 1e-10).all()
    for label in range(labels):
        if 0 < targets[:, label].mean() < 1:
            reference = scikit_learns(rows, targets[:, label], strength, False)[:, 1]
            np.testing.assert_allclose(said[:, label], reference, atol=3e-3)


def test_a_fit_from_the_strength_before_is_that_from_nothing() -> None:
    rows, targets = examples(200, 40, 4, False, 0)
    how = {"several": False, "weighted": False, "tolerance": 1e-6}
    path = logistic.Regressions(targets, 4, **how)
    for strength in (1e-3, 1e-2, 1e-1):
        along = path.fit(rows, strength)
    alone = logistic.Regressions(targets, 4, **how).fit(rows, 1e-1)
    np.testing.assert_allclose(*(probabilities(rows, *each, False) for each in (along, alone)), atol=2e-3)


def test_it_ends_where_all_is_said() -> None:
    """Separable examples without a penalty to speak of, and examples that are all alike."""
    rows, targets = examples(50, 60, 3, False, 1)
    fit = logistic.Regressions(targets, 3, several=False, weighted=False, tolerance=0.0)
    kernel, bias = fit.fit(rows, 1e8)
    assert np.isfinite(kernel).all() and (probabilities(rows, kernel, bias, False).argmax(axis=1) == targets).all()
    same = logistic.Regressions(targets, 3, several=False, weighted=False, tolerance=0.0)
    said = probabilities(rows[:1], *same.fit(np.zeros_like(rows), 1.0), False)
    np.testing.assert_allclose(said[0], np.bincount(targets, minlength=3) / 50, atol=1e-3)
