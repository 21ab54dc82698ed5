from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo import InputError
from zoo.data import open as open_data
from zoo.data import sequences
from zoo.kinds import Panel, Series
from zoo.kinds.registry import kind_of

SCALES = {"001": (10.0, 1.0), "002": (1e6, 2e5), "thin": (1e-3, 1e-4)}


def shops(rows: int = 90, **lengths: int) -> pd.DataFrame:
    """Sales of shops of all sizes, with a week in them; one row a day and shop, days of all shops together."""
    rng = np.random.default_rng(0)
    each = []
    for name, (level, spread) in SCALES.items():
        days = np.arange(lengths.get(name, rows))
        sales = level + spread * (np.sin(2 * np.pi * days / 7) + 0.1 * rng.standard_normal(len(days)))
        dates = pd.date_range("2024-01-01", periods=len(days)).astype(str)
        each.append(pd.DataFrame({"date": dates, "shop": name, "sales": sales, "promo": (days % 5 == 0).astype(int)}))
    return pd.concat(each).sort_values(["date", "shop"], ignore_index=True)


def notes(data: object) -> dict[str, str]:
    return {note.name: note.reason for note in data.intake}


def test_each_series_is_held_out_by_time(tmp_path: Path) -> None:
    path = tmp_path / "shops.csv"
    shops().to_csv(path, index=False)
    data = open_data(path, series="shop", target="sales", window=14, horizon=3)
    assert isinstance(data.kind, Panel) and data.task.name == "forecasting" and data.task.reach == 9
    assert data.kind.several == 3 and data.kind.features == ("sales", "promo") and data.input["series"] == "shop"
    assert kind_of(json.loads(json.dumps(data.input))) == data.kind
    for name in SCALES:
        table = shops().query("shop == @name").reset_index(drop=True)
        values = table[["sales", "promo"]].to_numpy(np.float32)
        for part, first, last in ((data.train, 14, 72), (data.validation, 72, 90)):
            here = part.chosen(np.flatnonzero(np.array(part.series) == name))
            assert here.names == tuple(f"{name} {day}" for day in table["date"][first : last - 2])
            for at, window, target in zip(range(first, last - 2), here.inputs, here.targets, strict=True):
                np.testing.assert_array_equal(window, values[at - 14 : at])
                np.testing.assert_array_equal(target, values[at : at + 3, 0])
    assert data.train.series[-3:] == data.validation.series[:3] == tuple(SCALES)  # by turns
    assert notes(data)["6 windows"].startswith("their targets reach over the cut")


def test_series_of_different_lengths_end_together_in_training() -> None:
    data = sequences(shops(thin=45), series="shop", target="sales", window=7, horizon=2)
    assert {name: data.train.series.count(name) for name in SCALES} == {"001": 64, "002": 64, "thin": 28}
    assert [data.train.series[-3 * at - 1] for at in range(28)] == ["thin"] * 28


def test_prediction_and_scores_of_files(tmp_path: Path) -> None:
    frame = shops()
    data = sequences(frame, series="shop", target="sales", window=14, horizon=3)
    names, inputs, errors = data.kind.raw(frame)
    assert names == [f"{name} 2024-03-30" for name in SCALES] and not errors
    np.testing.assert_array_equal(inputs[1], frame.query("shop == '002'")[["sales", "promo"]][-14:].astype(np.float32))
    new = pd.concat([frame.query("shop == '001'").assign(shop="new"), frame.head(4)])
    names, inputs, errors = data.kind.raw(new)
    assert names == ["new 2024-03-30", "001", "002", "thin"] and set(errors) == {1, 2, 3}
    assert "has 2 rows; the model looks back over 14" in errors[1] and np.isnan(inputs[1:]).all()
    names, inputs, _ = data.kind.raw(frame, every=True)
    assert len(inputs) == 3 * 77 and names[76] == "001 2024-03-30"
    np.testing.assert_array_equal(data.kind.raw(inputs[:2])[1], inputs[:2])

    part, found = data.kind.labelled(new, data.task)
    assert set(part.series) == {"new"} and {note.name for note in found} == {"series 001", "series 002", "series thin"}
    day = pd.to_datetime(frame["date"])
    split = frame.assign(split=np.where(day < "2024-03-01", "train", "test"))
    part, _ = data.kind.labelled(split, data.task)
    assert part.names[:4] == ("001 2024-03-01", "002 2024-03-01", "thin 2024-03-01", "001 2024-03-02")
    assert sequences(split, series="shop", target="sales", horizon=3).test.series[:3] == tuple(SCALES)
    with pytest.raises(InputError, match="no column 'shop' for what the model was trained on"):
        data.kind.raw(frame.drop(columns="shop"))
    with pytest.raises(InputError, match="no series is long enough"):
        data.kind.labelled(frame.head(9), data.task)


def test_dates_are_decided_once_and_every_series_is_sorted() -> None:
    frame = shops()
    plain = sequences(frame, series="shop", target="sales", horizon=2)
    other = frame.assign(date=pd.to_datetime(frame["date"]).dt.strftime("%d/%m/%Y"))[::-1]
    data = sequences(other, series="shop", target="sales", horizon=2)
    assert set(data.train.digests) == set(plain.train.digests) and data.input["day_first"] is True
    reasons = [note.reason for note in data.intake]
    assert "dates as day/month/year: the first field goes over 12" in reasons
    assert [reason for reason in reasons if "3 of 3 series, as in 'thin': rows sorted by it" in reason]
    hours = pd.date_range("2024-01-01", periods=40, freq="h")
    clocks = pd.DataFrame({"Date": hours.strftime("%d.%m.%Y"), "Time": hours.strftime("%H:%M")})
    sensors = pd.concat([clocks.assign(sensor=name, heat=np.arange(40) % 7 + at) for at, name in enumerate("ab")])
    data = sequences(sensors, series="sensor", horizon=1)
    assert data.kind.clock == "Time" and data.kind.features == ("heat",) and data.task.names == ("heat +1",)


@pytest.mark.parametrize(
    ("frame", "options", "expected"),
    [
        (shops(), {"target": "shop"}, "expected a column of numbers to forecast with, 'shop' holds"),
        (shops(), {"series": "store"}, "no column 'store' for series"),
        (shops(), {"window": 80, "horizon": 20}, "all 3 series have too few rows for a window of 80 and a horizon of"),
        (shops().assign(shop=None), {}, "the series, 'shop', is missing"),
        (shops().assign(sales=2.0), {}, "the target 'sales' is 2 in every training row"),
        (shops().replace({"date": {"2024-01-03": "2024-01-02"}}), {}, "shop '001': row 6: the same time twice"),
        (
            shops().assign(sales=lambda f: f["sales"].where(f.index != 7)),
            {},
            "shop '002': row 7, column 'sales': .*gap",
        ),
    ],
)
def test_errors_name_the_series(frame: pd.DataFrame, options: dict, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        sequences(frame, **({"series": "shop", "target": "sales", "horizon": 3} | options))


def test_short_series_are_left_out_and_told() -> None:
    data = sequences(shops(thin=12), series="shop", target="sales", window=14, horizon=3)
    assert set(data.train.series) == {"001", "002"} and data.kind.several == 2
    assert notes(data)["1 series"].startswith(
        "too few rows for a window of 14 and a horizon of 3 in each part, as 'thin'"
    )


def test_a_horizon_alone_asks_for_a_forecast_and_a_series_alone_for_classes() -> None:
    frame = shops()
    assert isinstance(sequences(frame.query("shop == '001'"), target="sales", horizon=1).kind, Series)
    assert isinstance(sequences(frame, target="sales", series="shop", horizon=1).kind, Panel)
    labelled = frame.assign(label=frame["shop"].map({"001": "a", "002": "b", "thin": "a"}))
    with pytest.raises(InputError, match="class 'b' has one row"):
        sequences(labelled, target="label", series="shop")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> zoo.Trained:
    data = sequences(shops(), series="shop", target="sales", window=14, horizon=3)
    return zoo.train("gru", data, model={"units": (4,)}, epochs=2)


def test_every_shop_is_forecast_in_its_own_unit(trained: zoo.Trained) -> None:
    scores = trained.evaluation.to_dict()["series"]
    assert list(scores) == list(SCALES) and [row["examples"] for row in scores.values()] == [16, 16, 16]
    for name, (_, spread) in SCALES.items():
        simple = scores[name]["baselines"]
        assert scores[name]["rmse"] < 0.3 * spread and scores[name]["rmse"] < simple["persistence"]["rmse"]
        assert {"persistence", "the season before (7 steps)", "linear autoregression"} == set(simple)
        assert simple["the season before (7 steps)"]["rmse"] < 0.3 * spread
    inputs = trained.data.validation.inputs[:6]
    moved = inputs * np.float32([1000, 1]) + np.float32([512, 0])  # a shop of another size
    answers, other = (np.asarray(trained.model(each)) for each in (inputs, moved))
    np.testing.assert_allclose(other, answers * 1000 + 512, rtol=1e-4)


def test_an_artifact_answers_for_shops_it_never_saw(trained: zoo.Trained, tmp_path: Path) -> None:
    artifact = zoo.load(trained.export(tmp_path / "shops"))
    new = shops().query("shop == '001'").assign(shop="new", sales=lambda frame: frame["sales"] * 1e4)
    known = artifact.predict(shops())[0].values["sales +1"]
    answer = artifact.predict(new)[0]
    assert answer.name == "new 2024-03-30" and answer.values["sales +1"] == pytest.approx(known * 1e4, rel=1e-4)
    report = artifact.evaluate(shops())
    assert set(report.evaluation.series) == set(SCALES)  # what was held out
    assert report.evaluation.rmse == pytest.approx(trained.evaluation.rmse, rel=0.3)


def test_windows_that_do_not_vary() -> None:
    from zoo.arrays import apply

    data = sequences(shops(), series="shop", target="sales", window=4)
    windows = np.zeros((5, 4, 2), np.float32)
    windows[1, :, 0], windows[2, :, 0], windows[3, :, 0] = 7, 1e30, [1e-20, 2e-20, 1e-20, 2e-20]
    windows[4, :, 0] = np.float32(1e6) + np.float32([0, 0, 0.0625, 0])  # a rounding
    scaled, unit = apply(data.preprocess, windows)
    assert np.isfinite(scaled).all() and (scaled[:3, :, 0] == 0).all() and np.abs(scaled).max() < 10
    np.testing.assert_allclose(scaled[3, :, 0], [-1, 1, -1, 1], rtol=1e-5)
    assert np.abs(scaled[4]).max() < 10 and unit[1].tolist() == pytest.approx([7, 7e-5])
    promo = scaled[:, 0, 1]  # a flag is scaled by all windows: by its own it would always be 0
    assert (promo == promo[0]).all() and promo[0] != 0


@pytest.mark.slow
def test_an_autoencoder_takes_windows_in_their_own_unit(tmp_path: Path) -> None:
    data = sequences(shops(), series="shop", target="sales", window=7, horizon=1)
    model = {"latent_dim": 2, "units": 4}
    trained = zoo.train("sequence_autoencoder", data, model=model, epochs=1, false_alarms=0.2)
    assert trained.task.window == 21  # windows that share steps follow each other by turns
    artifact = zoo.load(trained.export(tmp_path / "strange"))
    assert len(artifact.anomalies(shops())) == 3 * 84 and "reconstruct" not in artifact.verbs
