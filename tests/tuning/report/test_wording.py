"""What a search says in sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from support.search_results import GAIN, made, search, trial
from tuning.rendering import show_result
from tuning.report.page import page
from tuning.report.wording import beside, comparison, duration, failures, settings_text, validation_scores
from tuning.results import Comparison
from zoo.tasks.multi_label import evaluate
from zoo.tasks.regression import Regression
from zoo.tasks.terms import Exam


def test_what_simple_models_score_is_read_beside_the_winner(capsys: pytest.CaptureFixture[str]) -> None:
    classes = evaluate(np.array([0, 1]), np.eye(2, dtype=np.float32), ("a", "b"), 0, "test")
    line = beside(replace(classes, baselines={"trees <b>": 0.75}))
    assert line == "Accuracy there 1, of simple models: always the most frequent class 0.5; trees <b> 0.75."
    numbers = Regression(("a", "b")).evaluate(Exam("test", np.eye(2), {"prediction": np.eye(2)}))
    assert beside(replace(numbers, baselines={"ridge": {"r2": 0.25}})) == "R² there 1, of simple models: ridge 0.25."
    result = search(trial(0, 0.8), beside=(line, "simple model ahead: ridge."))
    assert "trees &lt;b&gt; 0.75. simple model ahead: ridge." in page(result)
    show_result(result)
    assert line in capsys.readouterr().out


@pytest.mark.parametrize(
    ("direction", "held_out", "expected"),
    [
        ("max", GAIN, ": better."),
        (
            "max",
            Comparison("test", 200, 0.89, 0.88, 0.01, (-0.02, 0.04)),
            "interval -0.020 to 0.040: the difference may",
        ),
        ("max", Comparison("test", 200, 0.8, 0.9, -0.1, (-0.15, -0.05)), "interval -0.15 to -0.05: worse."),
        (
            "min",
            Comparison("validation", 1, 1234.4, 1300.2, -65.8, (-90.0, -40.0)),
            "1 validation example accuracy 1,234",
        ),
        ("min", Comparison("test", 9, 1.2e-7, 2e-7, -8e-8, (-9e-8, -7e-8)), "0.000000120 against 0.000000200"),
        ("max", Comparison("test", 9, 0.5, 0.5, 0.0, (0.0, 0.0)), "difference 0.0000, 95 % interval 0.0000 to 0.0000"),
        ("max", Comparison("test", 9, 0.5, float("nan"), float("nan"), (float("nan"),) * 2), "to compare it with"),
    ],
)
def test_the_comparison_in_words(direction: str, held_out: Comparison, expected: str) -> None:
    scores = (0.5, 0.6) if direction == "max" else (0.6, 0.5)
    result = search(*(trial(n, score) for n, score in enumerate(scores)), direction=direction, held_out=held_out)
    text = comparison(result)
    assert expected in text
    beaten = held_out.better(direction) or held_out.difference != held_out.difference
    assert text.startswith("The search did not beat the default configuration: ") != beaten


def test_the_default_that_wins_in_words() -> None:
    result = search(trial(0, 0.9), trial(1, 0.8), held_out=Comparison("test", 2000, 0.887, 0.887, 0.0, (0.0, 0.0)))
    assert comparison(result) == (
        "The search did not beat the default configuration: no trial had a better accuracy there. "
        "On 2,000 test examples its accuracy is 0.8870."
    )
    assert (
        validation_scores(result)
        == "Best accuracy on the inner validation examples 0.9: that of the default configuration."
    )


def test_failures_in_words() -> None:
    notes = ["no memory\nat step 3", "no memory", "not finite"]
    result = search(trial(0, 0.9), *(trial(n, None, note=note, curve=[]) for n, note in enumerate(notes, 1)))
    assert failures(result) == "3 of 3 trials failed, most often (2 times): no memory"
    assert failures(made(3)) == "No trial failed."


def test_numbers_in_words() -> None:
    assert settings_text({"rate": 0.000123456, "units": 1024, "act": "relu", "on": True}) == (
        "rate=0.000123 units=1024 act=relu on=True"
    )
    assert [duration(s) for s in (0.34, 59.9, 61, 723, 7300)] == [
        "0.34 s",
        "59 s",
        "1 min 1 s",
        "12 min 3 s",
        "2 h 1 min",
    ]
