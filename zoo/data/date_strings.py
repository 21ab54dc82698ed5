"""Dates in strings as days and seconds: one list of rewritings, applied by Python and in the graph of a model alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

DAY = 86_400  # seconds
EPOCH = 719_468  # days from 0000-03-01 to 1970-01-01
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
CENTURY = 69  # two figures from here on are of 1900, as those of POSIX

_ENDING = "(?:st|nd|rd|th|[.])?"
_FULL = (
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)? *(?:([AaPp])[.]?[Mm][.]?)? *(?:Z|UTC|[+]00:?00)?)?"
)


def rewritings(day_first: bool) -> list[tuple[str, str]]:
    """Patterns and what they become, one after the other: a date then begins as 2024-3-31 does."""
    steps = [(r"^\s+|\s+$", "")]
    for number, month in enumerate(MONTHS, start=1):
        steps += [
            (rf"^(\d{{1,2}}){_ENDING}[ -]+(?i:{month})[A-Za-z]*[.]?,?[ -]+(\d{{4}})", rf"\2-{number}-\1"),
            (rf"^(?i:{month})[A-Za-z]*[.]? +(\d{{1,2}}){_ENDING},? +(\d{{4}})", rf"\2-{number}-\1"),
        ]
    return [
        *steps,
        (r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})", r"\3-\2-\1" if day_first else r"\3-\1-\2"),
        (r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3"),
        (r"^([0-5]\d|6[0-8])-", r"20\1-"),
        (r"^(69|[7-9]\d)-", r"19\1-"),
    ]


def moments(cells: Iterable[str], day_first: bool) -> np.ndarray:
    """Days since 1970-01-01 and seconds of the day, float32 (rows, 2); NaN for what is no date.

    Args:
        cells: strings (rows,).
        day_first: whether 3/4/2024 is in April.
    """
    steps = [(re.compile(pattern, re.ASCII), rewriting) for pattern, rewriting in rewritings(day_first)]
    full = re.compile(_FULL, re.ASCII)
    known: dict[str, tuple[float, float]] = {}
    cells = list(cells)
    for cell in set(cells):
        text = cell
        for pattern, rewriting in steps:
            text = pattern.sub(rewriting, text)
        match = full.fullmatch(text)
        known[cell] = (np.nan, np.nan)
        if match is not None:
            year, month, day, hour, minute, second = (int(each or 0) for each in match.groups()[:6])
            half = (match[7] or "").lower()
            days, seconds, valid = _counted(np, year, month, day, hour, minute, second, half == "a", half == "p")
            if valid:
                known[cell] = (float(days), float(seconds))
    return np.array([known[cell] for cell in cells], np.float32).reshape(-1, 2)


def moments_graph(texts: tf.Tensor, day_first: bool) -> tf.Tensor:
    """The same of a tensor of strings (batch,): float32 (batch, 2)."""
    import tensorflow as tf

    for pattern, rewriting in rewritings(day_first):
        texts = tf.strings.regex_replace(texts, pattern, rewriting)
    matches = tf.strings.regex_full_match(texts, _FULL)
    texts = tf.where(matches, texts, "1970-1-1")

    def part(at: int) -> tf.Tensor:
        return tf.strings.regex_replace(texts, f"^{_FULL}$", rf"\{at}")

    def number(at: int) -> tf.Tensor:
        digits = part(at)
        return tf.strings.to_number(tf.where(tf.equal(digits, ""), "0", digits), tf.int64)

    half = tf.strings.lower(part(7))
    fields = [number(at) for at in range(1, 7)]
    days, seconds, valid = _counted(tf.experimental.numpy, *fields, tf.equal(half, "a"), tf.equal(half, "p"))
    pairs = tf.stack([tf.cast(days, tf.float32), tf.cast(seconds, tf.float32)], axis=1)
    return tf.where((matches & valid)[:, None], pairs, np.float32(np.nan))


def strings(values: np.ndarray) -> np.ndarray:
    """ISO 8601 of float32 (rows, 2) as `moments` gives them: 2024-03-31 or 2024-03-31T18:05:00; empty where NaN."""
    texts = []
    for days, seconds in values.tolist():
        if np.isnan(days):
            texts.append("")
            continue
        text = str(np.datetime64("1970-01-01") + np.timedelta64(int(days), "D"))
        at = int(seconds)
        texts.append(f"{text}T{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}" if at else text)
    return np.array(texts, dtype=object)


def _counted(
    module: Any, year: Any, month: Any, day: Any, hour: Any, minute: Any, second: Any, morning: Any, afternoon: Any
) -> tuple[Any, Any, Any]:
    """Days, seconds, and whether there is such a time; of whole numbers or of tensors of them."""
    first = _days(year, month, 1)
    length = _days(year + month // 12, month % 12 + 1, 1) - first
    named = morning | afternoon
    clock = module.where(named, hour % 12, hour) + module.where(afternoon, 12, 0)
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (day <= length) & (clock < 24) & (minute < 60) & (second < 60)
    valid = valid & (year >= 1) & ((hour >= 1) & (hour <= 12) | (named == False))  # noqa: E712 - tensors have no `not`
    return first + day - 1, clock * 3600 + minute * 60 + second, valid


def _days(year: Any, month: Any, day: Any) -> Any:
    """Days since 1970-01-01 of a date of the Gregorian calendar; its years begin in March, after the leap day."""
    shifted = (month + 9) % 12
    year = year - shifted // 10
    return 365 * year + year // 4 - year // 100 + year // 400 + (shifted * 306 + 5) // 10 + day - 1 - EPOCH
