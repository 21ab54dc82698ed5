from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.tables import titanic
from zoo import InputError
from zoo.data import arrays, tables
from zoo.data import open as open_data
from zoo.kinds.tables.kind import Tables


def small(**columns: object) -> pd.DataFrame:
    """Twenty rows that are in order, with the columns given in their place."""
    return pd.DataFrame({"a": np.arange(20) ** 2.0, "target": ["x", "y"] * 10} | columns)


def left_out(data: object) -> dict[str, str]:
    return {note.name: note.reason for note in data.intake if note.action == "left out"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    titanic().to_csv(tmp_path / "titanic.csv", index=False)
    return tmp_path / "titanic.csv"


def test_a_mixed_table(file: Path) -> None:
    data = tables(file, target="survived")
    assert data.task.name == "classification" and data.classes == ("0", "1")
    assert len(data.train) == 160 and len(data.validation) == 40 and data.test is None
    assert data.input["numeric"] == ["class", "age", "fare"]
    assert data.input["categorical"] == ["sex", "port", "alone"]
    assert left_out(data).keys() == {"column passenger_id", "column ship", "column nothing", "column name"}
    frame = titanic()
    for part in (data.train, data.validation):
        lines = np.array([int(name.removeprefix("row ")) for name in part.names])
        np.testing.assert_array_equal(part.targets, frame["survived"][lines - 2])
        np.testing.assert_array_equal(part.inputs["numeric"][:, 1], frame["age"][lines - 2].astype(np.float32))
        assert part.inputs["categorical"][:, 2].tolist() == [str(value) for value in frame["alone"][lines - 2]]
    assert open_data(file, target="survived").fingerprint == data.fingerprint
    assert tables(file, target="survived", seed=1).fingerprint != data.fingerprint


def test_preprocessing_is_fitted_on_training_rows_alone_and_survives_saving(file: Path, tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    from zoo.arrays import apply

    data = tables(file, target="survived")
    numeric, categorical = data.train.inputs["numeric"], data.train.inputs["categorical"]
    found = apply(data.preprocess, data.train.inputs)
    assert found.dtype == np.float32 and np.isfinite(found).all()
    assert found.shape[1] == 3 + 1 + 2 + 4 + 2  # numbers, whether the age is missing, three columns of categories
    np.testing.assert_allclose(found[:, [0, 2]].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found[:, [0, 2]].std(axis=0), 1, rtol=1e-5)
    missing = np.isnan(numeric[:, 1])
    np.testing.assert_array_equal(found[:, 3], missing)
    assert (found[missing, 1] == 0).all()
    np.testing.assert_array_equal(found[:, 4], categorical[:, 0] == "female")
    np.testing.assert_array_equal(found[:, 6], categorical[:, 1] == "")  # a missing one is a category
    assert (found[:, 4:].sum(axis=1) == 3).all()

    data.preprocess.save(tmp_path / "preprocess.keras")
    loaded = keras.models.load_model(tmp_path / "preprocess.keras", safe_mode=True)
    held_out = data.validation.inputs
    np.testing.assert_array_equal(apply(loaded, held_out), apply(data.preprocess, held_out))
    loaded.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(tmp_path / "exported").serve({k: tf.constant(v) for k, v in held_out.items()})
    np.testing.assert_allclose(served, apply(data.preprocess, held_out), atol=1e-5)


def test_the_unseen_and_the_missing_at_prediction(file: Path) -> None:
    from zoo.arrays import apply

    data = tables(file, target="survived")
    row = {"class": 3, "sex": "other", "age": None, "fare": None, "port": "S", "alone": True, "extra": "x"}
    names, inputs, errors = data.kind.raw(row)
    found = apply(data.preprocess, inputs)[0]
    assert names == ["input 0"] and not errors and np.isfinite(found).all()
    assert found[1] == 0 and found[2] == 0  # the mean
    assert (found[4:6] == 0).all()  # none of the sexes that were seen
    np.testing.assert_array_equal(found[-2:], [0, 1])

    rows = [row, row | {"fare": "free"}, row | {"fare": np.inf}]
    _, inputs, errors = data.kind.raw(rows)
    assert errors.keys() == {1, 2} and "'fare'" in errors[1] and "'free'" in errors[1]
    assert np.isnan(inputs["numeric"][1:]).all() and inputs["numeric"][0, 0] == 3
    with pytest.raises(InputError, match="no column 'age' for a feature"):
        data.kind.raw({"class": 3})


def test_what_is_scored_is_what_was_read(file: Path) -> None:
    data = tables(file, target="survived")
    part, notes = data.kind.labelled(file, data.task)
    assert len(part) == 200 and not notes
    assert set(data.train.digests) | set(data.validation.digests) == set(part.digests)
    names, inputs, errors = data.kind.raw(pd.read_csv(file).drop(columns="survived"))
    np.testing.assert_array_equal(inputs["numeric"], part.inputs["numeric"])
    assert (inputs["categorical"] == part.inputs["categorical"]).all() and not errors and len(names) == 200
    file.write_text(file.read_text().replace("\n1,1,", "\n1,7,").replace("\n1,0,", "\n1,7,"))
    with pytest.raises(InputError, match="row 2: .*label '7'; expected one of 0, 1"):
        data.kind.labelled(file, data.task)


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        (["b", "a"] * 10, "classification", ("a", "b")),
        ([True, False] * 10, "classification", ("False", "True")),
        ([10, 9] * 10, "classification", ("9", "10")),
        ([1.0, 2.0] * 10, "classification", ("1", "2")),
        ([0.5, 1.5] * 10, "regression", ("target",)),
        (list(range(20)), "classification", None),
        (list(range(100, 2100, 100)) + [7], "regression", ("target",)),
    ],
)
def test_the_task_is_seen_from_the_target(target: list, task: str, classes: tuple[str, ...] | None) -> None:
    frame = pd.DataFrame({"a": np.arange(len(target)) ** 2, "target": target})
    if classes is None:
        with pytest.raises(InputError, match=r"class '0' has one row \(row 0\).*task='regression'"):
            tables(frame)
        assert tables(frame, task="regression").task.name == "regression"
        return
    data = tables(frame)
    assert data.task.name == task and data.classes == classes
    expected = np.float32 if task == "regression" else np.int64
    assert data.train.targets.dtype == expected


def test_several_targets() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(50, 4)), columns=list("abcd"))
    data = tables(frame, target=["c", "d"])
    assert data.task.name == "regression" and data.classes == ("c", "d") and data.train.targets.shape == (40, 2)
    frame[["c", "d"]] = frame[["c", "d"]] > 0
    data = tables(frame.astype({"c": int, "d": int}), target=["c", "d"], task="multi_label")
    assert data.task.name == "multi_label" and data.train.targets.dtype == np.int64
    with pytest.raises(InputError, match="row 0: expected 0 or 1"):
        tables(pd.DataFrame(rng.normal(size=(50, 4)), columns=list("abcd")), target=["c", "d"], task="multi_label")


def test_a_given_split_is_kept_to_and_copies_go() -> None:
    frame = small(split=["train"] * 12 + ["val"] * 4 + ["test"] * 4)
    frame.loc[12, ["a", "target"]] = frame.loc[0, ["a", "target"]].tolist()
    frame.loc[13, "a"], frame.loc[13, "target"] = frame.loc[1, "a"], "x"  # says "y" in row 1: noise
    data = tables(frame)
    assert [len(part) for part in data.parts.values()] == [11, 4, 4]
    assert left_out(data) == {"row 0": "same content as row 12, which is held out"}
    assert "row 1" in data.train.names and data.held_out is data.test
    part, _ = data.kind.labelled(frame, data.task)
    assert part.names == data.test.names
    frame.loc[3, "split"] = "other"
    with pytest.raises(InputError, match="row 3: expected split to be train, val or test, received 'other'"):
        tables(frame)


def test_equal_rows_and_groups_stay_on_one_side() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 30, 200) / 7
    frame = pd.DataFrame({"a": values, "b": values**2, "who": rng.integers(0, 40, 200), "y": rng.integers(0, 2, 200)})
    data = tables(frame)
    assert not set(data.train.digests) & set(data.validation.digests)
    data = tables(frame.assign(a=rng.normal(size=200)), group="who")
    assert "who" not in data.input["numeric"] and "who" not in data.input["categorical"]
    who = [set(frame["who"][[int(name.removeprefix("row ")) for name in part.names]]) for part in data.parts.values()]
    assert not who[0] & who[1]


@pytest.mark.parametrize(
    ("frame", "options", "expected"),
    [
        (small().rename(columns={"target": "kind"}), {}, "no column is named .*--target COLUMN; there are a, kind"),
        (small(), {"target": "kind"}, "no column 'kind' for target; there are a, target"),
        (small(target=[None] * 20), {}, r"row 0: the target 'target' is missing \(20 such rows\)"),
        (small(b=[1.5] * 7 + [np.inf] + [2.5] * 12), {}, "row 7, column 'b': expected a finite number, received inf"),
        (small(b=[1e300, 1.0] * 10), {}, "row 0, column 'b': .*float32"),
        (small(a=1.0), {}, "no column to learn from; a: the same value"),
        (small()[["target"]], {}, "no column to learn from; there is no column beside the target"),
        (small(target=["x"] * 19 + ["y"]), {}, r"class 'y' has one row \(row 19\)"),
        (small(target="x"), {}, "at least two classes"),
        (small(target=2.5), {}, "2.5 in every row"),
        (small()[:5], {}, "expected at least 10 rows, received 5"),
        (small()[:0], {}, "no rows"),
        (small(), {"validation": 1.5}, "between 0 and 1"),
        (small(), {"task": "clustering"}, "received 'clustering'"),
        (small(), {"task": "regression"}, "row 0: expected a finite number as target"),
        (small(), {"group": "who"}, "no column 'who' for group"),
        (pd.concat([small(), small()], axis=1), {}, "two columns are named 'a'"),
    ],
)
def test_errors_name_what_is_wrong(frame: pd.DataFrame, options: dict, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        tables(frame, **options)


def test_a_slip_of_the_pen_is_told_rather_than_made_a_category() -> None:
    frame = pd.DataFrame({"a": [*map(str, range(50, 150)), "1O"], "target": ["x", "y"] * 50 + ["x"]})
    with pytest.raises(InputError, match="row 100, column 'a': expected a number as in the other rows, received '1O'"):
        tables(frame)
    frame["a"] = [*map(str, range(50, 150)), "NA"]
    data = tables(frame)
    assert data.input["numeric"] == ["a"] and np.isnan(data.kind.raw(frame)[1]["numeric"][100, 0])


def test_a_category_may_be_called_anything() -> None:
    from zoo.arrays import apply

    frame = small(b=["[UNK]", "", "nan", "None"] * 5)
    data = tables(frame)
    found = apply(data.preprocess, data.train.inputs)
    assert found.shape[1] == 5 and (found[:, 1:].sum(axis=1) == 1).all()


TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r"), max_size=8)
CELL = st.one_of(st.integers(-1000, 1000), st.floats(allow_nan=False), TEXT, st.none(), st.booleans())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=10, max_size=30), seed=st.integers(0, 3))
def test_any_table_is_read_or_refused_in_one_line(tmp_path: Path, rows: list[list], seed: int) -> None:
    path = tmp_path / "any.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["a", "b", "y"], *rows])
    try:
        data = tables(path, seed=seed)
    except InputError as error:
        assert "\n" not in str(error).strip()
        return
    assert len(data.train) + len(data.validation) + sum("row" in name for name in left_out(data)) <= len(rows)
    assert not set(data.train.names) & set(data.validation.names)
    assert not set(data.train.digests) & set(data.validation.digests)
    part, _ = data.kind.labelled(path, data.task)
    assert set(part.digests) == set(data.train.digests) | set(data.validation.digests)


def test_many_rows_are_read() -> None:
    rng = np.random.default_rng(0)
    count = 200_000
    frame = pd.DataFrame(rng.normal(size=(count, 4)).astype(np.float32), columns=list("abcd"))
    frame["e"], frame["y"] = rng.choice(["x", "y", "z"], count), rng.integers(0, 2, count)
    data = tables(frame)
    assert abs(len(data.validation) - count / 5) <= 2


def rare(kind: str) -> tuple[object, str]:
    """A table, or sequences, one column of which says something in the held-out part alone; and the column's name."""
    rows = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    late, rest = np.arange(60) == 59, np.arange(60) % 2
    rows[:, 1] = np.where(late, 50_000, 3)
    if kind == "sequence":
        walk = rows.reshape(60, 1, 3).repeat(4, axis=1)
        return arrays(walk[~late], rest[~late], held_out=(walk[late], rest[late])), "feature_1"
    frame = pd.DataFrame(rows, columns=["a", "b", "c"]).assign(target=rest)
    if kind == "empty":
        frame["b"] = np.where(late, 5.0, np.nan)
    if kind == "tiny":
        frame["b"] *= 1e-30
    # Not by a column `split`: of such a table the reader looks at the training rows before it chooses columns.
    read = (tables(frame, target="target", seed=seed) for seed in range(40))
    data = next(found for found in read if "row 59" in found.held_out.names)
    return data, "b"


@pytest.mark.parametrize("kind", ["constant", "empty", "tiny", "sequence"])
def test_a_column_that_says_something_in_the_held_out_part_alone_is_told_and_passed_over(kind: str) -> None:
    from zoo.training.inputs import prepared_inputs

    data, name = rare(kind)
    (note,) = (note for note in data.intake if note.name == f"column {name}")
    assert note.action == "kept" and "in the training part" in note.reason and "remove the column" in note.reason
    for part in data.parts.values():
        found = prepared_inputs(data, part)
        assert np.isfinite(found).all() and np.abs(found).max() < 10
        assert np.abs(found[..., 1]).max() < 1e-30


@pytest.mark.parametrize(
    ("separator", "form", "pattern"),
    [
        ("\t", "{},{:02d}", "1234,56"),
        (";", "1.{:03d},{:02d} €", "1.234,56 €"),
        (",", '"$1,{:03d}.{:02d}"', "1,234.56 $"),
    ],
)
def test_written_numbers_are_read_alike_in_training_prediction_and_scoring(
    tmp_path: Path, separator: str, form: str, pattern: str
) -> None:
    rows = [(form.format(number * 7 % 40, number), "xy"[number % 2]) for number in range(60)]
    path = tmp_path / ("t.tsv" if separator == "\t" else "t.csv")
    path.write_text("\n".join(separator.join(row) for row in [("price", "target"), *rows]))
    data = tables(path)
    assert data.input["numeric"] == ["price"] and data.input["spellings"] == [pattern]
    number, _, unit = pattern.partition(" ")
    assert [note.reason for note in data.intake] == [f"numbers, as {number}" + (f" with {unit}" if unit else "")]
    kind = Tables.from_card(json.loads(json.dumps(data.kind.to_card())))
    assert kind == data.kind
    part, _ = kind.labelled(path, data.task)
    assert set(part.digests) == set(data.train.digests + data.validation.digests)
    value = rows[3][0].strip('"')
    expected = float(part.inputs["numeric"][3, 0])
    new = [{"price": value}, {"price": expected}, {"price": "unknown"}, {"price": "cheap"}]
    raw = kind.raw(new)
    assert raw.inputs["numeric"][:2, 0].tolist() == [expected] * 2 and np.isnan(raw.inputs["numeric"][2, 0])
    assert raw.errors == {3: f"column 'price': expected a number like {pattern}, received 'cheap'"}
    path.write_text("\n".join(separator.join(row) for row in [("price", "target"), rows[3]]))  # one row decides nothing
    assert kind.raw(path).inputs["numeric"].tolist() == [[expected]]


def test_written_targets_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,price\n" + "".join(f'{number * 7 % 11},"€ 1.{number:03d},50"\n' for number in range(60)))
    data = tables(path, target="price")
    assert data.task.name == "regression" and data.input["written"] == ["price"]
    part, _ = data.kind.labelled(path, data.task)
    assert part.targets[:3, 0].tolist() == [1000.5, 1001.5, 1002.5]


def test_a_card_of_0_1_0_says_nothing_of_spellings(file: Path) -> None:
    card = {
        name: value for name, value in tables(file).input.items() if name not in ("stripped", "written", "spellings")
    }
    assert Tables.from_card(card).to_card() == card
    checks = Tables.card_checks(card | {"written": ["a"]}, supervised=True)
    assert checks["spellings?"](["1,234.56 kg"]) and not checks["spellings?"](["1,23"]) and not checks["spellings?"]([])
