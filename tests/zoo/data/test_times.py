from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zoo import InputError
from zoo.data import frames, times
from zoo.data.notes import Note
from zoo.data.times import When

MINUTES = pd.date_range("2006-12-16 22:00", periods=300, freq="min")


def table(**columns: object) -> frames.Frame:
    return frames.read(pd.DataFrame(columns))


@pytest.mark.parametrize(
    ("day", "clock"),
    [("%d/%m/%Y", "%H:%M:%S"), ("%d/%m/%Y", "%H.%M.%S"), ("%Y-%m-%d", "%H:%M"), ("%m/%d/%y", "%I:%M %p")],
)
@pytest.mark.parametrize("named", ["Date", "Time"])
def test_dates_and_times_of_day_are_joined(day: str, clock: str, named: str) -> None:
    notes: list[Note] = []
    frame = table(Date=MINUTES.strftime(day), Time=MINUTES.strftime(clock), power=np.arange(300.0))
    timed = times.found(frame, named, notes)
    assert (np.diff(timed.seconds) == 60).all() and timed.frame.columns == ["Date", "power"]
    assert timed.when[:2] == ("Date", "Time")
    assert Note("column Time", "kept", "times of day, joined to the dates in 'Date'") in notes
    again = times.of(frame, timed.when, [])
    np.testing.assert_array_equal(again.seconds, timed.seconds)


def test_whole_hours_are_times_of_day_by_their_name() -> None:
    hours = pd.date_range("2011-01-01", periods=50, freq="h")
    frame = table(dteday=hours.strftime("%Y-%m-%d"), hr=hours.hour, cnt=np.arange(50))
    timed = times.found(frame, "dteday", [])
    assert (np.diff(timed.seconds) == 3600).all() and timed.when.clock == "hr"
    assert times.found(table(dteday=hours.strftime("%Y-%m-%d"), size=hours.hour), "dteday", []).when.clock is None
    objects = table(day=hours.normalize(), at=[hour.time() for hour in hours])
    np.testing.assert_array_equal(times.found(objects, "day", []).seconds, timed.seconds)


def test_a_clock_that_is_not_needed_stays_a_column() -> None:
    days = pd.date_range("2020-01-01", periods=9)
    frame = table(date=days.astype(str), sunrise=["07:30"] * 9, cnt=np.arange(9))
    notes: list[Note] = []
    timed = times.found(frame, "date", notes)
    assert timed.when == When("date") and timed.frame.columns == frame.columns and not notes


def test_dates_of_two_series_are_repeated_without_a_clock() -> None:
    frame = table(date=["2020-01-01", "2020-01-01"], opened=["07:30", "08:00"], shop=["a", "b"])
    assert times.found(frame, "date", [], groups=np.array([0, 1])).when.clock is None
    assert times.found(frame, "date", []).when.clock == "opened"


@pytest.mark.parametrize("written", ["%d.%m.%Y", "%Y-%m-%d", "%m/%d/%Y"])
@pytest.mark.parametrize(
    ("order", "how"), [(slice(None, None, -1), "from the last to the first"), (None, "in another")]
)
def test_rows_are_sorted_and_that_is_told(written: str, order: slice | None, how: str) -> None:
    days = pd.date_range("2020-01-01", periods=30)
    values = pd.DataFrame({"day": days.strftime(written), "number": np.arange(30)})
    values = values.sample(frac=1, random_state=0) if order is None else values[order]
    notes: list[Note] = []
    timed = times.in_order(times.found(frames.read(values), "day", notes), notes)
    assert timed.frame.values["number"].tolist() == list(range(30)) and (np.diff(timed.seconds) > 0).all()
    assert timed.frame.names[3] == "row 3"
    assert [note for note in notes if how in note.reason]


def test_a_time_twice_and_none() -> None:
    frame = table(day=["2020-01-02", "2020-01-01", "2020-01-02"])
    with pytest.raises(InputError, match="row 2: the same time twice in column 'day', 2020-01-02.*--series COLUMN"):
        times.in_order(times.found(frame, "day", []), [])
    assert times.in_order(times.found(frame, "day", []), [], strict=False).frame.names == ["row 1", "row 0", "row 2"]
    with pytest.raises(InputError, match="row 1, column 'day': expected a time, as 2024-03-31 12:00.*received 'soon'"):
        times.found(table(day=["2020-01-02", "soon"]), "day", [])
    with pytest.raises(InputError, match="no column 'Time' for time"):
        times.of(frame, When("day", "Time"), [])


def test_dates_that_leave_a_choice_are_told_with_the_option() -> None:
    frame, notes = table(day=["02/01/2020", "03/01/2020"]), []
    times.found(frame, "day", notes)
    assert (
        notes[0].reason
        == "dates as month/day/year: either could be meant; for the other give --day-first (day_first=True)"
    )
    assert times.found(frame, "day", [], day_first=True).when == When("day", None, True)
    assert times.of(frame, When("day", None, True), []).seconds[1] - times.of(frame, When("day"), []).seconds[1] < 0
