from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo import InputError
from zoo.data import open as open_data
from zoo.data import sequences
from zoo.kinds.registry import kind_of


def promotions(rows: int = 100, further: int = 3, seed: int = 0) -> pd.DataFrame:
    """Sales that rise by 5 on days of a promotion, which are known ahead; further days have no sales yet."""
    rng = np.random.default_rng(seed)
    promo = rng.integers(0, 2, rows + further)
    sales = 10.0 + 5 * promo + 0.5 * rng.standard_normal(rows + further)
    sales[rows:] = np.nan
    dates = pd.date_range("2024-01-01", periods=rows + further).astype(str)
    return pd.DataFrame({"date": dates, "sales": sales, "promo": promo})


@pytest.mark.parametrize("further", [0, 3, 5])
def test_a_step_has_what_is_known_of_the_steps_that_are_forecast(further: int) -> None:
    frame = promotions(further=further)
    data = sequences(frame, target="sales", window=6, horizon=3, known="promo")
    plain = sequences(frame[:100], target="sales", window=6, horizon=3)
    assert data.input["known"] == ["promo"] and kind_of(data.input) == data.kind and "known" not in plain.input
    for part in ("train", "validation"):
        ours, other = getattr(data, part), getattr(plain, part)
        assert ours.names == other.names
        np.testing.assert_array_equal(ours.targets, other.targets)
        np.testing.assert_array_equal(ours.inputs[:, :, 0], other.inputs[:, :, 0])
        np.testing.assert_array_equal(ours.inputs[:, -3:, 1], (ours.targets > 12.5).astype(np.float32))
    part, _ = data.kind.labelled(frame, data.task)
    assert set(part.digests) == set(data.train.digests) | set(data.validation.digests) | set(part.digests[72:74])


def test_a_file_to_be_asked_has_further_rows() -> None:
    data = sequences(promotions(), target="sales", window=6, horizon=3, known=["promo"])
    frame = promotions(further=4)
    names, inputs, errors = data.kind.raw(frame)
    assert names == ["2024-04-09"] and not errors
    np.testing.assert_array_equal(inputs[0, :, 1], frame["promo"][97:103])
    names, inputs, errors = data.kind.raw(frame, every=True)
    assert len(names) == 95 and not errors
    with pytest.raises(
        InputError, match="expected 3 rows after the last one with 'sales', which have promo alone.*ed 2"
    ):
        data.kind.raw(promotions(further=2))
    frame.loc[101, "promo"] = np.nan
    with pytest.raises(InputError, match="row 101, column 'promo': expected a finite number, which is known ahead"):
        data.kind.raw(frame)
    assert "promo (3 steps later)" in data.kind.meanings()["sequence"]


def test_several_series_know_what_is_ahead(tmp_path: Path) -> None:
    frame = pd.concat([promotions().assign(shop="a"), promotions(80, seed=1).assign(shop="b")])
    path = tmp_path / "shops.csv"
    frame.to_csv(path, index=False)
    data = open_data(path, series="shop", target="sales", window=14, horizon=3, known="promo")
    np.testing.assert_array_equal(data.train.inputs[:, -3:, 1], (data.train.targets > 12.5).astype(np.float32))
    assert data.kind.raw(path)[0] == ["a 2024-04-09", "b 2024-03-20"]
    short = frame[(frame["shop"] == "a") | frame["sales"].notna()]
    names, _, errors = data.kind.raw(short)
    assert names == ["a 2024-04-09", "b"] and "expected 3 rows after the last one" in errors[1]

    trained = zoo.train("gru", data, model={"units": (4,)}, epochs=2)
    without = sequences(frame.dropna(), series="shop", target="sales", window=14, horizon=3)
    assert trained.evaluation.rmse < 1.5 < zoo.train("gru", without, model={"units": (4,)}, epochs=2).evaluation.rmse
    artifact = zoo.load(trained.export(tmp_path / "shops"))
    answer = artifact.predict(path)[0].values
    promo = frame["promo"].to_numpy()[100:103]
    np.testing.assert_allclose([answer[f"sales +{step}"] for step in (1, 2, 3)], 10 + 5 * promo, atol=2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"known": "sales"}, "expected known to name columns of numbers beside the target 'sales', received 'sales'"),
        ({"known": ["weather"]}, "received 'weather'; there are promo"),
        ({"known": "promo,date"}, "received 'date'"),
        ({"known": "promo", "fill": "zero"}, "fill and known can't be given together"),
        ({"known": "promo", "series": "date", "horizon": None, "window": None}, "fill and known are for forecasts"),
    ],
)
def test_what_can_not_be_known(options: dict, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        sequences(promotions(), **({"target": "sales", "window": 6, "horizon": 3} | options))
