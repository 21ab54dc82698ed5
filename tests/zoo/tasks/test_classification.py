"""Scores of classes and of labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from zoo.tasks.classification import most_frequent
from zoo.tasks.multi_label import evaluate


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 200)
    probabilities = softmax(rng.normal(size=(200, 3)) + 2 * np.eye(3)[targets])
    found = evaluate(targets, probabilities, ("a", "b", "c"), most_frequent(targets), "test")
    predicted = probabilities.argmax(axis=1)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(targets, predicted))
    assert found.f1_macro == pytest.approx(metrics.f1_score(targets, predicted, average="macro"))
    assert found.roc_auc == pytest.approx(
        metrics.roc_auc_score(targets, probabilities / probabilities.sum(1, keepdims=True), multi_class="ovr")
    )
    assert found.confusion == metrics.confusion_matrix(targets, predicted).tolist()
    assert found.baseline == pytest.approx(np.bincount(targets).max() / 200)
    assert sum(row["support"] for row in found.classes.values()) == 200
    low, high = found.interval
    assert low < found.accuracy < high


def test_several_labels_are_right_only_together() -> None:
    targets = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.1], [0.3, 0.6]], np.float32)
    found = evaluate(targets, probabilities, ("a", "b"), np.array([1, 0]), "test")
    assert found.accuracy == 0.75 and found.baseline == 0.25 and found.confusion is None
    assert found.classes["b"]["recall"] == 0.5


def test_a_single_label_has_the_scores_of_those_that_have_it() -> None:
    targets, probabilities = np.array([[1], [1], [1], [0]]), np.array([[0.9], [0.8], [0.1], [0.7]], np.float32)
    found = evaluate(targets, probabilities, ("a",), np.array([1]), "test")
    assert found.accuracy == 0.5 and found.baseline == 0.75 and found.confusion is None
    assert found.classes == {
        "a": {
            "precision": pytest.approx(2 / 3),
            "recall": pytest.approx(2 / 3),
            "f1": pytest.approx(2 / 3),
            "support": 3,
            "predicted": 3,
            "roc_auc": pytest.approx(2 / 3),
        }
    }
    assert found.f1_macro == pytest.approx(2 / 3)


def test_a_class_without_examples_has_no_area() -> None:
    found = evaluate(np.array([0, 1]), np.eye(3, dtype=np.float32)[:2], ("a", "b", "c"), 0, "test")
    assert found.roc_auc is None and found.classes["c"]["roc_auc"] is None


def test_lengths_must_fit() -> None:
    with pytest.raises(ValueError, match="received 1, 2"):
        evaluate(np.array([0]), np.eye(2, dtype=np.float32), ("a", "b"), 0, "test")
