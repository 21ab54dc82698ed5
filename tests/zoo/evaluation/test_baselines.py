"""Simple models beside a network, what is said where one of them wins, and what scores alone tell."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas
import pytest

import zoo
from support.places import shared
from support.programs import command
from zoo.data import Data, arrays
from zoo.evaluation import baselines
from zoo.evaluation.findings import of_rivals, of_scores
from zoo.evaluation.intervals import paired
from zoo.evaluation.scores import evaluate, evaluate_values, goodness
from zoo.evaluation.simple_models import areas_apart, filtered, of_anomalies
from zoo.kinds import samples
from zoo.training.composition import prepared

GOOD = ("great", "lovely", "moving", "clever")
BAD = ("dull", "awful", "tired", "silly")


def scores(data: Data, seed: int = 0) -> dict[str, float]:
    """Accuracy or R² of the simple models."""
    outputs = baselines.outputs(data, prepared(data, data.train), prepared(data, data.held_out), seed)
    return {name: float(goodness(data.held_out.targets, values).mean()) for name, values in outputs.items()}


def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def reviews(path: Path, task: str, count: int = 300) -> Data:
    """Texts whose target is told by words."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        good, bad = rng.integers(0, 4, 2)
        words = [*rng.choice(GOOD, good), *rng.choice(BAD, bad), *rng.choice(["the", "film", "of", "and"], 6)]
        text = " ".join(rng.permutation(words))
        rows.append((text, good - bad + rng.normal(0, 0.1), int(good > 0), int(bad > 0)))
    frame = pandas.DataFrame(rows, columns=["text", "rating", "good", "bad"])
    frame = frame[["text", "rating"]] if task == "regression" else frame[["text", "good"]]
    frame.to_csv(path, index=False)
    return zoo.data.text(path, column="text", target=frame.columns[1], task=task)


def test_digits_as_a_table_have_neighbours_and_a_kernel_machine_that_are_hard_to_beat() -> None:
    pixels, labels = digits()
    found = scores(arrays(pixels.astype(np.float32), labels))
    assert set(found) == {"logistic regression", "nearest neighbours", "SVM with RBF kernel", "boosted trees"}
    assert found["nearest neighbours"] > 0.975 and found["SVM with RBF kernel"] > 0.98
    assert found["boosted trees"] > 0.95
    as_images = scores(arrays(np.round(pixels * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8), labels))
    assert set(as_images) == {"logistic regression", "nearest neighbours", "SVM with RBF kernel"}
    assert min(as_images["nearest neighbours"], as_images["SVM with RBF kernel"]) > 0.98


def test_boosted_trees_stand_beside_numbers_and_labels_of_a_table() -> None:
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1, 1, (800, 4)).astype(np.float32)
    steps = np.stack([np.sign(rows[:, 0] * rows[:, 1]), rows[:, 2]], axis=1).astype(np.float32)
    found = scores(arrays(rows, 1000 + 100 * steps, task="regression"))
    assert found["boosted trees"] > 0.85 > found["ridge"] and abs(found["mean"]) < 0.05
    assert found["SVM with RBF kernel"] > found["ridge"] and found["nearest neighbours"] > found["ridge"]
    found = scores(arrays(rows, (steps > 0).astype(np.int64), task="multi_label"))
    assert found["boosted trees"] > 0.85 > found["logistic regression"] and found["nearest neighbours"] > 0.7


def test_a_label_that_none_has_and_few_rows_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 3)).astype(np.float32)
    labels = np.stack([rows[:, 0] > 0, np.zeros(12, bool), np.ones(12, bool)], axis=1).astype(np.int64)
    assert all(0 <= value <= 1 for value in scores(arrays(rows, labels, task="multi_label")).values())
    assert all(np.isfinite(value) for value in scores(arrays(rows, rows[:, 0], task="regression")).values())


def test_what_is_large_is_fitted_on_some_and_says_so() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40_000, 12)).astype(np.float32)
    data = arrays(rows, (rows[:, 0] * rows[:, 1] > 0).astype(np.int64))
    train, held_out = prepared(data, data.train), prepared(data, data.held_out)
    began = time.perf_counter()
    found = baselines.outputs(data, train, held_out)
    assert time.perf_counter() - began < 40  # some 3 s on two cores that do nothing else
    assert "SVM with RBF kernel (5,000 examples)" in found and "boosted trees" in found
    wide = arrays(rng.integers(0, 255, (6000, 60, 60), dtype=np.uint8), np.arange(6000) % 2)
    assert not any("SVM" in name for name in baselines.outputs(wide, wide.train.inputs, wide.held_out.inputs))


def test_numbers_told_from_text_stand_beside_ridge_on_its_words(tmp_path: Path) -> None:
    found = scores(reviews(tmp_path / "reviews.csv", "regression"))
    assert found.keys() == {"mean", "TF-IDF, ridge"} and found["TF-IDF, ridge"] > 0.8
    found = scores(reviews(tmp_path / "classes.csv", "classification"))
    assert found.keys() == {"TF-IDF, linear SVM"} and found["TF-IDF, linear SVM"] > 0.9


def test_texts_without_words_have_a_baseline(tmp_path: Path) -> None:
    rows = pandas.DataFrame({"text": ["! !", "? ?"] * 20, "mood": ["loud", "unsure"] * 20})
    rows["text"] += [" " + "." * at for at in range(40)]
    rows.to_csv(tmp_path / "marks.csv", index=False)
    assert scores(zoo.data.text(tmp_path / "marks.csv", column="text", target="mood"))["TF-IDF, linear SVM"] == 1


def test_a_series_with_a_season_stands_beside_that_season() -> None:
    rng = np.random.default_rng(0)
    pattern = rng.normal(size=12)
    values = np.tile(pattern, 50) + rng.normal(0, 0.05, 600)
    data = zoo.data.sequences(pandas.DataFrame({"sold": values}), target="sold", window=24, horizon=3)
    found = scores(data)
    assert found.keys() == {"persistence", "the season before (12 steps)", "linear autoregression"}
    assert found["the season before (12 steps)"] > 0.98 > found["persistence"]
    walk = zoo.data.sequences(pandas.DataFrame({"sold": rng.normal(size=600).cumsum()}), target="sold", horizon=3)
    assert scores(walk).keys() == {"persistence", "linear autoregression"}


def test_anomalies_are_told_by_the_distance_to_neighbours() -> None:
    rng = np.random.default_rng(0)
    known = rng.integers(0, 3, (400, 1)) * 10 + rng.normal(size=(400, 5))
    asked = np.concatenate([known[:100] + rng.normal(0, 0.1, (100, 5)), rng.uniform(0, 20, (50, 5))])
    odd = np.arange(150) >= 100
    found = of_anomalies(known.astype(np.float32), asked.astype(np.float32), 0)
    from sklearn.metrics import roc_auc_score

    areas = {name: roc_auc_score(odd, said) for name, said in found.items()}
    assert areas["nearest neighbours"] > 0.99 and areas.keys() == {"nearest neighbours", "isolation forest"}
    low, high = areas_apart(odd, found["nearest neighbours"], found["isolation forest"])
    assert low <= areas["nearest neighbours"] - areas["isolation forest"] <= high
    assert areas_apart(odd, found["isolation forest"], found["isolation forest"]) == (0, 0)


def test_an_interval_of_areas_is_that_of_a_bootstrap() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    odd = np.arange(400) % 5 == 0
    first = odd + rng.normal(size=400)
    second = first + rng.normal(size=400)
    drawn = [rng.integers(0, 400, 400) for _ in range(400)]
    gaps = [roc_auc_score(odd[at], first[at]) - roc_auc_score(odd[at], second[at]) for at in drawn]
    assert areas_apart(odd, first, second) == pytest.approx(np.percentile(gaps, [2.5, 97.5]), abs=0.015)


def test_noise_is_taken_away_by_principal_components() -> None:
    clean = (digits()[0].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.float32)
    rng = np.random.default_rng(0)
    noisy = np.clip(clean + rng.normal(0, 60, clean.shape), 0, 255).astype(np.float32)
    found = filtered(noisy[1000:], clean[:1000], noisy[:1000], 0)
    errors = {name: np.square(made - clean[1000:]).mean() for name, made in found.items()}
    assert errors["shrunk principal components"] < 0.7 * np.square(noisy - clean)[1000:].mean()
    assert min(errors, key=errors.__getitem__) == "shrunk principal components"


def test_what_wins_by_more_than_chance_is_said() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 400)
    perfect, poor = np.eye(2)[targets], np.eye(2)[np.where(np.arange(400) % 10 == 0, 1 - targets, targets)]
    nearly = np.eye(2)[np.where(np.arange(400) % 400 == 0, 1 - targets, targets)]
    (finding,) = of_rivals(targets, poor, {"mean": poor, "neighbours": perfect})
    assert "neighbours does better on these 400 examples: accuracy 1 against 0.9" in str(finding)
    assert "95 % interval 0.0" in str(finding)
    assert of_rivals(targets, nearly, {"neighbours": perfect}) == ()  # one example of 400
    assert of_rivals(targets, perfect, {"neighbours": poor}) == of_rivals(targets, poor, {"same": poor}) == ()
    numbers = rng.normal(size=(300, 2)) * [1, 100]
    (finding,) = of_rivals(numbers, 0 * numbers, {"half": numbers / 2})
    assert "half does better on these 300 examples: R² 0.7" in str(finding)


def test_goodness_is_accuracy_or_r2_and_its_interval_covers() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(200, 3)) * [1, 10, 100]
    answers = numbers + rng.normal(size=(200, 3)) * [1, 5, 1]
    assert goodness(numbers, answers).mean() == pytest.approx(evaluate_values(numbers, answers, tuple("abc"), "").r2)
    gaps = [rng.normal(0.3, 1, 100) for _ in range(60)]
    within = [low <= 0.3 <= high for low, high in (paired(gap, 0) for gap in gaps)]
    assert np.mean(within) > 0.85


def said(targets: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...], **how: object) -> str:
    """The findings of these answers; their examples all differ."""
    majority = np.bincount(targets).argmax() if targets.ndim == 1 else np.zeros(targets.shape[1], np.int64)
    found = evaluate(targets, probabilities.astype(np.float32), classes, majority, "test")
    return "\n".join(map(str, of_scores(found, [str(at) for at in range(len(targets))], **how)))


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
    differ = [str(at) for at in range(40)]
    worse = evaluate_values(numbers, -numbers, ("price",), "test")
    (finding,) = of_scores(worse, differ)
    assert finding.symptom == "no better than the mean" and "R² of 'price' is -" in finding.evidence
    assert of_scores(evaluate_values(numbers, numbers + 1, ("price",), "test"), differ) == ()


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


@pytest.mark.slow
def test_ratings_of_snippets_are_told_from_their_words(tmp_path: Path) -> None:
    source = shared("movie-snippets") / "ratings.tsv"
    frame = pandas.read_csv(source, sep="\t", header=None, quoting=3, names=["id", "rating", "text"])
    frame[["text", "rating"]].to_csv(tmp_path / "snippets.csv", index=False)
    data = zoo.data.text(tmp_path / "snippets.csv", column="text", target="rating", task="regression")
    assert scores(data)["TF-IDF, ridge"] > 0.45
