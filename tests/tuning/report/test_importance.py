"""Which hyperparameters matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from support.search_results import made, search, trial
from tuning.report.importance import columns, explain, importances
from tuning.report.page import page


def test_importances_find_what_matters_among_noise() -> None:
    found = explain(made(60))
    assert found.explained > 0.6
    assert found.importances[0].name == "learning_rate" and found.importances[0].importance > 0.8
    assert sum(row.importance for row in found.importances) == pytest.approx(1)
    noise = {row.name: row.importance for row in found.importances}
    assert noise["units"] < 0.05 and noise["activation"] < 0.05
    assert importances(made(60)) == found.importances  # the same seed, the same numbers


def test_importances_of_a_choice_and_of_what_is_set_only_sometimes() -> None:
    rng = np.random.default_rng(0)
    trials = []
    for number in range(60):
        values = {"kind": str(rng.choice(["a", "b", "c"])), "noise": float(rng.uniform())}
        if rng.integers(2):
            values["sometimes"] = float(rng.uniform())
        score = 0.1 * (values["kind"] == "b") + 0.1 * ("sometimes" in values) + rng.normal(0, 0.005)
        trials.append(trial(number, float(score), values))
    rows = {row.name: row.importance for row in importances(search(*trials))}
    assert rows["kind"] > 0.3 and rows["sometimes"] > 0.3 and rows["noise"] < 0.05


def test_importances_of_pure_noise_are_nothing() -> None:
    found = explain(made(60, noise=0.05, matters=False))
    assert found.explained <= 0
    assert found.importances and all(row.importance == row.spread == 0 for row in found.importances)
    assert "explains nothing" in page(made(60, noise=0.05, matters=False))


def test_one_diverged_trial_does_not_hide_what_matters() -> None:
    result = made(60)
    worst = trial(61, -1e9, {"learning_rate": 1e-3, "units": 16, "activation": "relu", "norm": False})
    assert importances(replace(result, trials=(*result.trials, worst)))[0].name == "learning_rate"


def test_too_few_trials_tell_nothing() -> None:
    assert importances(made(8)) == []
    assert "too few to tell" in page(made(8))
    equal = search(*(trial(number, 0.5 + number % 9 / 10, {"units": number}) for number in range(40)))
    assert importances(equal) == []  # forty trials, nine different scores
    unvaried = search(*(trial(number, number / 20, {"units": 64}) for number in range(20)))
    assert importances(unvaried) == []
    some = search(*(trial(number, number / 20, {"units": number, "fixed": 1}) for number in range(20)))
    assert [row.name for row in importances(some)] == ["units"]


def test_columns_know_their_kind() -> None:
    told = [trial(0, 1.0, {"flag": True, "mixed": 1, "shape": (1, 2)}), trial(1, 1.0, {"flag": False, "mixed": "x"})]
    found = {column.name: column for column in columns(told)}
    assert {column.kind for column in found.values()} == {"category"}
    assert found["shape"].absent and found["shape"].varies and found["flag"].levels == ("True", "False")
