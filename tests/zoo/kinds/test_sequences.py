from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as any_array

from zoo import InputError
from zoo.data import open as open_data
from zoo.data import sequences, windows
from zoo.kinds import samples

HEADER = "#a comment\n@problemName test\n@timeStamps false\n@univariate false\n@classLabel true a b\n@data\n"


def notes(data: object) -> dict[str, str]:
    return {note.name: note.reason for note in data.intake}


def ts(path: Path, rows: list[tuple[np.ndarray, str]], header: str = HEADER) -> Path:
    """Write sequences (length, features) with their classes."""
    lines = [":".join([*(",".join(map(str, column)) for column in values.T), label]) for values, label in rows]
    path.write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def some(count: int, seed: int = 0, lengths: tuple[int, int] = (3, 8)) -> list[tuple[np.ndarray, str]]:
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(5, 3, (rng.integers(*lengths), 2)).astype(np.float32), "ab"[index % 2]) for index in range(count)
    ]


def weather(rows: int = 100) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "date": pd.date_range("2020-01-01", periods=rows).astype(str),
            "warmth": np.arange(rows) + 0.5,
            "rain": rng.random(rows).round(3),
            "sky": rng.choice(["sun", "fog"], rows),
        }
    )


# Sequences with a class.


def test_given_parts_of_unequal_length(tmp_path: Path) -> None:
    from zoo.arrays import apply

    train, test = some(20), some(6, 1, (4, 12))
    train[3] = (test[2][0], "b")
    ts(tmp_path / "Test_TRAIN.ts", train)
    ts(tmp_path / "Test_TEST.ts", test)
    data = open_data(tmp_path)
    assert data.task.name == "classification" and data.classes == ("a", "b")
    assert len(data.train) == 19 and len(data.test) == 6 and data.validation is None
    assert notes(data) == {"Test_TRAIN row 10": "same content as Test_TEST row 9, which is in the test part"}
    assert data.input["length"] is None and data.preprocess.input_shape == (None, None, 2)
    for part, rows in ((data.test, test),):
        for values, name, (expected, label), target in zip(part.inputs, part.names, rows, part.targets, strict=True):
            np.testing.assert_array_equal(values[: len(expected)], expected)
            assert np.isnan(values[len(expected) :]).all() and data.classes[target] == label and "TEST" in name
    steps = np.concatenate([values for at, (values, _) in enumerate(train) if at != 3])
    found = apply(data.preprocess, data.train.inputs)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(data.train.inputs))
    real = found[~np.isnan(found).any(axis=2)]
    assert len(real) == len(steps)
    np.testing.assert_allclose(real.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(real.std(axis=0), 1, rtol=1e-5)

    part, _ = data.kind.labelled(tmp_path, data.task)
    assert part.digests == data.test.digests and (part.targets == data.test.targets).all()
    names, inputs, errors = data.kind.raw(tmp_path / "Test_TEST.ts")
    assert names[0] == "row 7" and inputs.shape == (6, max(len(v) for v, _ in test), 2) and not errors


def test_one_file_of_equal_length_is_split(tmp_path: Path) -> None:
    data = sequences(ts(tmp_path / "one.ts", some(30, lengths=(5, 6))))
    assert len(data.train) == 24 and np.bincount(data.validation.targets).tolist() == [3, 3]
    assert data.input["length"] == 5 and data.train.inputs.shape == (24, 5, 2)
    ragged = [np.zeros((5, 2)), np.zeros((4, 2)), np.zeros((5, 3)), np.full((5, 2), np.nan), np.ones((5, 2))]
    _, inputs, errors = data.kind.raw(ragged)
    assert errors.keys() == {1, 2, 3} and "expected 5 steps, received 4" in errors[1]
    assert np.isnan(inputs[[1, 2, 3]]).all() and (inputs[4] == 1).all()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1,2,?:1,2,3:a", r"row 7: a value is missing \(\?\)"),
        ("1,2,NaN:1,2,3:a", "row 7: expected finite numbers, received NaN as value 3"),
        ("1,2,x:1,2,3:a", "row 7: expected numbers with commas"),
        ("1,2,3:1,2:a", "row 7: expected dimensions of one length"),
        ("1,2,3:1,2,3:c", "row 7: expected a class out of a, b, received 'c'"),
        ("1,2,3:a", "row 8: expected 1 dimensions, received 2"),
        ("a", "row 7: expected values"),
    ],
)
def test_errors_of_ts_files_name_the_row(tmp_path: Path, line: str, expected: str) -> None:
    path = tmp_path / "bad.ts"
    path.write_text(f"{HEADER}{line}\n1,2,3:4,5,6:b\n")
    with pytest.raises(InputError, match=expected):
        sequences(path)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "expected NAME_TRAIN.ts and NAME_TEST.ts of one data set, found none"),
        ({"A_TRAIN.ts": "", "B_TRAIN.ts": ""}, "of one data set, found A_TRAIN.ts, B_TRAIN.ts"),
        ({"a.ts": "1,2:a\n"}, "whose header ends with a line @data"),
        ({"a.ts": HEADER}, "no sequence below @data"),
        ({"a.ts": HEADER.replace("timeStamps false", "timeStamps true") + "1:1:a\n"}, "expected @timeStamps false"),
        ({"a.ts": HEADER.replace("classLabel true a b", "classLabel false") + "1,2\n"}, "expected a class for each"),
    ],
)
def test_folders_without_readable_files(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=expected):
        sequences(tmp_path)


def test_rows_of_one_series(tmp_path: Path) -> None:
    rows = [
        (f"s{index}", step, index + step / 10, 1.0, "fog", "up" if index % 2 else "down")
        for index in range(20)
        for step in range(3 + index % 3)
    ]
    frame = pd.DataFrame(rows, columns=["who", "when", "value", "same", "sky", "label"])
    path = tmp_path / "long.csv"
    frame.sample(frac=1, random_state=0).to_csv(path, index=False)
    data = open_data(path, series="who", time="when")
    assert data.classes == ("down", "up") and len(data.train) == 16 and len(data.validation) == 4
    assert data.input["features"] == ["value"] and notes(data).keys() == {"column same", "column sky"}
    for part in data.parts.values():
        for name, values in zip(part.names, part.inputs, strict=True):
            index = int(name.removeprefix("s"))
            expected = [index + step / 10 for step in range(3 + index % 3)]
            np.testing.assert_allclose(values[~np.isnan(values)], expected, rtol=1e-6)
    part, _ = data.kind.labelled(path, data.task)
    assert set(part.digests) == set(data.train.digests) | set(data.validation.digests)
    names, inputs, errors = data.kind.raw(frame.drop(columns="label"))
    assert names[:2] == ["s0", "s1"] and inputs.shape == (20, 5, 1) and not errors
    given_ = frame.assign(split=np.where(frame["who"].isin(["s1", "s2"]), "test", "train"))
    assert set(sequences(given_, series="who", time="when").test.names) == {"s1", "s2"}

    frame.loc[4, "label"] = "down"
    with pytest.raises(InputError, match="row 4: expected one value of 'label' in the series 's1', received 'up' and"):
        sequences(frame, series="who")
    frame.loc[4, ["label", "when"]] = ["up", 0]
    with pytest.raises(InputError, match="series 's1' has the time 0 twice"):
        sequences(frame, series="who", time="when")
    frame.loc[5, "value"] = np.nan
    with pytest.raises(InputError, match="row 5, column 'value': expected a finite number, received nothing"):
        sequences(frame, series="who")
    assert replace(data.kind, time=None).raw(frame)[2].keys() == {1}


# Forecasts.


@settings(max_examples=60, deadline=None)
@given(
    values=any_array(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=st.floats(-5, 5, width=32)),
    window=st.integers(1, 12),
    horizon=st.integers(1, 6),
)
def test_windows(values: np.ndarray, window: int, horizon: int) -> None:
    position = values.shape[1] - 1
    if len(values) < window + horizon:
        with pytest.raises(InputError, match=f"has {len(values)} rows.*need {window + horizon}"):
            windows(values, window, horizon, position)
        return
    inputs, targets = windows(values, window, horizon, position)
    assert len(inputs) == len(targets) == len(values) - window - horizon + 1
    for at, (past, future) in enumerate(zip(inputs, targets, strict=True)):
        np.testing.assert_array_equal(past, values[at : at + window])
        np.testing.assert_array_equal(future, values[at + window : at + window + horizon, position])


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(20, 90), window=st.integers(1, 12), horizon=st.integers(1, 5), validation=st.floats(0.15, 0.5))
def test_nothing_leaks_over_the_cut(rows: int, window: int, horizon: int, validation: float) -> None:
    frame = weather(rows)  # warmth is the number of the row
    try:
        data = sequences(frame, target="warmth", window=window, horizon=horizon, validation=validation)
    except InputError as error:
        assert str(window) in str(error) and str(horizon) in str(error)
        return
    cut = round(rows * (1 - validation))
    place = data.input["target_position"]
    assert data.train.targets.max() < cut + 0.5 <= data.validation.targets.min()
    assert data.validation.targets.min() == cut + 0.5 and data.validation.targets.max() == rows - 0.5
    for part in data.parts.values():
        np.testing.assert_array_equal(part.targets, part.inputs[:, -1:, place] + np.arange(1, horizon + 1))
        assert part.names == tuple(frame["date"][int(target - 0.5)] for target in part.targets[:, 0])
    scale = data.preprocess.get_layer("scale")
    expected = frame[data.input["features"]][:cut].to_numpy(np.float64)
    np.testing.assert_allclose(scale.means, expected.mean(axis=0), rtol=1e-6)  # of the past alone
    np.testing.assert_allclose(scale.deviations, expected.std(axis=0), rtol=1e-5)


def test_a_table_of_days(tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    weather().to_csv(path, index=False)
    data = open_data(path, target="warmth", window=7, horizon=3)
    assert data.task.name == "forecasting" and data.classes == ("warmth +1", "warmth +2", "warmth +3")
    assert data.train.inputs.shape == (71, 7, 2) and data.validation.inputs.shape == (18, 7, 2)
    expected = {"features": ["warmth", "rain"], "window": 7, "horizon": 3, "target_position": 0, "time": "date"}
    assert expected.items() <= data.input.items()
    assert notes(data)["column sky"] == "holds no numbers" and notes(data)["2 windows"].startswith("their targets")
    assert sequences(path, target="warmth", features=["warmth"]).input["features"] == ["warmth"]
    assert sequences(path, target="warmth", features=["rain"]).input["features"] == ["warmth", "rain"]

    names, inputs, errors = data.kind.raw(path)
    assert names == ["2020-04-09"] and not errors
    np.testing.assert_array_equal(inputs[0, :, 0], np.arange(93, 100) + 0.5)
    np.testing.assert_array_equal(data.kind.raw(inputs)[1], inputs)
    part, _ = data.kind.labelled(path, data.task)
    assert len(part) == 91 and part.digests[-18:] == data.validation.digests
    frame = weather().assign(split=["train"] * 60 + ["val"] * 20 + ["test"] * 20)
    data = sequences(frame, target="warmth", window=7, horizon=3)
    assert [len(part) for part in data.parts.values()] == [51, 18, 18]
    part, _ = data.kind.labelled(frame, data.task)
    assert part.digests == data.test.digests and part.names == data.test.names
    frame.loc[99, "rain"] = np.nan
    _, inputs, errors = data.kind.raw(frame)
    assert "row 99, column 'rain'" in errors[0] and np.isnan(inputs).all()


def changed(row: int, column: str, value: object) -> pd.DataFrame:
    frame = weather().astype({"rain": object})
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "options", "expected"),
    [
        (weather(), {"window": 80, "horizon": 30}, "has 100 rows, and a window of 80 and a horizon of 30 need 110"),
        (
            weather(),
            {"window": 78, "horizon": 3},
            "train part has 80 rows, too few for a window of 78 and a horizon of 3",
        ),
        (weather(), {"window": 0}, "window and horizon of 1"),
        (weather(), {"horizon": 0}, "window and horizon of 1"),
        (weather(), {"target": "sky"}, "expected a column of numbers to forecast with, 'sky' holds"),
        (weather(), {"target": "snow"}, "no column 'snow'"),
        (weather(), {"features": ["sky"]}, "'sky' holds"),
        (weather(), {"time": "when"}, "no column 'when' for time"),
        (weather(), {"target": None}, "--target COLUMN"),
        (
            changed(7, "rain", None),
            {},
            "row 7, column 'rain': expected a finite number, received nothing; fill the gap",
        ),
        (changed(7, "rain", np.inf), {}, "row 7, column 'rain': expected a finite number, received inf"),
        (changed(7, "date", "2020-01-07"), {}, "row 7: the same time twice in column 'date', 2020-01-07"),
        (changed(7, "date", "soon"), {}, "row 7, column 'date': expected a time.*received 'soon'"),
        (weather().assign(warmth=1.0), {}, "the target 'warmth' is 1 in every training row"),
        (weather().assign(split=["test"] * 50 + ["train"] * 50), {}, "train, val and test in this order"),
        (weather().assign(split=["train", "test"] * 50), {}, "'train' begins again"),
    ],
)
def test_errors_of_series_name_what_is_wrong(frame: pd.DataFrame, options: dict, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        sequences(frame, **({"target": "warmth", "window": 5} | options))


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%d.%m.%y", "%m/%d/%Y"])
def test_dates_of_other_countries_are_as_iso_dates(tmp_path: Path, written: str) -> None:
    frame = weather()
    other = frame.assign(date=pd.to_datetime(frame["date"]).dt.strftime(written))
    plain, data = (sequences(each, target="warmth", window=7, horizon=3) for each in (frame, other))
    for part in ("train", "validation"):
        np.testing.assert_array_equal(getattr(data, part).inputs, getattr(plain, part).inputs)
        assert getattr(data, part).digests == getattr(plain, part).digests
    assert data.input.get("day_first", False) is (written != "%m/%d/%Y")
    assert "clock" not in data.input and plain.input.keys() | {"day_first"} == data.input.keys() | {"day_first"}
    assert [note for note in data.intake if note.reason.startswith("dates as ")]

    kind = type(data.kind).from_card(data.input)
    backwards = other[::-1]
    names, inputs, errors = kind.raw(backwards)
    assert names == [other["date"].iloc[-1]] and not errors
    np.testing.assert_array_equal(inputs, plain.kind.raw(frame)[1])
    part, found = kind.labelled(backwards, data.task)
    assert part.digests[-18:] == plain.validation.digests
    assert any("sorted by it" in note.reason for note in found)


def test_sequences_with_days_first_are_those_of_iso_dates() -> None:
    days = pd.date_range("2020-01-05", periods=30)
    rows = [(f"p{who}", day, (at - 15) * (-1) ** who + who / 10) for who in range(12) for at, day in enumerate(days)]
    frame = pd.DataFrame(rows, columns=["id", "date", "value"])
    frame["label"] = np.where(frame["id"].str[1:].astype(int) % 2, "falling", "rising")
    other = frame.assign(date=frame["date"].dt.strftime("%d/%m/%Y"))
    plain, data = (sequences(each, series="id", time="date") for each in (frame, other))
    assert data.train.digests == plain.train.digests and data.fingerprint == plain.fingerprint
    np.testing.assert_array_equal(data.kind.raw(other)[1], plain.kind.raw(frame)[1])
    few = other.groupby("id").head(8)  # 05/01 to 12/01: days or months, as in training
    np.testing.assert_array_equal(data.kind.raw(few.sample(frac=1, random_state=1))[1].shape, (12, 30, 1))
    both = frame.assign(date=frame["date"].dt.strftime("%Y-%m-%d").where(frame.index % 2 == 0, other["date"]))
    assert sequences(both, series="id", time="date").train.digests == plain.train.digests


def test_a_series_with_dates_and_times_of_day(tmp_path: Path) -> None:
    hours = pd.date_range("2006-12-16 17:00", periods=120, freq="h")
    frame = pd.DataFrame({"Date": hours.strftime("%d/%m/%Y"), "Time": hours.strftime("%H:%M:%S")})
    frame["power"] = np.arange(120) % 24 + 0.5
    path = tmp_path / "power.csv"
    frame.to_csv(path, index=False, sep=";")
    data = open_data(path, horizon=2, window=24)
    assert data.input["clock"] == "Time" and data.input["time"] == "Date" and data.input["features"] == ["power"]
    assert data.kind == type(data.kind).from_card(data.input)
    assert notes(data)["column Time"] == "times of day, joined to the dates in 'Date'"
    assert data.kind.raw(path)[0] == ["21/12/2006 16:00:00"]
    assert data.kind.labelled(path, data.task)[0].digests[-1] == data.validation.digests[-1]
    with pytest.raises(InputError, match="no column 'Time' for time"):
        data.kind.raw(frame.drop(columns="Time"))


def test_gaps_in_time_and_constant_columns_are_told() -> None:
    data = sequences(weather().drop(index=range(40, 43)).assign(same=3), target="warmth", window=5)
    found = [note for note in data.intake if "usual" in note.reason]
    assert "1 of 96 steps are not the usual one, the first before row 43" in found[0].reason
    assert (
        notes(data)["column same"] == "the same value in every training row, 3" and "same" not in data.input["features"]
    )


def test_too_short_to_predict_from() -> None:
    data = sequences(weather(), target="warmth", window=10)
    with pytest.raises(InputError, match="has 5 rows; the model looks back over 10"):
        data.kind.raw(weather(5))
    with pytest.raises(InputError, match="no column 'rain'"):
        data.kind.raw(weather().drop(columns="rain"))
    with pytest.raises(InputError, match="10 rows at least"):
        data.kind.raw(np.zeros((5, 2), np.float32))


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("japanese_vowels", {}, (270, 29, 12)),
        ("seattle_weather", {"target": "temp_max", "window": 30}, (1139, 30, 4)),
        ("seattle_temps", {"horizon": 24, "window": 72}, (6912, 72, 1)),
    ],
)
def test_real_series(tmp_path: Path, name: str, options: dict, shape: tuple[int, ...]) -> None:
    samples.write(name, tmp_path / name)
    path = tmp_path / name if name == "japanese_vowels" else tmp_path / name / f"{name}.csv"
    data = open_data(path, **options)
    assert data.train.inputs.shape == shape
    if name == "japanese_vowels":
        assert len(data.test) == 370 and data.classes == tuple("123456789")
