"""What scores alone tell that is wrong, and where a simple model does better than the one that is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import zoo
from support.programs import command
from zoo.evaluation.findings import Finding
from zoo.kinds import samples
from zoo.tasks.classification import Classification, most_frequent
from zoo.tasks.multi_label import MultiLabel
from zoo.tasks.regression import Regression
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam

TWO, TWO_NUMBERS, PRICE = Classification(("no", "yes")), Regression(("small", "large")), Regression(("price",))


def findings(
    task: Task,
    targets: np.ndarray,
    output: np.ndarray,
    simple: Mapping[str, np.ndarray] | None = None,
    *,
    weighted: bool | None = None,
) -> tuple[Finding, ...]:
    """What is wrong with these outputs, probabilities or numbers; their examples all differ."""
    said = {name: {task.outputs[0]: each} for name, each in (simple or {}).items()}
    digests = [str(at) for at in range(len(targets))]
    exam = Exam("test", targets, {task.outputs[0]: output}, digests, said, weighted=weighted)
    return task.findings(exam, task.evaluate(exam))


def rivals(
    task: Task, targets: np.ndarray, output: np.ndarray, simple: Mapping[str, np.ndarray]
) -> tuple[Finding, ...]:
    """Those that tell of a simple model that does better."""
    given = findings(task, targets, output, simple)
    return tuple(finding for finding in given if finding.symptom == "simple model ahead")


def test_what_wins_by_more_than_chance_is_said() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 400)
    perfect, poor = np.eye(2)[targets], np.eye(2)[np.where(np.arange(400) % 10 == 0, 1 - targets, targets)]
    nearly = np.eye(2)[np.where(np.arange(400) % 400 == 0, 1 - targets, targets)]
    (finding,) = findings(TWO, targets, poor, {"mean": poor, "neighbours": perfect})
    assert "neighbours does better on these 400 examples: accuracy 1 against 0.9" in str(finding)
    assert "95 % interval 0.0" in str(finding)
    assert findings(TWO, targets, nearly, {"neighbours": perfect}) == ()  # one example of 400
    assert findings(TWO, targets, perfect, {"neighbours": poor}) == findings(TWO, targets, poor, {"same": poor}) == ()
    numbers = rng.normal(size=(300, 2)) * [1, 100]
    (finding,) = rivals(TWO_NUMBERS, numbers, 0 * numbers, {"half": numbers / 2})
    assert "half does better on these 300 examples: R² 0.7" in str(finding)


def test_one_example_of_few_may_be_chance_and_half_of_them_are_not() -> None:
    targets = np.arange(36) % 2
    one, other = (np.eye(2, dtype=np.float32)[targets] * share for share in (0.9, 0.8))
    worse = one.copy()
    worse[0] = worse[0, ::-1]
    assert rivals(TWO, targets, worse, {"other": other}) == ()
    worse[:18] = worse[:18, ::-1]
    assert len(rivals(TWO, targets, worse, {"other": other})) == 1


def test_a_simple_model_that_is_right_on_all_of_four_examples_is_told_and_nothing_else_is() -> None:
    targets = np.array([0, 0, 1, 1])
    wrong = np.eye(2)[1 - targets]
    assert [finding.symptom for finding in findings(TWO, targets, wrong, {"other": np.eye(2)[targets]})] == [
        "simple model ahead"
    ]
    numbers = targets[:, None].astype(np.float64)
    given = findings(PRICE, numbers, 1 - numbers, {"other": numbers + [[0.01], [-0.01], [0.02], [-0.02]]})
    assert [finding.symptom for finding in given] == ["simple model ahead"]


def said(targets: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...], **how: object) -> str:
    """The findings of these answers, where always the most frequent class, or no label, is the baseline."""
    if targets.ndim == 1:
        task = Classification(classes, int(most_frequent(targets)))
    else:
        task = MultiLabel(classes, (0,) * len(classes))
    return "\n".join(map(str, findings(task, targets, probabilities.astype(np.float32), **how)))


def test_a_class_that_is_never_predicted_is_told() -> None:
    rng = np.random.default_rng(0)
    targets = (np.arange(600) % 100 == 0).astype(np.int64)
    sure = np.stack([1 - 0.4 * targets, 0.4 * targets], axis=1)
    text = said(targets, sure, ("fair", "fraud"), weighted=False)
    assert "class hardly ever predicted: 'fraud' is never predicted, and 6 of 600 examples have it" in text
    assert "--class-weights" in text and "ROC-AUC 1.00" in text and "recall" in text
    assert "--class-weights" not in said(targets, sure, ("fair", "fraud"), weighted=True)
    rarely = np.eye(2)[np.where(np.arange(600) == 0, 1, np.zeros(600, int))]
    often = np.eye(2)[(np.arange(600) % 50 == 0).astype(int)]
    many = (np.arange(600) % 20 == 0).astype(np.int64)
    assert "predicted 1 times" in said(many, rarely, ("fair", "fraud"))
    assert "hardly" not in said(targets, often, ("fair", "fraud"))
    assert said(targets, np.eye(2)[targets], ("fair", "fraud")) == ""
    labels = np.stack([rng.integers(0, 2, 200), np.arange(200) % 20 == 0], axis=1).astype(np.int64)
    never = labels * [1, 0]
    text = said(labels, never, ("common", "rare"), weighted=False)
    assert "label hardly ever predicted: 'rare' is never predicted" in text and "--class-weights" not in text
    few = np.eye(3)[[0, 0, 1, 1, 0]]  # the one of class 2 may be missed by chance
    assert "hardly" not in said(np.array([0, 0, 1, 1, 2]), few, ("a", "b", "c"))


def test_no_better_than_the_majority_or_the_mean_is_told() -> None:
    targets = np.arange(100) % 4 // 3
    text = said(targets, np.eye(2)[(np.arange(100) % 2 == 0).astype(int)], ("no", "yes"))
    assert "no better than the most frequent class: accuracy is 0.2500, where always the most frequent" in text
    assert said(np.zeros(50, np.int64), np.eye(2)[(np.arange(50) == 3).astype(int)], ("no", "yes")) == ""
    numbers = np.arange(40, dtype=np.float64)[:, None]
    (finding,) = findings(PRICE, numbers, -numbers)
    assert finding.symptom == "no better than the mean" and "R² of 'price' is -" in finding.evidence
    assert findings(PRICE, numbers, numbers + 1) == ()


def test_copies_are_told_where_a_score_is_of_few_contents(workplace: Path) -> None:
    Path("four.csv").write_text("a,b,target\n" + "0,0,0\n0,1,1\n1,0,1\n1,1,0\n" * 25)
    trained = command("train", "mlp", "four.csv", "--epochs", "3", "--set", "units=4", "--json")
    assert trained.returncode == 0, trained.stderr
    (copies,) = (row for row in json.loads(trained.stdout)["diagnosis"] if row["symptom"] == "few different examples")
    assert "the 50 examples scored are copies of 2 contents that training never sees" in copies["evidence"]
    assert any(
        "copies of 2 contents" in line
        for line in json.loads(Path("saved_models/four/1/card.json").read_text())["findings"]
    )
    scored = json.loads(command("evaluate", "four", "four.csv", "--json").stdout)
    assert "few different examples" in {row["symptom"] for row in scored["findings"]}
    assert "copies of 2 contents" in command("evaluate", "four", "four.csv").stdout


def test_a_perceptron_fails_on_xor_and_a_hidden_layer_learns_it(tmp_path: Path) -> None:
    assert samples.write("xor", tmp_path / "xor") == 400
    rows = (tmp_path / "xor" / "xor.csv").read_text().splitlines()
    assert len(set(rows)) == len(rows) == 401
    data = zoo.data.open(tmp_path / "xor" / "xor.csv")
    single, hidden = (zoo.train(builder, data, epochs=60, learning_rate=0.01) for builder in ("perceptron", "mlp"))
    assert single.evaluation.accuracy < 0.7 and hidden.evaluation.accuracy > 0.97
    assert single.evaluation.baselines["nearest neighbours"] > 0.97
    assert [finding.symptom for finding in zoo.diagnose(single)] == ["underfitting"]
    assert "simple model ahead" in {finding.symptom for finding in single.findings}
    assert single.card["findings"] and not hidden.card["findings"]
