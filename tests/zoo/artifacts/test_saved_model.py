"""What is exported answers raw rows, texts and sequences as the trained model does, without code of this project."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas
import pytest

import zoo
from support.programs import alone
from zoo.artifacts import saved_model
from zoo.data import sequences, tables, text
from zoo.errors import InputError, JobError

pytestmark = pytest.mark.numerical


def passengers(count: int = 240) -> pandas.DataFrame:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "age (years)": rng.uniform(1, 80, count).round(1),
            "fare": rng.lognormal(3, 1, count).round(2),
            "deck": rng.choice(["A", "B", "C"], count),
        }
    )
    frame["target"] = np.where((frame["deck"] == "A") | (frame["age (years)"] < 30), "yes", "no")
    frame.loc[::7, "age (years)"] = np.nan
    return frame


@pytest.mark.slow
def test_a_table_with_missing_and_unseen_values(workplace: Path) -> None:
    trained = zoo.train("mlp", tables(passengers()), model={"units": (16,)}, learning_rate=5e-3)
    assert trained.evaluation.accuracy > 0.85 > trained.evaluation.baseline
    folder = trained.export("saved_models/passengers")
    rows = [
        {"age (years)": 20.0, "fare": 10.0, "deck": "C"},
        {"age (years)": None, "fare": 30.0, "deck": "A"},
        {"age (years)": 50.0, "fare": 30.0, "deck": "never seen"},
    ]
    answers = zoo.load("passengers").predict(rows)
    assert [answer.error for answer in answers] == [None] * 3
    columns = {"age__years_": [20.0, float("nan"), 50.0], "fare": [10.0, 30.0, 30.0], "deck": ["C", "A", "never seen"]}
    said = alone(folder, **columns)
    assert said["label"] == [answer.label for answer in answers]
    np.testing.assert_allclose(np.array(said["probability"], float), [a.probability for a in answers], atol=1e-5)
    card = json.loads((folder / "card.json").read_text())
    assert card["parity"]["passed"] and card["input"]["kind"] == "table"
    report = zoo.load("passengers").evaluate("passengers.csv") if Path("passengers.csv").exists() else None
    assert report is None
    passengers().to_csv("passengers.csv", index=False)
    report = zoo.load("passengers").evaluate("passengers.csv")
    assert report.evaluation.accuracy == trained.evaluation.accuracy
    assert report.evaluation.examples == trained.evaluation.examples  # the rows it learnt from are left out
    report.save("scores.csv")
    assert Path("scores.csv").read_text().count("\n") == report.evaluation.examples + 1


@pytest.mark.slow
def test_numbers_are_exported_in_their_unit(workplace: Path) -> None:
    frame = passengers().drop(columns="target")
    frame["price"] = 1000 + 3 * frame["fare"]
    trained = zoo.train("mlp", tables(frame, target="price"), model={"units": (16,)})
    folder = trained.export("saved_models/prices")
    said = alone(folder, age__years_=[30.0], fare=[100.0], deck=["B"])
    row = zoo.load("prices").predict({"age (years)": 30.0, "fare": 100.0, "deck": "B"})[0]
    assert float(said["prediction"][0][0]) == pytest.approx(row.values["price"], rel=1e-5)
    assert 1100 < row.values["price"] < 1500
    frame.to_csv("prices.csv", index=False)
    report = zoo.load("prices").evaluate("prices.csv")
    assert report.evaluation.rmse == pytest.approx(trained.evaluation.rmse, rel=1e-5)
    assert report.rows[0].error == max(row.error for row in report.rows)


@pytest.mark.slow
def test_texts_go_in_as_strings(workplace: Path) -> None:
    rng = np.random.default_rng(0)
    words = {"good": ["lovely", "brilliant", "moving"], "bad": ["dull", "boring", "awful"]}
    rows = [
        {"text": f"a {rng.choice(words[label])} film about {rng.integers(1000)} things", "label": label}
        for label in ("good", "bad") * 60
    ]
    data = text(pandas.DataFrame(rows))
    trained = zoo.train("gru", data, model={"units": (8,), "embedding": 8}, learning_rate=1e-2, epochs=15)
    assert trained.evaluation.accuracy > 0.9
    assert trained.evaluation.baselines["TF-IDF, linear SVM"] > 0.9
    folder = trained.export("saved_models/films")
    asked = ["A brilliant film!", "awful, AWFUL", "Größe 映画 🎬"]
    answers = zoo.load("films").predict(asked)
    said = alone(folder, text=asked)
    assert said["label"] == [answer.label for answer in answers]
    assert said["label"][:2] == ["good", "bad"]
    with pytest.raises(InputError):
        zoo.train("gru", data, model={"vocabulary_size": 1})


@pytest.mark.slow
def test_sequences_of_unequal_length(workplace: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(80):
        rising = number % 2
        for step in range(int(rng.integers(5, 12))):
            value = (step if rising else -step) + rng.normal(0, 0.3)
            rows.append({"id": number, "value": value, "other": rng.normal(), "target": ["falls", "rises"][rising]})
    frame = pandas.DataFrame(rows)
    trained = zoo.train("lstm", sequences(frame, series="id", target="target"), model={"units": (8,)}, epochs=40)
    assert trained.evaluation.accuracy > 0.9
    folder = trained.export("saved_models/trends")
    series = np.full((1, 7, 2), np.nan, np.float32)
    series[0, :4] = [[0, 0], [1, 0], [2, 0], [3, 0]]
    shorter = alone(folder, sequence=series[:, :4].tolist())
    padded = alone(folder, sequence=np.where(np.isnan(series), np.nan, series).tolist())
    assert shorter["label"] == padded["label"] == ["rises"]
    np.testing.assert_allclose(*(np.array(each["probability"], float) for each in (shorter, padded)), atol=1e-5)


@pytest.mark.slow
def test_a_forecast_is_asked_for_with_a_series(workplace: Path) -> None:
    time = np.arange(400)
    rng = np.random.default_rng(0)
    value = 20 + 5 * np.sin(time * 2 * np.pi / 24) + rng.normal(0, 0.1, 400)
    pandas.DataFrame({"hour": time, "value": value}).to_csv("waves.csv", index=False)
    data = sequences("waves.csv", target="value", time="hour", window=24, horizon=6)
    trained = zoo.train("gru", data, model={"units": (8,)}, epochs=5)
    scores = trained.evaluation
    assert scores.rmse < 0.5 * scores.baselines["persistence"]["rmse"]
    assert scores.rmse < 1.2 * scores.baselines["linear autoregression"]["rmse"]
    folder = trained.export("saved_models/waves")
    answer = zoo.load("waves").predict("waves.csv")[0]
    said = alone(folder, sequence=value[None, -24:, None].astype(np.float32).tolist())
    np.testing.assert_allclose(np.array(said["prediction"][0], float), list(answer.values.values()), atol=1e-4)
    np.testing.assert_allclose(
        list(answer.values.values()), 20 + 5 * np.sin((400 + np.arange(6)) * 2 * np.pi / 24), atol=0.6
    )


def test_an_export_that_answers_otherwise_publishes_nothing(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = zoo.train("mlp", tables(passengers()), model={"units": (4,)}, epochs=2)
    export = saved_model.saved_model

    def wrong(model: object, place: Path, **options: object) -> None:
        model.set_weights([weight + 0.01 for weight in model.get_weights()])
        export(model, place, **options)

    monkeypatch.setattr(saved_model, "saved_model", wrong)
    with pytest.raises(JobError, match="not equal to the trained one"):
        trained.export("saved_models/wrong")
    assert not list(Path("saved_models/wrong").iterdir())
