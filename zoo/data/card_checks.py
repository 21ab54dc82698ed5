"""Whether a value of a card can be what it says."""

from __future__ import annotations

import math
from typing import Any


def are_names(value: Any) -> bool:
    """A list of strings that differ."""
    return isinstance(value, list) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def is_name_or_none(value: Any) -> bool:
    """A string, or nothing."""
    return value is None or isinstance(value, str)


def is_name_or_names(value: Any) -> bool:
    """A string, several that differ, or nothing."""
    return is_name_or_none(value) or are_names(value)


def is_integer(value: Any) -> bool:
    """A whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """A whole number from 1 on."""
    return is_integer(value) and value > 0


def is_share(value: Any) -> bool:
    """A number over 0, and at most 1."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return number and 0 < value <= 1


def is_size(value: Any) -> bool:
    """Height and width in pixels."""
    return isinstance(value, list) and len(value) == 2 and all(map(is_count, value))


def are_limits(value: Any, count: int) -> bool:
    """A list of so many finite numbers; None stands for a column without any."""
    return (
        isinstance(value, list)
        and len(value) == count
        and all(
            each is None or (isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each))
            for each in value
        )
    )


def is_flag(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    """A string."""
    return isinstance(value, str)
