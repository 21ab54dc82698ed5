"""Scores of every task held to scikit-learn and to plain formulas, and the parts of each to simulations."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from sklearn import metrics

from support.two_models import CLASSES, NUMBERS, TwoModels
from zoo.tasks.classification import Classification, most_frequent
from zoo.tasks.multi_label import MultiLabel, evaluate
from zoo.tasks.regression import Regression, RegressionEvaluation
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam

FOUR = ("a", "b", "c", "d")
TWO_NUMBERS = Regression(("a", "b"))
KINDS = ("ordinary", "absent class", "answered but absent", "one class", "ties", "all right")


def parts(name: str, task: Task, targets: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Those of the measure of that name; `output` is probabilities or numbers."""
    (measure,) = (each for each in task.measures if each.name == name)
    return measure.parts(task, targets, {task.outputs[0]: output})


def score(name: str, task: Task, targets: np.ndarray, output: np.ndarray) -> float:
    """The score by the measure of that name; `output` is probabilities or numbers."""
    (measure,) = (each for each in task.measures if each.name == name)
    return measure.score(task, targets, {task.outputs[0]: output})


def evaluated(targets: np.ndarray, values: np.ndarray) -> RegressionEvaluation:
    """Scores of two numbers."""
    return TWO_NUMBERS.evaluate(Exam("test", targets, {"prediction": values}))


def classes(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets out of four classes, and probabilities."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 80)
    if kind in ("absent class", "answered but absent", "all right"):
        targets = targets % 3
    if kind == "one class":
        targets = np.full(80, 2)
    likely = rng.random((80, 4)) + 1.5 * np.eye(4)[targets]
    if kind in ("absent class", "one class"):
        likely[:, 3] = 0.01
    if kind == "ties":
        likely = np.ceil(likely)
    if kind == "all right":
        likely = np.eye(4)[targets] + 0.01
    return targets, (likely / likely.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_classes_are_those_of_scikit_learn(kind: str) -> None:
    targets, likely = classes(kind)
    told, found = likely.argmax(axis=1), evaluate(targets, likely, FOUR, 0, "test")
    assert found.accuracy == np.mean(told == targets)
    assert found.f1_macro == pytest.approx(metrics.f1_score(targets, told, average="macro"))
    wide = likely.astype(np.float64)
    assert found.log_loss == pytest.approx(
        metrics.log_loss(targets, wide / wide.sum(axis=1, keepdims=True), labels=range(4))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a class is answered and absent
        expected = metrics.balanced_accuracy_score(targets, told)
    assert score("balanced_accuracy", Classification(FOUR), targets, likely) == pytest.approx(expected)
    columns = metrics.precision_recall_fscore_support(targets, told, labels=range(4), zero_division=0)
    often = np.bincount(told, minlength=4)
    for at, name in enumerate(FOUR):
        row = found.classes[name]
        expected = [*(column[at] for column in columns), often[at]]
        assert [row[key] for key in ("precision", "recall", "f1", "support", "predicted")] == pytest.approx(expected)
        has, rest = likely[targets == at, at], likely[targets != at, at]
        area = found.classes[name]["roc_auc"]
        assert (area is None) == (not len(has) or not len(rest))
        if area is not None:
            pairs = [(a > b) + (a == b) / 2 for a, b in itertools.product(has, rest)]
            assert area == pytest.approx(np.mean(pairs))
            assert area == pytest.approx(metrics.roc_auc_score(targets == at, likely[:, at]))
    if kind == "all right":
        assert (
            found.accuracy == found.f1_macro == score("balanced_accuracy", Classification(FOUR), targets, likely) == 1
        )


def labels(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Four labels, several an example, and probabilities."""
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 2, (60, 4))
    if kind == "absent class":
        targets[:, 3] = 0
    likely = np.clip(0.6 * targets + 0.5 * rng.random((60, 4)), 0, 1)
    return targets, np.round(likely, 1 if kind == "ties" else 6).astype(np.float32)


@pytest.mark.parametrize("kind", ["ordinary", "absent class", "ties"])
def test_scores_of_labels_are_those_of_scikit_learn(kind: str) -> None:
    targets, likely = labels(kind)
    told, found = likely >= 0.5, evaluate(targets, likely, FOUR, targets[0], "test")
    assert found.accuracy == metrics.accuracy_score(targets, told)
    assert found.f1_macro == pytest.approx(metrics.f1_score(targets, told, average="macro", zero_division=0))
    pairs = zip(targets.T, likely.astype(np.float64).T, strict=True)
    assert found.log_loss == pytest.approx(np.mean([metrics.log_loss(t, p, labels=[0, 1]) for t, p in pairs]))
    for at, name in enumerate(FOUR):
        pair, row = (targets[:, at], told[:, at]), found.classes[name]
        for key in ("precision", "recall", "f1"):
            scorer = getattr(metrics, f"{key}_score")
            assert row[key] == pytest.approx(scorer(*pair, zero_division=0))
        assert (row["support"], row["predicted"]) == (pair[0].sum(), pair[1].sum())
    if kind != "absent class":
        assert found.roc_auc == pytest.approx(metrics.roc_auc_score(targets, likely))


@pytest.mark.parametrize("unit", [1.0, 6e-10, 1e-25, 1e18, 1e30])
@pytest.mark.parametrize("kind", ["ordinary", "ties", "equal", "far from 0"])
def test_scores_of_numbers_are_those_of_scikit_learn_in_any_unit(unit: float, kind: str) -> None:
    rng = np.random.default_rng(2)
    targets = rng.normal(3, 2, (50, 2))
    if kind == "ties":
        targets = np.round(targets)
    if kind == "equal":
        targets[:, 1] = 4
    if kind == "far from 0":
        targets += 1000
    values = targets + rng.normal(0, 1, targets.shape)
    small = [(each * unit).astype(np.float32) for each in (targets, values)]
    found = evaluated(*small)
    wide = [each.astype(np.float64) for each in small]
    assert found.mse == pytest.approx(metrics.mean_squared_error(*wide)) and found.rmse == pytest.approx(found.mse**0.5)
    assert found.mae == pytest.approx(metrics.mean_absolute_error(*wide))
    assert found.r2 == pytest.approx(metrics.r2_score(*wide))
    assert found.values["a"]["r2"] == pytest.approx(metrics.r2_score(wide[0][:, 0], wide[1][:, 0]))
    mean = np.repeat(wide[0].mean(axis=0, keepdims=True), 50, axis=0)
    if kind != "equal":
        assert evaluated(small[0], mean).r2 == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_measure_is_what_an_evaluation_says(kind: str) -> None:
    targets, likely = classes(kind)
    found = evaluate(targets, likely, FOUR, most_frequent(targets), "test")
    for name in ("accuracy", "f1_macro", "log_loss"):
        assert score(name, Classification(FOUR), targets, likely) == pytest.approx(getattr(found, name))
    there = [row["roc_auc"] for row in found.classes.values() if row["roc_auc"] is not None]
    assert score("roc_auc", Classification(FOUR), targets, likely) == pytest.approx(
        np.mean(there) if there else np.nan, nan_ok=True
    )


def test_measures_of_numbers_are_the_errors_of_an_evaluation() -> None:
    rng = np.random.default_rng(3)
    targets, values = rng.normal(size=(2, 40, 2)).astype(np.float32) * np.float32(1e-25)
    found = evaluated(targets, values)
    for name in ("mse", "rmse", "mae", "r2"):
        assert score(name, TWO_NUMBERS, targets, values) == pytest.approx(getattr(found, name))


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_is_the_mean_of_its_parts(kind: str) -> None:
    """Of areas and errors, which are no means by themselves, held to those of an evaluation."""
    each = parts("roc_auc", Classification(FOUR), *classes(kind))
    rows = evaluate(*classes(kind), FOUR, 0, "test").classes.values()
    areas = [row["roc_auc"] for row in rows if row["roc_auc"] is not None]
    assert each.shape == (80,) and each.mean() == pytest.approx(np.mean(areas) if areas else np.nan, nan_ok=True)
    if kind in ("ordinary", "ties"):
        each = parts("roc_auc", MultiLabel(FOUR), *labels(kind))
        area = evaluate(*labels(kind), FOUR, np.zeros(4, int), "test").roc_auc
        assert each.shape == (60,) and each.mean() == pytest.approx(area)
    both = np.random.default_rng(5).normal(size=(2, 50, 2))
    for name in ("rmse", "r2"):
        assert parts(name, TWO_NUMBERS, *both).mean() == pytest.approx(getattr(evaluated(*both), name))
    assert Regression.quality.name == "r2" and Classification.quality.name == MultiLabel.quality.name == "accuracy"


@pytest.mark.parametrize("name", ["f1_macro", "balanced_accuracy", "roc_auc", "r2", "rmse"])
def test_parts_vary_as_their_score_does(name: str) -> None:
    """Their error is that of the score over fresh draws."""
    rng, task = np.random.default_rng(6), NUMBERS if name in ("r2", "rmse") else CLASSES
    drawn = [TwoModels(rng, 300).sides(name)[:2] for _ in range(200)]
    spread = np.std([score(name, task, *sides) for sides in drawn])
    error = np.mean([parts(name, task, *sides).std() for sides in drawn]) / np.sqrt(300)
    assert error == pytest.approx(spread, rel=0.15)
