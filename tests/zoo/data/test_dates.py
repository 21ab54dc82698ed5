from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zoo import InputError
from zoo.data import dates

DAYS = pd.date_range("2020-01-01", periods=60)


def read(texts: object, **options: object) -> dates.Dates:
    column = pd.Series(texts, name="day")
    return dates.read(column, where="table.csv", rows=[f"row {at + 2}" for at in range(len(column))], **options)


def days_of(found: dates.Dates) -> list[str]:
    return [str(moment.date()) for moment in found.moments]


@pytest.mark.parametrize(
    ("written", "day_first", "reason"),
    [
        ("%d/%m/%Y", True, "the first field goes over 12"),
        ("%d-%m-%Y", True, "the first field goes over 12"),
        ("%d.%m.%Y", True, "the first field goes over 12"),
        ("%d/%m/%y", True, "the first field goes over 12"),
        ("%d/%m/%Y %H:%M", True, "the first field goes over 12"),
        ("%m/%d/%Y", False, "the second field goes over 12"),
        ("%m/%d/%y %I:%M %p", False, "the second field goes over 12"),
        ("%Y-%m-%d", None, None),
        ("%Y/%m/%d", None, None),
        ("%Y-%m-%dT%H:%M:%SZ", None, None),
        ("%d %b %Y", None, None),
        ("%B %d, %Y", None, None),
    ],
)
def test_every_day_is_read_as_it_was_written(written: str, day_first: bool | None, reason: str | None) -> None:
    found = read(DAYS.strftime(written))
    assert days_of(found) == [str(day.date()) for day in DAYS]
    assert (found.day_first, found.reason) == (day_first, reason)


def test_one_value_decides_for_the_column() -> None:
    found = read(["05/01/2020", "13/01/2020", "01/02/2020"])
    assert days_of(found) == ["2020-01-05", "2020-01-13", "2020-02-01"]
    assert days_of(read(["05/01/2020", "01/13/2020"])) == ["2020-05-01", "2020-01-13"]
    mixed = read(["05/01/2020", "2020-01-06", None, "13/01/2020"])  # what leaves no choice is read as before
    assert days_of(mixed)[:2] == ["2020-01-05", "2020-01-06"] and mixed.moments.isna().tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("texts", "day_first", "reason"),
    [
        (["31.12.2019", "01.02.2020"], True, "the first field goes over 12"),
        (["01.02.2020", "03.02.2020"], True, "dates with dots"),
        (["01/11/2020", "02/11/2020", "01/12/2020", "02/12/2020"], True, "rows are then sorted by time"),
        (["12/02/2020", "11/02/2020", "12/01/2020", "11/01/2020"], True, "rows are then sorted by time"),
        (["01/11/2020", "01/12/2020", "02/11/2020", "02/12/2020"], False, "rows are then sorted by time"),
        ([f"{month:02}/01/{year}" for year in (2019, 2020) for month in range(1, 13)], False, "rows then follow in"),
        (
            [f"01/{month:02}/{year}" for year in (2019, 2020) for month in range(1, 13)],
            True,
            "rows then follow in more",
        ),
        (
            [f"0{day}/01/2020 {hour}:00" for day in (1, 2) for hour in (*range(5), *range(9, 24))],
            True,
            "rows then follow",
        ),
        (["02/01/2020", "03/01/2020", "04/01/2020"], False, None),  # days of January, or months of a year
        (["07/05/2020"], False, None),
    ],
)
def test_where_no_field_is_over_12(texts: list[str], day_first: bool, reason: str | None) -> None:
    found = read(texts)
    assert found.day_first is day_first
    assert (found.reason or "").startswith(reason or "") and found.sure is (reason is not None)


def test_the_order_of_rows_counts_within_a_series() -> None:
    one = ["01/11/2020", "02/11/2020", "01/12/2020", "02/12/2020"]
    rows = [text for text in one for _ in range(2)]
    groups = np.array([0, 1] * 4)
    assert read([*one, *one], groups=np.repeat([0, 1], 4)).day_first is True
    assert read(rows, groups=groups).reason == "rows are then sorted by time"


def test_an_option_and_what_a_model_was_trained_on() -> None:
    either = ["02/01/2020", "03/01/2020"]
    assert days_of(read(either)) == ["2020-02-01", "2020-03-01"]
    assert days_of(read(either, day_first=True)) == ["2020-01-02", "2020-01-03"]
    assert days_of(read(either, usual=True)) == ["2020-01-02", "2020-01-03"]
    assert days_of(read(["01/13/2020"], usual=True)) == ["2020-01-13"]  # the values know better
    with pytest.raises(InputError, match="row 3, column 'day': expected the month first, received '13/01/2020'"):
        read(["02/01/2020", "13/01/2020"], day_first=False)


def test_two_orders_in_one_column_are_refused() -> None:
    with pytest.raises(InputError, match="'13/01/2020' in row 2 and '01/14/2020' in row 4; write all alike"):
        read(["13/01/2020", "02/01/2020", "01/14/2020"])


def test_what_is_no_date() -> None:
    assert read(["soon", "32/13/2020", "00/00/2020", ""]).moments.isna().all()
    assert dates.holds(pd.Series(["1/2/2020", "3.4.20"])) and dates.holds(pd.Series(DAYS))
    assert not dates.holds(pd.Series(["17:24:00", "12:00"])) and not dates.holds(pd.Series([20200101, 20200102]))
