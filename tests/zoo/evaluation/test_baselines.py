"""Simple models that a network is held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest

import zoo
from support.places import shared
from zoo.data import Data, arrays
from zoo.evaluation.baselines import Examples
from zoo.evaluation.simple_models import areas_apart, filtered, of_anomalies
from zoo.training.inputs import prepared_inputs

GOOD = ("great", "lovely", "moving", "clever")
BAD = ("dull", "awful", "tired", "silly")


def outputs(data: Data, seed: int = 0) -> dict[str, np.ndarray]:
    """What simple models say of the held-out part."""
    train, held_out = data.train, data.held_out
    raw = train.inputs, held_out.inputs
    known, asked = prepared_inputs(data, train), prepared_inputs(data, held_out)
    return data.task.simple(Examples(known, train.targets, asked, raw, data.kind, seed))


def scores(data: Data, seed: int = 0) -> dict[str, float]:
    """Accuracy or R² of the simple models."""
    task, targets = data.task, data.held_out.targets
    simple = outputs(data, seed).items()
    return {name: task.quality.score(task, targets, {task.outputs[0]: said}) for name, said in simple}


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
    found = outputs(data)
    assert "SVM with RBF kernel (5,000 examples)" in found and "boosted trees" in found
    wide = arrays(rng.integers(0, 255, (6000, 60, 60), dtype=np.uint8), np.arange(6000) % 2)
    assert not any("SVM" in name for name in outputs(wide))


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


@pytest.mark.slow
def test_ratings_of_snippets_are_told_from_their_words(tmp_path: Path) -> None:
    source = shared("movie-snippets") / "ratings.tsv"
    frame = pandas.read_csv(source, sep="\t", header=None, quoting=3, names=["id", "rating", "text"])
    frame[["text", "rating"]].to_csv(tmp_path / "snippets.csv", index=False)
    data = zoo.data.text(tmp_path / "snippets.csv", column="text", target="rating", task="regression")
    assert scores(data)["TF-IDF, ridge"] > 0.45
