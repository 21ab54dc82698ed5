from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zoo import InputError
from zoo.data import open as open_data
from zoo.data import sequences
from zoo.kinds.registry import kind_of

STEPS = {"D": "%Y-%m-%d", "h": "%d/%m/%Y %H:%M", "min": "%m/%d/%Y %I:%M %p"}


def regular(step: str = "D", rows: int = 100) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=rows, freq=step)
    return pd.DataFrame({"date": times.strftime(STEPS[step]), "sales": np.arange(rows) % 9 + 1.0})


def with_gaps(step: str = "D") -> pd.DataFrame:
    """Five rows are missing, and the values of three."""
    frame = regular(step)
    frame.loc[[3, 50, 99], "sales"] = np.nan
    return frame.drop(index=[10, 11, 40, 88, 89])


def values(data: object) -> np.ndarray:
    """The series that windows of one step and a step ahead were made of."""
    parts = [data.train, data.validation]
    first = [part.inputs[:, 0, 0] for part in parts]
    return np.concatenate([*first, parts[1].targets[-1]])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("how", ["previous", "zero"])
def test_missing_rows_and_values_are_filled_and_told(step: str, how: str) -> None:
    data = sequences(with_gaps(step), target="sales", window=1, horizon=1, fill=how)
    wanted = regular(step)["sales"].to_numpy(np.float32)
    gaps = [3, 10, 11, 40, 50, 88, 89, 99]
    for at in gaps:
        wanted[at] = 0 if how == "zero" else wanted[at - 1]
    np.testing.assert_array_equal(values(data), wanted)
    reasons = sorted(note.reason for note in data.intake if "filled" in note.reason or "added" in note.reason)
    assert reasons[0] == "5 rows added for times that are missing, the first after row 9"
    assert reasons[1] == f"8 missing values filled {'by 0' if how == 'zero' else 'by the value before'}"
    assert not [note for note in data.intake if "usual" in note.reason]
    assert data.input["fill"] == how and kind_of(data.input) == data.kind
    names = data.train.names
    assert len(set(names)) == len(names) and names[9].startswith("2024-01-") and len(names) == 79

    again, _ = data.kind.labelled(with_gaps(step), data.task)
    assert set(data.train.digests) | set(data.validation.digests) == set(again.digests)
    _, inputs, errors = data.kind.raw(with_gaps(step))
    assert inputs.ravel().tolist() == [wanted[-1]] and not errors


def test_each_series_has_gaps_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "shops.csv"
    pd.concat([regular().assign(shop="a"), with_gaps().assign(shop="b")]).to_csv(path, index=False)
    data = open_data(path, series="shop", target="sales", window=7, horizon=2, fill="zero")
    assert {name: data.train.series.count(name) for name in "ab"} == {"a": 72, "b": 72}
    reasons = [note.reason for note in data.intake]
    assert "in 1 of 2 series, as in 'b': 5 rows added for times that are missing, the first after row 111" in reasons
    names, inputs, errors = data.kind.raw(path)
    assert names == ["a 2024-04-09", "b 2024-04-09"] and not errors
    assert inputs[1, -1, 0] == 0


def test_numbers_as_times_and_none() -> None:
    frame = with_gaps().assign(date=np.delete(np.arange(100) * 5, [10, 11, 40, 88, 89]))
    assert len(values(sequences(frame, target="sales", window=1, time="date", fill="zero"))) == 100
    data = sequences(with_gaps().drop(columns="date"), target="sales", window=1, fill="zero")  # cells alone
    assert len(values(data)) == 95


def test_what_came_before_alone_fills() -> None:
    frame = regular()
    frame.loc[0, "sales"] = np.nan
    with pytest.raises(
        InputError, match=r"row 0, column 'sales': expected a finite number, received nothing; fill the"
    ):
        sequences(frame, target="sales", window=1, fill="previous")
    months = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=40, freq="MS").astype(str)})
    data = sequences(months.assign(sales=np.arange(40) % 5), window=3, fill="zero")  # of 28 to 31 days: no gaps
    assert not [note for note in data.intake if "added" in note.reason]


@pytest.mark.parametrize(
    ("frame", "options", "expected"),
    [
        (with_gaps(), {}, r"row 3, column 'sales': .* fill the gap \(fill= or --fill previous or zero\)"),
        (with_gaps(), {"fill": "linear"}, "expected fill to be previous or zero, received 'linear'"),
        (regular().drop(index=range(2, 80)), {"fill": "zero"}, "78 rows are missing in 22 for steps of 86400 seconds"),
        (regular().assign(sales="many"), {"fill": "zero"}, "'sales' holds 'many'"),
        (
            regular().assign(id="a"),
            {"series": "id", "horizon": None, "fill": "zero"},
            "fill and known are for forecasts",
        ),
    ],
)
def test_what_can_not_be_filled(frame: pd.DataFrame, options: dict, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        sequences(frame, **({"target": "sales", "horizon": 1} | options))
