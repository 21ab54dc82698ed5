"""Dates as people write them. Which field is the day is decided once for a whole column."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FIELDS = r"^\s*(\d{1,2})([/.\-])(\d{1,2})\2(?:\d{4}|\d{2})(?!\d)"  # two small fields and a year, which pandas may swap
MONTHS = 12
DAYS = 31
UNEVEN = 4  # times as far as in the other order the largest step is from the usual one


class Dates(NamedTuple):
    """A column of dates.

    Attributes:
        moments: pandas.Series of UTC times, NaT for what is no date.
        day_first: whether the day comes before the month; None where no date has both as numbers before the year.
        reason: why it was decided so, in words; None where nothing was to be decided.
        sure: whether the values themselves decide.
    """

    moments: pd.Series
    day_first: bool | None
    reason: str | None
    sure: bool


def read(
    column: pd.Series,
    *,
    where: str,
    rows: list[str],
    groups: np.ndarray | None = None,
    day_first: bool | None = None,
    usual: bool = False,
) -> Dates:
    """Read a column of dates.

    A field over 12 is a day, and so is the first one before a dot. Where neither is there, the order in which rows
    are sorted by time, or follow each other in more equal steps, is taken.

    Args:
        column: strings or times.
        where: the file, for messages.
        rows: what to call each row in a message.
        groups: int64 (rows,), the series of each row; rows follow each other within one.
        day_first: as the user says; None to decide.
        usual: taken where nothing decides: what a model was trained on. Month first is pandas' own order.

    Raises:
        InputError: no one order fits all dates, or not that of the user.
    """
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        return Dates(pd.to_datetime(column, utc=True), None, None, True)
    codes, uniques = pd.factorize(column)
    texts = pd.Series(uniques, dtype=object).astype(str)
    fields = texts.str.extract(FIELDS)
    firsts, seconds = (pd.to_numeric(fields[at]).fillna(0).to_numpy(np.int64) for at in (0, 2))
    written = (firsts > 0) & (firsts <= DAYS) & (seconds > 0) & (seconds <= DAYS)
    if not written.any():
        return Dates(_spread(_plain(texts), codes), None, None, True)

    def moments(first: bool) -> pd.Series:
        several = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us, UTC]")
        several[~written] = _plain(texts[~written]) if not written.all() else several[~written]
        several[written] = pd.to_datetime(
            texts[written], errors="coerce", utc=True, format="mixed", dayfirst=first
        ).astype(several.dtype)
        return _spread(several, codes)

    over = {True: written & (firsts > MONTHS), False: written & (seconds > MONTHS)}
    if over[True].any() and over[False].any():
        one, other = (int(np.flatnonzero(codes == over[first].argmax())[0]) for first in (True, False))
        raise InputError(
            f"{where}, column {column.name!r}: expected days before months in all dates or in none, received "
            f"{column.iloc[one]!r} in {rows[one]} and {column.iloc[other]!r} in {rows[other]}; write all alike, best "
            "as 2024-03-31"
        )
    for first, exceeding in over.items():
        if exceeding.any():
            if day_first is not None and day_first is not first:
                at = int(np.flatnonzero(codes == exceeding.argmax())[0])
                raise InputError(
                    f"{where}: {rows[at]}, column {column.name!r}: expected the {_called(day_first)} first, received "
                    f"{column.iloc[at]!r}; leave the option out, or say the other"
                )
            field = "first" if first else "second"
            return Dates(moments(first), first, f"the {field} field goes over {MONTHS}", True)
    if day_first is not None:
        return Dates(moments(day_first), day_first, "as the option says", True)
    if (fields[1][written] == ".").all():
        return Dates(moments(True), True, "dates with dots", True)
    first, reason = _by_order(moments(True), moments(False), groups)
    if first is not None:
        return Dates(moments(first), first, reason, True)
    return Dates(moments(usual), usual, None, False)


def _plain(texts: pd.Series) -> pd.Series:
    """Times of strings that leave no choice, as ISO's and names of months; NaT for what is none."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that no format fits all: the next line knows
        parsed = pd.to_datetime(texts, errors="coerce", utc=True)
    if parsed.isna().any():
        parsed = pd.to_datetime(texts, errors="coerce", utc=True, format="mixed")
    return parsed.astype("datetime64[us, UTC]")


def _spread(moments: pd.Series, codes: np.ndarray) -> pd.Series:
    """One of `moments` for each of `codes`; a missing one has the code -1."""
    import pandas as pd

    return pd.concat([moments, pd.Series([pd.NaT], dtype=moments.dtype)], ignore_index=True).iloc[codes]


def _by_order(day: pd.Series, month: pd.Series, groups: np.ndarray | None) -> tuple[bool | None, str | None]:
    """Whether the day comes first, as rows follow each other, and the reason; None where both fit, or none does."""
    steps = {first: _steps(moments, groups) for first, moments in ((True, day), (False, month))}
    if any(len(each) < 2 or np.isnan(each).any() for each in steps.values()):
        return None, None
    sorted_ = {first: bool((each >= 0).all() or (each <= 0).all()) for first, each in steps.items()}
    if sorted_[True] != sorted_[False]:
        return sorted_[True], "rows are then sorted by time"
    day_jump, month_jump = _largest(steps[True]), _largest(steps[False])
    if all(sorted_.values()) and max(day_jump, month_jump) >= UNEVEN * min(day_jump, month_jump):
        return day_jump < month_jump, "rows then follow in more equal steps"
    return None, None


def _steps(moments: pd.Series, groups: np.ndarray | None) -> np.ndarray:
    """Seconds from each row to the next of its group, float64; NaN where a time is missing."""
    values = np.where(moments.isna(), np.nan, moments.astype("int64") / 1e6)
    if groups is None:
        return np.diff(values)
    order = np.argsort(groups, kind="stable")
    return np.diff(values[order])[np.diff(groups[order]) == 0]


def _largest(steps: np.ndarray) -> float:
    """The largest step in units of the usual one; 1 where there is none."""
    sizes = np.abs(steps[steps != 0])
    return float(sizes.max() / np.median(sizes)) if len(sizes) else 1.0


def _called(day_first: bool) -> str:
    return "day" if day_first else "month"


def other_option(day_first: bool) -> str:
    """How people say that the other field is first."""
    return "--month-first (day_first=False)" if day_first else "--day-first (day_first=True)"


def order(day_first: bool) -> str:
    """The order of fields in words."""
    return "day/month/year" if day_first else "month/day/year"


def holds(column: Any) -> bool:
    """Whether most values of a column are dates, rather than numbers or times of day."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        return True
    if pd.api.types.is_numeric_dtype(column):
        return False
    some = column.dropna().astype(str).head(200)
    return bool(len(some)) and bool(some.str.contains(re.compile(r"\d{1,4}[/.\-]\d{1,2}[/.\-]\d{1,4}")).mean() > 0.5)
