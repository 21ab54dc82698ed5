"""What a search optimises: each task has an objective, and the interval of a difference holds the true one."""

from __future__ import annotations

import numpy as np
import pytest

from support.two_models import CLASSES, NUMBERS, TwoModels
from tuning.objectives import OBJECTIVES, compare, objective_of
from tuning.outcome import combine
from tuning.results import Comparison
from zoo.builders.registry import builder
from zoo.errors import InputError
from zoo.tasks.registry import TASKS
from zoo.tasks.terms import Measure

DEFAULTS = {
    "classification": "accuracy",
    "multi_label": "f1_macro",
    "regression": "r2",
    "forecasting": "rmse",
    "generation": "frechet",
    "dense_autoencoder": "reconstruction_mse",
    "variational_autoencoder": "bound",
}
OTHERS = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "r2", "rmse", "mae")


def able(name: str) -> tuple[Measure, ...]:
    """What a search of a task, or for a network that brings the task of an autoencoder, can optimise."""
    if name in TASKS:
        return TASKS[name]().objectives(None)
    return TASKS["reconstruction"]().objectives(builder(name)((28, 28, 1)))


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_task_has_an_objective_that_fits(name: str) -> None:
    fitting = able(name)
    assert objective_of(None, fitting, name) is fitting[0] and fitting[0].name == DEFAULTS[name]
    assert all(objective_of(each.name, fitting, name) is each for each in fitting)
    other = "r2" if name == "generation" else "frechet"
    with pytest.raises(InputError, match=f"{other} does not fit {name}; expected an objective out of"):
        objective_of(other, fitting, name)
    with pytest.raises(InputError, match="did you mean frechet"):
        objective_of("frechett", fitting, name)


def test_what_each_task_can_optimise_is_known() -> None:
    names = {name: {each.name for each in able(name)} for name in DEFAULTS}
    labels, numbers = {"accuracy", "f1_macro", "roc_auc", "log_loss"}, {"r2", "mse", "rmse", "mae"}
    assert names.pop("classification") == labels | {"balanced_accuracy"} and names.pop("multi_label") == labels
    assert names.pop("regression") == names.pop("forecasting") == numbers
    assert all(each == {DEFAULTS[name]} for name, each in names.items())
    assert {name for name, each in OBJECTIVES.items() if each.direction == "min"} == {
        *("log_loss", "mse", "rmse", "mae", "reconstruction_mse", "frechet")
    }


def comparison(name: str, targets: np.ndarray, best: np.ndarray, default: np.ndarray, seed: int = 0) -> Comparison:
    """Two models' outputs, probabilities or numbers."""
    task = CLASSES if targets.dtype.kind == "i" else NUMBERS
    sides = ({task.outputs[0]: each} for each in (best, default))
    return compare(OBJECTIVES[name], task, targets, *sides, "test", seed)


def coverage(name: str, count: int, times: int) -> float:
    """Share of the intervals that hold what the models differ by."""
    rng = np.random.default_rng(4)
    truth = comparison(name, *TwoModels(rng, 400_000).sides(name)).difference
    held = 0
    for seed in range(times):
        low, high = comparison(name, *TwoModels(rng, count).sides(name), seed=seed).interval
        held += low <= truth <= high
    return held / times


@pytest.mark.parametrize("name", ["mse", "f1_macro", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_intervals_hold_the_truth_as_often_as_they_say(name: str) -> None:
    assert coverage(name, 100, 200) >= 0.92 - 2 * np.sqrt(0.05 * 0.95 / 200)


def test_a_difference_is_that_of_the_scores_and_its_interval_covers_what_is_there() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 2000)

    def answers(right: float) -> np.ndarray:
        told = np.where(rng.random(2000) < right, targets, 1 - targets)
        return np.eye(2)[told] * 0.8 + 0.1

    good, bad = answers(0.9), answers(0.8)
    far = comparison("accuracy", targets, good, bad)
    assert far.interval[0] < 0.1 < far.interval[1] and far.better("max")
    assert far.difference == far.best - far.default and (far.part, far.examples) == ("test", 2000)
    same = comparison("f1_macro", targets, good, good)
    assert -0.01 < same.interval[0] < 0 < same.interval[1] < 0.01 and not same.better("max")
    worse = comparison("log_loss", targets, good, bad)
    assert worse.difference < 0 and worse.better("min")


@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "balanced_accuracy", "roc_auc"])
def test_models_that_decide_alike_on_few_examples_may_differ_on_others(name: str) -> None:
    targets = np.arange(36) % 2
    one, other = (np.eye(2, dtype=np.float32)[targets] * share for share in (0.9, 0.8))
    low, high = comparison(name, targets, one + 0.05, other + 0.1).interval
    assert -0.12 < low < -0.04 < 0.04 < high < 0.12


@pytest.mark.parametrize(("name", "count"), [("accuracy", 36), ("f1_macro", 9), ("roc_auc", 9)])
def test_what_models_that_decide_alike_may_differ_by_hangs_on_the_examples_of_the_rarest_class(
    name: str, count: int
) -> None:
    """All of them count for the accuracy: the interval of two proportions without a difference."""
    targets = (np.arange(36) % 4 == 0).astype(np.int64)
    likely = np.eye(2, dtype=np.float32)[targets]
    half = 1.959964 * np.sqrt(1 / (count + 2) / (count + 2))
    assert comparison(name, targets, likely, likely).interval == pytest.approx((-half, half))


def test_models_that_say_the_same_numbers_of_some_say_the_same_of_others() -> None:
    targets, values = np.arange(8.0).reshape(8, 1), np.ones((8, 1))
    for name in ("mse", "r2"):
        assert comparison(name, targets, values, values).interval == (0, 0)


def test_two_sets_have_no_pairs_and_no_interval() -> None:
    sides = ({"frechet": np.array([each])} for each in (3.0, 5.0))
    found = compare(OBJECTIVES["frechet"], TASKS["generation"](), np.zeros(9, np.int64), *sides, "test", 0)
    assert found.difference == -2 and found.interval == (float("-inf"), float("inf"))


def test_the_spread_over_folds_is_that_of_a_sample() -> None:
    found = combine([(0.5, []), (0.7, []), (0.9, [])], 0, late=False)
    assert found.score == pytest.approx(0.7) and found.spread == pytest.approx(0.2)
