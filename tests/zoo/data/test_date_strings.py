"""Dates in strings: what Python and the graph of a model make of them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data.date_strings import moments, moments_graph, strings

FORMS = {  # form -> whether the day is first, where that matters
    "%Y-%m-%d": None,
    "%Y/%m/%d %H:%M": None,
    "%Y-%m-%dT%H:%M:%SZ": None,
    "%d.%m.%Y": True,
    "%d/%m/%Y %I:%M %p": True,
    "%m/%d/%Y %H:%M:%S": False,
    "%m-%d-%y": False,
    "%d %B %Y": None,
    "%d-%b-%Y": None,
    "%b %d, %Y": None,
}


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.datetimes(datetime(1969, 1, 1), datetime(2068, 12, 31)).map(lambda at: at.replace(microsecond=0)),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(sorted(FORMS)),
)
def test_a_date_is_read_as_it_was_written(times: list[datetime], form: str) -> None:
    tf = pytest.importorskip("tensorflow")
    written = [at.strftime(form) for at in times]
    expected = [datetime.strptime(text, form) for text in written]  # what the form keeps of it
    for day_first in (True, False) if FORMS[form] is None else (FORMS[form],):
        found = moments(written, day_first)
        np.testing.assert_array_equal(moments_graph(tf.constant(written), day_first), found)
        days, seconds = found.astype(np.int64).T
        epoch = pandas.Timestamp("1970-01-01")
        read = [
            epoch + pandas.Timedelta(int(d), "D") + pandas.Timedelta(int(s), "s")
            for d, s in zip(days, seconds, strict=True)
        ]
        assert read == [pandas.Timestamp(each) for each in expected]
        np.testing.assert_array_equal(moments(strings(found), day_first), found)


@pytest.mark.parametrize(
    "cell",
    ["", "x", "2024-02-30", "29.2.2023", "2024-13-01", "13:00", "2024-1-1 13:00 PM", "2024-1-1 25:00", "2024", "1/2/3"],
)
def test_what_is_no_date_is_missing(cell: str) -> None:
    tf = pytest.importorskip("tensorflow")
    assert np.isnan(moments([cell], True)).all() and np.isnan(moments_graph(tf.constant([cell]), True)).all()
    assert strings(moments([cell], True)).tolist() == [""]
