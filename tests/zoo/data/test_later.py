"""The latest rows are held out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.data import frames
from zoo.data.later import later_sides
from zoo.errors import InputError

DAYS = ["2024-03-02 17:00", "2024-03-01", "2024-03-04", "2024-03-02 09:00", "2024-03-03", "2024-03-03 23:59"]


def held(values: list[object], share: float = 0.2, **options: bool) -> list[int]:
    frame = frames.read(pd.DataFrame({"day": values}))
    return np.flatnonzero(later_sides(frame, "day", share, [], **options) == "validation").tolist()


def test_the_latest_days_are_held_out_whole() -> None:
    assert held(DAYS) == [2]
    assert held(DAYS, 0.5) == [2, 4, 5]
    assert held(DAYS, 0.99) == [0, 2, 3, 4, 5]  # something is left to learn from
    assert held([2021, 2023, 2022, 2021, 2023], 0.3) == [1, 4]
    assert held(list(pd.to_datetime(DAYS, format="mixed"))) == [2]


def test_days_and_months_are_told_apart_as_elsewhere() -> None:
    assert held(["01.03.2024", "02.01.2024", "28.02.2024", "03.01.2024"], 0.25) == [0]
    assert held(["01/03/2024", "02/01/2024", "05/02/2024"], 0.3, day_first=True) == [0]
    assert held(["01/03/2024", "02/01/2024", "05/02/2024"], 0.3, day_first=False) == [2]


def test_what_can_not_be_split_is_refused() -> None:
    for values, reason in (
        (["2024-03-01", "2024-03-01 08:00"], "one time alone"),
        (["2024-03-01", "soon"], "expected a time"),
        (["2024-03-01", None], "expected a time"),
    ):
        with pytest.raises(InputError, match=reason):
            held(values)
    frame = frames.read(pd.DataFrame({"day": DAYS, "split": ["train", "val"] * 3}))
    with pytest.raises(InputError, match="says the parts already"):
        later_sides(frame, "day", 0.2, [])
    with pytest.raises(InputError, match="no column 'date' for later"):
        later_sides(frame, "date", 0.2, [])


def test_tables_take_it() -> None:
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=50).repeat(4)
    table = pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "x": rng.normal(size=200), "label": ["a", "b"] * 100})
    data = zoo.data.tables(table.sample(frac=1, random_state=0), later="day")
    later = {f"row {at}" for at in range(160, 200)}
    assert set(data.validation.names) == later and len(data.train) == 160
    reasons = [note.reason for note in data.intake if note.name == "column day"]
    assert "the rows from 2024-02-10 on are held out, 40 of 200" in reasons
    again = zoo.data.tables(table, later="day", seed=1)
    assert set(again.validation.names) == later
    with pytest.raises(InputError, match="not both"):
        zoo.data.tables(table.assign(who=["x", "y"] * 100), later="day", group="who")


def test_tables_of_texts_take_it() -> None:
    texts = [f"a {word} film of number {at}" for at in range(10) for word in ("good", "bad")]
    years = [2000 + at for at in range(10) for _ in range(2)]
    table = pd.DataFrame({"text": texts, "year": years, "label": ["praise", "blame"] * 10})
    data = zoo.data.text(table, column="text", target="label", later="year")
    assert data.validation.names == tuple(f"row {at}" for at in range(16, 20))
