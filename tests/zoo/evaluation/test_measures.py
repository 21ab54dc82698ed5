"""Scores held to scikit-learn and to plain formulas; their intervals to simulations."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from sklearn import metrics

from tuning.objectives import OBJECTIVES, compared
from tuning.outcome import combined
from zoo.evaluation import intervals, measures
from zoo.evaluation.findings import of_rivals
from zoo.evaluation.scores import evaluate, evaluate_values, most_frequent

KINDS = ("ordinary", "absent class", "answered but absent", "one class", "ties", "all right")


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
    told, found = likely.argmax(axis=1), evaluate(targets, likely, ("a", "b", "c", "d"), 0, "test")
    assert found.accuracy == np.mean(told == targets)
    assert found.f1_macro == pytest.approx(metrics.f1_score(targets, told, average="macro"))
    wide = likely.astype(np.float64)
    assert found.log_loss == pytest.approx(
        metrics.log_loss(targets, wide / wide.sum(axis=1, keepdims=True), labels=range(4))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a class is answered and absent
        expected = metrics.balanced_accuracy_score(targets, told)
    assert measures.balanced_accuracy(targets, likely) == pytest.approx(expected)
    for at, name in enumerate("abcd"):
        has, rest = likely[targets == at, at], likely[targets != at, at]
        area = found.classes[name]["roc_auc"]
        assert (area is None) == (not len(has) or not len(rest))
        if area is not None:
            pairs = [(a > b) + (a == b) / 2 for a, b in itertools.product(has, rest)]
            assert area == pytest.approx(np.mean(pairs))
            assert area == pytest.approx(metrics.roc_auc_score(targets == at, likely[:, at]))
    if kind == "all right":
        assert found.accuracy == found.f1_macro == measures.balanced_accuracy(targets, likely) == 1


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
    told, found = likely >= 0.5, evaluate(targets, likely, ("a", "b", "c", "d"), targets[0], "test")
    assert found.accuracy == metrics.accuracy_score(targets, told)
    assert found.f1_macro == pytest.approx(metrics.f1_score(targets, told, average="macro", zero_division=0))
    pairs = zip(targets.T, likely.astype(np.float64).T, strict=True)
    assert found.log_loss == pytest.approx(np.mean([metrics.log_loss(t, p, labels=[0, 1]) for t, p in pairs]))
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
    found = evaluate_values(*small, ("a", "b"), "test")
    wide = [each.astype(np.float64) for each in small]
    assert found.mse == pytest.approx(metrics.mean_squared_error(*wide)) and found.rmse == pytest.approx(found.mse**0.5)
    assert found.mae == pytest.approx(metrics.mean_absolute_error(*wide))
    assert found.r2 == pytest.approx(metrics.r2_score(*wide))
    assert found.values["a"]["r2"] == pytest.approx(metrics.r2_score(wide[0][:, 0], wide[1][:, 0]))
    mean = np.repeat(wide[0].mean(axis=0, keepdims=True), 50, axis=0)
    if kind != "equal":
        assert evaluate_values(small[0], mean, ("a", "b"), "test").r2 == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_optimises_what_an_evaluation_says(kind: str) -> None:
    targets, likely = classes(kind)
    found = evaluate(targets, likely, ("a", "b", "c", "d"), most_frequent(targets), "test")
    for name in ("accuracy", "f1_macro", "log_loss"):
        assert OBJECTIVES[name].score(targets, likely) == pytest.approx(getattr(found, name))
    there = [row["roc_auc"] for row in found.classes.values() if row["roc_auc"] is not None]
    assert OBJECTIVES["roc_auc"].score(targets, likely) == pytest.approx(
        np.mean(there) if there else np.nan, nan_ok=True
    )


def test_a_search_optimises_the_errors_of_an_evaluation() -> None:
    rng = np.random.default_rng(3)
    targets, values = rng.normal(size=(2, 40, 2)).astype(np.float32) * np.float32(1e-25)
    found = evaluate_values(targets, values, ("a", "b"), "test")
    for name in ("mse", "rmse", "mae", "r2"):
        assert OBJECTIVES[name].score(targets, values) == pytest.approx(getattr(found, name))


@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "balanced_accuracy", "roc_auc"])
def test_models_that_decide_alike_on_few_examples_may_differ_on_others(name: str) -> None:
    targets = np.arange(36) % 2
    one, other = (np.eye(2, dtype=np.float32)[targets] * share for share in (0.9, 0.8))
    low, high = compared(OBJECTIVES[name], targets, one + 0.05, other + 0.1, "validation", 0).interval
    assert -0.12 < low < -0.04 < 0.04 < high < 0.12
    worse = one.copy()
    worse[0] = worse[0, ::-1]
    assert of_rivals(targets, worse, {"other": other}) == ()  # one of 36 may be chance
    worse[:18] = worse[:18, ::-1]
    assert len(of_rivals(targets, worse, {"other": other})) == 1


def test_the_spread_over_folds_is_that_of_a_sample() -> None:
    found = combined([(0.5, []), (0.7, []), (0.9, [])], 0, late=False)
    assert found.score == pytest.approx(0.7) and found.spread == pytest.approx(0.2)


class Drawn:
    """Two models on examples of one distribution, and what they truly differ by."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self.targets = (rng.random(count) < 0.3).astype(np.int64)
        same = 0.8 * rng.normal(size=count)
        scores = [self.targets * lift + same + 0.6 * rng.normal(size=count) for lift in (1.5, 1.2)]
        likely = [1 / (1 + np.exp(0.9 - each)) for each in scores]
        self.classes = [np.stack([1 - each, each], axis=1) for each in likely]
        self.numbers = rng.normal(size=(count, 1))
        off = 0.5 * rng.standard_t(6, (count, 1))
        self.values = [self.numbers + off + spread * rng.normal(size=(count, 1)) for spread in (0.3, 0.45)]

    def sides(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if name in ("mse", "rmse", "r2", "mae"):
            return self.numbers, *self.values
        return self.targets, *self.classes


def coverage(name: str, count: int, times: int) -> float:
    """Share of the intervals that hold what the models differ by."""
    rng = np.random.default_rng(4)
    targets, one, other = Drawn(rng, 400_000).sides(name)
    truth = OBJECTIVES[name].score(targets, one) - OBJECTIVES[name].score(targets, other)
    held = 0
    for seed in range(times):
        low, high = compared(OBJECTIVES[name], *Drawn(rng, count).sides(name), "test", seed).interval
        held += low <= truth <= high
    return held / times


OTHERS = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "r2", "rmse", "mae")


@pytest.mark.parametrize("name", ["mse", "f1_macro", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_intervals_hold_the_truth_as_often_as_they_say(name: str) -> None:
    assert coverage(name, 100, 200) >= 0.92 - 2 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("skew", [-1, 1])
def test_intervals_of_skewed_differences_hold_the_mean(skew: int) -> None:
    drawn = skew * np.random.default_rng(0).lognormal(size=(300, 100))
    held = [low <= skew * np.exp(0.5) <= high for low, high in (intervals.paired(gaps, 0) for gaps in drawn)]
    assert np.mean(held) >= 0.92  # of Student's alone 0.9


def test_an_interval_tells_what_has_none() -> None:
    for gaps in ([0.3], [0.1, float("nan"), 0.2]):
        assert intervals.paired(np.array(gaps), 0) == (float("-inf"), float("inf"))
    assert intervals.paired(np.zeros(9), 0) == (0, 0)
    targets, values = np.arange(8.0).reshape(8, 1), np.ones((8, 1))
    for name in ("mse", "r2"):  # two models that say the same of 8 examples say the same of others
        assert compared(OBJECTIVES[name], targets, values, values, "test", 0).interval == (0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_is_the_mean_of_its_parts(kind: str) -> None:
    score, parts = OBJECTIVES["roc_auc"].score(*classes(kind)), OBJECTIVES["roc_auc"].parts(*classes(kind))
    assert parts.shape == (80,) and parts.mean() == pytest.approx(score, nan_ok=True)
    if kind in ("ordinary", "ties"):
        score, parts = OBJECTIVES["roc_auc"].score(*labels(kind)), OBJECTIVES["roc_auc"].parts(*labels(kind))
        assert parts.shape == (60,) and parts.mean() == pytest.approx(score)
    targets, values = np.random.default_rng(5).normal(size=(2, 50, 2))
    assert OBJECTIVES["rmse"].parts(targets, values).mean() == pytest.approx(OBJECTIVES["rmse"].score(targets, values))


@pytest.mark.parametrize("name", ["f1_macro", "balanced_accuracy", "roc_auc", "r2", "rmse"])
def test_parts_vary_as_their_score_does(name: str) -> None:
    """Their error is that of the score over fresh draws."""
    rng, objective = np.random.default_rng(6), OBJECTIVES[name]
    drawn = [Drawn(rng, 300).sides(name)[:2] for _ in range(200)]
    spread = np.std([objective.score(*sides) for sides in drawn])
    error = np.mean([objective.parts(*sides).std() for sides in drawn]) / np.sqrt(300)
    assert error == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize(("count", "share"), [(20, 0.9), (100, 0.5), (100, 0.97), (1000, 0.95)])
def test_intervals_of_a_share_hold_it(count: int, share: float) -> None:
    from scipy.stats import binom

    chance = binom.pmf(np.arange(count + 1), count, share)
    held = [low <= share <= high for low, high in (intervals.wilson(right, count) for right in range(count + 1))]
    assert chance @ held > 0.92


@pytest.mark.parametrize("count", [36, 100, 400])
@pytest.mark.parametrize("cells", [(0.05, 0.05), (0.1, 0.04), (0.02, 0.01), (0.2, 0.1)])
def test_intervals_of_paired_shares_hold_the_difference(count: int, cells: tuple[float, float]) -> None:
    drawn = np.random.default_rng(0).multinomial(count, [*cells, 1 - sum(cells)], 4000)
    found = [intervals.matched(int(better), int(worse), count) for better, worse, _ in drawn]
    assert np.mean([low <= cells[0] - cells[1] <= high for low, high in found]) > 0.935
