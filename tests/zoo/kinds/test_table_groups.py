"""Columns of dates and texts, and numbers as written, from the file to the exported model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas
import pytest

import zoo
from support.programs import alone, command
from zoo.data import tables
from zoo.data.unseen import unseen_of


def visits(days: int = 120, form: str = "%Y-%m-%d", first: str = "2023-01-02") -> pandas.DataFrame:
    """Five rows a day; weekends are busy."""
    rng = np.random.default_rng(0)
    times = pandas.date_range(first, periods=days).repeat(5)
    label = np.where(times.dayofweek >= 5, "busy", "quiet")
    return pandas.DataFrame(
        {"day": times.strftime(form), "noise": rng.normal(size=len(times)).round(2), "label": label}
    )


def reasons(data: zoo.data.Data, column: str) -> str:
    return "; ".join(note.reason for note in data.intake if note.name == f"column {column}")


@pytest.mark.parametrize(
    ("form", "order"),
    [
        ("%Y-%m-%d", None),
        ("%d/%m/%Y", "day/month/year"),
        ("%m/%d/%Y", "month/day/year"),
        ("%d.%m.%y", "day/month/year"),
    ],
)
def test_dates_are_numbers_and_days_stay_together(tmp_path: Path, form: str, order: str | None) -> None:
    visits(form=form).to_csv(tmp_path / "visits.csv", index=False)
    data = tables(tmp_path / "visits.csv")
    assert data.input["dates"] == ["day"] and data.input["categorical"] == []
    assert ("as " + order in reasons(data, "day")) if order else "month/year" not in reasons(data, "day")
    assert "stay on one side" in reasons(data, "day")
    sides = [set(part.inputs["dates"][:, 0]) for part in (data.train, data.validation)]
    assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 120
    visits().to_csv(tmp_path / "iso.csv", index=False)
    assert data.fingerprint == tables(tmp_path / "iso.csv").fingerprint
    frame = visits(form=form)
    frame["day"] = pandas.to_datetime(frame["day"], format=form)
    np.testing.assert_array_equal(tables(frame).train.inputs["dates"], data.train.inputs["dates"])


def test_dates_that_could_be_meant_either_way_are_said_with_the_option(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    days = [f"{rng.integers(1, 13)}/{rng.integers(1, 13)}/2024" for _ in range(60)]
    frame = pandas.DataFrame({"day": days, "x": rng.normal(size=60), "label": ["a", "b"] * 30})
    assert "either could be meant; for the other give --day-first" in reasons(tables(frame), "day")
    assert tables(frame, day_first=True).input["orders"] == ["day"]


@pytest.mark.parametrize("odd", ["soon", "31.31.2024"])
def test_a_column_with_something_else_among_dates_is_none_of_dates(odd: str) -> None:
    frame = visits()
    frame.loc[7, "day"] = odd
    data = tables(frame)
    assert "dates" not in data.input and ("look like dates" in reasons(data, "day")) == (odd != "soon")
    frame.loc[7, "day"] = "unknown"
    assert tables(frame).input["dates"] == ["day"]


@pytest.mark.slow
def test_a_model_of_dates_texts_and_written_numbers_takes_rows_as_they_are_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = visits()
    warm = rng.random(len(frame)) < 0.5
    frame["label"] = np.where((frame["label"] == "busy") == warm, "yes", "no")
    frame["said"] = [
        f"a {'warm and sunny' if each else 'cold and grey'} day, number {at}" for at, each in enumerate(warm)
    ]
    frame["price"] = [f"1.{at:03d},5 €" for at in rng.integers(0, 999, len(frame))]
    frame.to_csv(tmp_path / "days.csv", index=False)
    data = tables(tmp_path / "days.csv")
    kinds = ("numeric", "dates", "categorical", "texts")
    assert {name: data.input.get(name) for name in kinds} == {
        "numeric": ["noise", "price"],
        "dates": ["day"],
        "categorical": [],
        "texts": ["said"],
    }
    assert "--text said" in reasons(data, "said")
    artifact = tmp_path / "made"
    done = command("train", "mlp", tmp_path / "days.csv", "--epochs", 40, "--out", artifact)
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"accuracy ([\d.]+)", done.stdout)[1]) > 0.95  # of days that were held out

    rows = [
        {"day": "2023-06-03", "noise": 0, "said": "a warm and sunny day", "price": "1.200,5 €"},  # Saturday
        {"day": "2023-06-05", "noise": 0, "said": "a warm and sunny day", "price": "unknown"},
        {"day": "2023-06-03T18:00", "noise": 0, "said": "grey and cold", "price": 1200.5},
        {"day": "", "noise": 0, "said": "", "price": ""},
        {"day": "soon", "noise": 0, "said": "", "price": ""},
    ]
    model = zoo.load(artifact)
    answers = model.predict(rows)
    assert [each.label for each in answers[:3]] == ["yes", "no", "no"] and answers[3].label is not None
    assert "expected a date" in answers[4].error
    columns = {name: [str(row[name]) for row in rows[:4]] for name in ("day", "said", "price")}
    columns["price"][2] = "1200,5"
    served = alone(artifact / "1", noise=[0.0] * 4, **columns)
    assert served["label"][:3] == ["yes", "no", "no"]
    np.testing.assert_allclose(
        np.array(served["probabilities"], float).max(axis=1), [each.probability for each in answers[:4]], atol=1e-5
    )


def test_signs_are_no_texts_and_times_with_a_zone_are_dates() -> None:
    frame = visits()
    frame["signs"] = ["-- .. ,, ;; " + "." * at for at in range(len(frame))]
    frame["day"] = pandas.to_datetime(frame["day"]).dt.tz_localize("UTC")
    data = tables(frame)
    assert data.input["dates"] == ["day"] and "texts" not in data.input and "identifier" in reasons(data, "signs")
    np.testing.assert_array_equal(data.train.inputs["dates"], tables(visits()).train.inputs["dates"])


def test_check_shows_each_column_and_what_training_refuses(tmp_path: Path) -> None:
    frame = visits()
    frame["id"] = [f"R{at:05d}x" for at in range(len(frame))]
    frame.loc[::10, "noise"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    shown = command("check", tmp_path / "t.csv", "--json")
    columns = {row["column"]: row for row in json.loads(shown.stdout)["columns"]}
    assert list(columns) == ["day", "noise", "label", "id"] and shown.returncode == 0
    assert columns["day"]["read_as"] == "date, 2023-01-02 to 2023-05-01"
    assert 0.05 < columns["noise"]["missing"] < 0.15 and "mean" in columns["noise"]["filled"]
    assert columns["label"]["read_as"] == "target" and "an identifier" in columns["id"]["reason"]
    assert "an identifier" in command("check", tmp_path / "t.csv").stdout

    frame["split"] = ["train", "test"] * 300
    frame.loc[frame["split"] == "test", "label"] = "new"
    frame.to_csv(tmp_path / "t.csv", index=False)
    shown = command("check", tmp_path / "t.csv")
    assert shown.returncode == 2 and "new" in shown.stderr


@pytest.mark.parametrize("clock", ["{:02d}:30", "{}:30:00 AM"])
def test_a_column_of_times_of_day_is_joined_to_the_dates(tmp_path: Path, clock: str) -> None:
    frame = visits(30)
    hours = np.arange(len(frame)) % (11 if "AM" in clock else 24) + ("AM" in clock)
    frame["Time"] = [clock.format(hour) for hour in hours]
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = tables(tmp_path / "t.csv")
    assert data.input["dates"] == ["day"] and data.input["clocks"] == ["Time"]
    assert "joined to the dates in 'day'" in reasons(data, "Time")
    kind = type(data.kind).from_card(json.loads(json.dumps(data.kind.to_card())))
    raw = kind.raw(tmp_path / "t.csv")
    np.testing.assert_array_equal(raw.inputs["dates"][:, 1], hours * 3600 + 1800)
    one = kind.raw({"day": "2023-01-02 05:30", "noise": 1})
    assert one.inputs["dates"][0, 1] == 5 * 3600 + 1800 and list(kind.feeds(one.inputs)["day"]) == [
        "2023-01-02T05:30:00"
    ]


def test_what_training_never_had_is_said_for_each_group(tmp_path: Path) -> None:
    frame = visits()
    rng = np.random.default_rng(0)
    frame["price"] = [f"{at},5 €" for at in rng.integers(100, 200, len(frame))]
    frame["said"] = [
        f"a {'warm and sunny' if at % 2 else 'cold and grey'} day, number {at}" for at in range(len(frame))
    ]
    data = tables(frame)
    kind = data.kind.completed(data.train, None, frame)
    calendar = data.preprocess.get_layer("calendar").get_config()
    layers = {"Calendar": calendar, "WordCounts": data.preprocess.get_layer("word_counts").get_config()}
    rows = [
        {"day": "2023-02-01", "noise": 0, "said": "a warm day", "price": "120,5 €"},
        {"day": "2031-02-01", "noise": 99, "said": "nothing known here", "price": "9999,5 €"},
        {"day": "", "noise": None, "said": "", "price": ""},
    ]
    found = unseen_of(kind.training_values(layers), kind.feeds(kind.raw(rows).inputs))
    assert list(found) == [1]
    assert {each.where for each in found[1]} == {
        "column 'noise'",
        "column 'price'",
        "column 'day'",
        "words of column 'said'",
    }
    assert "2031-02-01" in {each.value for each in found[1]}
