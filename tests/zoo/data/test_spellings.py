"""Numbers as people write them, and what is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo import InputError
from zoo.data.frames import read
from zoo.data.notes import Note
from zoo.data.spellings import PAIRS, Spelling, are_patterns, with_numbers

AMOUNTS = [0.5, 1234.25, 17.75, 1_234_567.5, 250.0, 99_999.25, 3.125, 12.5]


def written(value: float, decimal: str = ".", thousands: str = "") -> str:
    """A number with these signs."""
    return f"{value:,.3f}".translate(str.maketrans({".": decimal, ",": thousands or None}))


def spelled(columns: dict[str, Sequence], train: np.ndarray | None = None, targets: Sequence[str] = ()):
    """Values and spellings of a table, and its notes."""
    frame = read(pd.DataFrame(columns))
    notes: list[Note] = []
    train = np.ones(len(frame.names), bool) if train is None else train
    found, spellings = with_numbers(frame, [name for name in columns if name not in targets], targets, train, notes)
    return found.values, {name: each.pattern for name, each in spellings.items()}, [note.reason for note in notes]


@pytest.mark.parametrize(("decimal", "thousands"), PAIRS)
@pytest.mark.parametrize("form", ["{} kg", "$ {}", "{} €", "{}%", "EUR {}", "-{}", "({})", "{}\u00a0kWh"])
def test_a_column_is_decided_as_a_whole(decimal: str, thousands: str, form: str) -> None:
    texts = [form.format(written(value * (1 + step), decimal, thousands)) for value in AMOUNTS for step in range(4)]
    values, patterns, notes = spelled({"a": texts, "b": ["x", "y"] * 16})
    sign = -1 if form in ("-{}", "({})") else 1
    if (decimal, thousands, form) != (".", "", "-{}"):  # which are plain numbers
        assert list(patterns) == ["a"] and len(notes) == 1
        assert Spelling.of_pattern(patterns["a"])[:2] == (decimal, thousands) and are_patterns([patterns["a"]])
    expected = [round(sign * value * (1 + step), 3) for value in AMOUNTS for step in range(4)]
    assert values["a"].astype(float).tolist() == expected


@pytest.mark.parametrize(
    "texts",
    [
        ["10:30", "11:45", "12:00"] * 10,
        ["2024-01-02", "2024-02-03"] * 10,
        ["12.03.2024", "13.04.2024"] * 10,
        ["1-2", "3-4", "5-6"] * 10,
        ["3 kg", "4 lb", "5 kg", "6 lb"] * 10,
        ["Q1", "Q2", "Q3"] * 10,
        ["1.2.3", "1.2.4"] * 10,
        ["1", "2", "unknown"] * 10,  # few numbers may be categories
        ["5 stars and more", "4 stars or so"] * 10,
        ["192.168.1.1", "10.0.0.1"] * 10,
        ["555 123 4567", "555 987 6543"] * 10,
        ["3X", "4X", "5X"] * 10,
        ["12 %", "0.12", "13 %"] * 10,
        ["red", "blue"] * 10,
    ],
)
def test_what_is_no_number_stays(texts: list[str]) -> None:
    values, patterns, notes = spelled({"a": texts})
    assert values["a"].tolist() == texts and not patterns and not notes


def test_words_for_a_missing_number() -> None:
    texts = [*map(str, range(100, 140)), "unknown", "N.A.", "Not available", None]
    values, patterns, notes = spelled({"a": texts})
    assert patterns == {"a": "1234.56"} and notes == ["numbers, as 1234.56"]
    assert values["a"].isna().sum() == 4 and values["a"].iloc[39] == 139


def test_commas_before_three_digits_follow_the_other_columns() -> None:
    doubtful = ["1,234", "2,345", "9,105"] * 10
    assert spelled({"a": doubtful})[1] == {"a": "1,234.56"}
    assert spelled({"a": doubtful, "b": ["0,5", "1,25", "2,5"] * 10})[1] == {"a": "1234,56", "b": "1234,56"}
    assert spelled({"a": [*doubtful, "0,126"]})[1] == {"a": "1234,56"}
    assert spelled({"a": ["1.234 €", "56.789 €"] * 10})[1] == {"a": "1.234,56 €"}


def test_units_in_several_forms_are_one() -> None:
    values, patterns, _ = spelled({"a": ["1 year", "2 years", "3 Years"] * 10, "b": ["$5", "6", "7"] * 10})
    assert patterns == {"a": "1234.56 year", "b": "1234.56 $"} and values["a"].iloc[2] == 3 and values["b"].iloc[1] == 6


def test_a_row_outside_training_that_has_no_number_is_named() -> None:
    texts = [f"${number},000" for number in range(1, 41)]
    train = np.arange(41) < 40
    with pytest.raises(
        InputError, match="row 40, column 'a': expected a number .* like 1,234.56 \\$, received 'cheap'"
    ):
        spelled({"a": [*texts, "cheap"]}, train)
    with pytest.raises(InputError, match="received 'cheap'"):  # nearly all are numbers
        spelled({"a": [*texts, "cheap"]})


def test_targets_are_numbers_where_they_are_many() -> None:
    many, few = [f"{number},5" for number in range(40)], ["1,5", "2,5"] * 20
    assert spelled({"a": many, "b": few}, targets=["a", "b"])[1] == {"a": "1234,56"}


@given(
    st.floats(-1e9, 1e9).map(lambda value: round(value, 3)), st.sampled_from(PAIRS), st.sampled_from(["", "$", "kg"])
)
def test_a_number_is_read_as_it_was_written(value: float, pair: tuple[str, str], unit: str) -> None:
    spelling = Spelling(*pair, unit)
    assert Spelling.of_pattern(spelling.pattern) == spelling
    assert spelling.number(f"{written(value, *pair)} {unit}") == value
    assert np.isnan(spelling.number("Unknown")) and spelling.number("about 7") is None


@pytest.mark.parametrize("unit", ["", "kg", "$", "year", "%", "m"])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_graph_of_a_model_reads_what_python_reads(pair: tuple[str, str], unit: str) -> None:
    tf = pytest.importorskip("tensorflow")
    cells = """1.234,56 kg|1,234.56|(5)|-$5|$-5|$ 5|- 5 kg|1234.5|1.234|12,5|unknown||5 KG|5 Kgs|5kg.|1e-3|1e5| 7 |kg 5
        |5 $|\u22124|1'234.5|1\u2019234.5|1 234,5|1\xa0234,5|+3|.5|,5|1.|1,|5 lb|--5|-(5)|US$5|5 years|5 year|7 Years.
        |3 m|3 M|1.2e3 kg|99 %|a|1.234.567,8|1,23,456""".replace("\n        ", "").split("|")
    spelling = Spelling(*pair, unit)
    expected = [float("nan") if (number := spelling.number(cell)) is None else number for cell in cells]
    np.testing.assert_array_equal(spelling.graph(tf.constant(cells)), np.array(expected, np.float32))
    numbers = np.array([1.5, -2e-7, 1.234, 1e20, 3.4e38, np.nan, -0.1, 1234], np.float32)
    written = spelling.strings(numbers)
    np.testing.assert_array_equal(spelling.graph(tf.constant(written.tolist())), numbers)
    np.testing.assert_array_equal(np.array([spelling.number(each) for each in written], np.float32), numbers)
