"""The unit of a target decides nothing: scores, exports and their proof are those of ordinary units."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

import zoo
from support.programs import command
from zoo.artifacts.gate import ExportAnswers, compare
from zoo.errors import InputError
from zoo.formats import parity
from zoo.formats.parity import Expected
from zoo.tasks.regression import Regression
from zoo.tasks.terms import Exam
from zoo.training.preparing import prepare
from zoo.training.run import Trained

REGRESSION = Regression(("y",))
UNITS = (6e-10, 1e-12, 1e-25, 1e18, 1e30)


def diabetes(unit: float) -> zoo.data.Data:
    rows, targets = load_diabetes(return_X_y=True)
    return zoo.data.arrays(rows, targets * unit)


def series(unit: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = 20 + 5 * np.sin(np.arange(300) / 4) + rng.normal(0, 0.5, 300)
    return pd.DataFrame({"value": values * unit})


def forecast(unit: float) -> zoo.data.Data:
    return zoo.data.sequences(series(unit), target="value", window=12, horizon=2)


def scores(trained: Trained) -> dict[str, float]:
    """R² of the model and of the simple ones."""
    return {
        name: row["r2"] for name, row in {"own": trained.evaluation.to_dict(), **trained.evaluation.baselines}.items()
    }


@pytest.fixture(scope="module")
def ordinary() -> dict[str, float]:
    return scores(zoo.train("mlp", diabetes(1), epochs=5))


@pytest.mark.parametrize("unit", UNITS)
def test_scores_of_tables_do_not_know_the_unit(unit: float, ordinary: dict[str, float]) -> None:
    found = scores(zoo.train("mlp", diabetes(unit), epochs=5))
    assert found == pytest.approx(ordinary, abs=2e-3) and abs(found["mean"]) < 0.05


def test_scores_of_forecasts_do_not_know_the_unit() -> None:
    expected = scores(zoo.train("gru", forecast(1), epochs=2, model={"units": (4,)}))
    for unit in (1e-10, 1e25):
        assert scores(zoo.train("gru", forecast(unit), epochs=2, model={"units": (4,)})) == pytest.approx(
            expected, abs=1e-3
        )


@pytest.mark.parametrize("unit", [1e-25, 1e30])
def test_a_simple_model_that_is_better_is_told_in_every_unit(unit: float) -> None:
    targets = (np.arange(200.0)[:, None] * unit).astype(np.float32)
    said = {"exact": {"prediction": targets}}
    exam = Exam("test", targets, {"prediction": np.full_like(targets, 100 * unit)}, simple=said)
    (found,) = [each for each in REGRESSION.findings(exam, REGRESSION.evaluate(exam)) if "ahead" in each.symptom]
    assert "R² 1 against" in found.evidence


@pytest.mark.slow
@pytest.mark.parametrize(("builder", "unit"), [("mlp", 1e30), ("gru", 1e-10)])
def test_an_artifact_scores_as_the_model_in_any_unit(builder: str, unit: float, workplace: Path) -> None:
    frame = series(unit)
    if builder == "mlp":
        frame = load_diabetes(as_frame=True).frame
        frame["target"] *= unit
    frame.to_csv("rows.csv", index=False)
    options = {"window": 12, "target": "value"} if builder == "gru" else {"task": "regression"}
    trained = zoo.train(builder, zoo.data.open("rows.csv", **options), epochs=3, model={"units": (8,)})
    version = trained.export("saved_models/rows")
    parity = json.loads((version / "card.json").read_text())["parity"]
    assert parity["passed"] and parity["largest_difference"] < 1e-5
    report = zoo.load(version).evaluate("rows.csv")
    assert report.evaluation.r2 == pytest.approx(trained.evaluation.r2, abs=0.05)
    done = command("evaluate", version, "rows.csv")
    assert done.returncode == 0, done.stderr
    assert f"{report.evaluation.r2:.4f}" in done.stdout


def test_numbers_told_from_images_are_in_the_unit_of_the_target() -> None:
    rng = np.random.default_rng(0)
    brightness = rng.uniform(100, 500, 200)
    images = np.clip(brightness[:, None, None] / 2 + rng.normal(0, 5, (200, 8, 8)), 0, 255).astype(np.uint8)
    trained = zoo.train("cnn", zoo.data.arrays(images, brightness), model={"filters": (8,)}, epochs=20)
    assert trained.evaluation.r2 > 0.5


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.linspace(1, 2, 60) * 1e-36, "give it another unit"),
        (np.linspace(1, 2, 60) * 1e37, "give it another unit"),
        (1e9 + np.linspace(0, 200, 60), "subtract its mean"),
        (np.where(np.arange(60) < 30, 4.0, 5.0), "expected different values in the training part"),
    ],
)
def test_targets_that_float32_does_not_hold_are_refused_before_training(targets: np.ndarray, message: str) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    held_out = (rows[30:], targets[30:])
    with pytest.raises(InputError, match=f"the target 'target' has mean .*{message}"):
        prepare("mlp", zoo.data.arrays(rows[:30], targets[:30], held_out=held_out), {})


@pytest.mark.parametrize("unit", [1.0, *UNITS])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_the_gates_find_what_differs_by_little_of_the_deviation(unit: float, offset: float) -> None:
    expected = ((np.random.default_rng(0).normal(size=(64, 2)) + offset) * unit).astype(np.float32)
    task = Regression(("a", "b"), (unit, unit))
    card = {"task": "regression", "classes": ["a", "b"], "deviations": [unit, unit]}

    def passes(received: np.ndarray) -> tuple[bool, bool]:
        answered = ExportAnswers({"prediction": received}, np.arange(64), ())
        parts = Expected({}, {"model": {"prediction": expected}}), {"model": {"prediction": received}}
        verdict = parity.compare(*parts, GateInputs(), card, int8=False)
        return compare(task, {"prediction": expected}, answered, []).passed, verdict.passed

    class GateInputs:
        targets = None

        def __len__(self) -> int:
            return 64

    assert passes(np.nextafter(expected, np.float32(np.inf))) == (True, True)
    assert passes(expected + np.float32(0.1 * unit)) == (False, False)


def test_errors_have_the_squared_unit() -> None:
    targets, answers = np.array([[1.0], [3.0], [5.0]]), np.array([[1.0], [2.0], [7.0]])
    expected = REGRESSION.evaluate(Exam("test", targets, {"prediction": answers}))
    for unit in UNITS:
        small = [(each * unit).astype(np.float32) for each in (targets, answers)]
        found = REGRESSION.evaluate(Exam("test", small[0], {"prediction": small[1]}))
        assert found.r2 == pytest.approx(expected.r2) and found.mse == pytest.approx(expected.mse * unit**2)
        assert found.rmse == pytest.approx(expected.rmse * unit) and found.mae == pytest.approx(expected.mae * unit)


def test_what_chooses_the_epoch_has_no_say_in_the_linear_part_of_a_forecast() -> None:
    task = prepare("gru", forecast(1), {"units": (4,)})
    chosen = np.arange(150)
    before = task.on(chosen)
    task.data.train.targets[150:] += 7
    after = task.on(chosen)
    for one, other in zip(before.scale, after.scale, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (before.scale.kernel != task.scale.kernel).any()
    assert after.targets[:150].std() == pytest.approx(1, abs=1e-3)
