"""Layers that prepare dates and texts in columns of a table; `zoo.data.preprocessing` fits them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.builders.preprocessing import spaced_words

DAY = 86_400  # seconds
MARCH = 719_468  # days from 0000-03-01 to 1970-01-01
ERA = 146_097  # days of 400 years
THURSDAY = 3  # 1970-01-01, from Monday


@keras.saving.register_keras_serializable("zoo")
class Calendar(keras.layers.Layer):
    """What dates say: when between the first and last of training, month, day of the month, weekday, perhaps more.

    Input: float32 (batch, 2 x columns), days since 1970-01-01 and seconds of the day, NaN where missing. Output:
    float32 (batch, numbers), of each column -1 to 1 from the first to the last day, which later ones count as; sine
    and cosine of the month on a circle; the day of the month, -1 to 1; seven of 0 and 1 for the weekday; and where they
    vary the year, 0 to 1, and sine and cosine of the time of day. A missing date is 0 in all, and 1 in an indicator
    where training had such.

    Source of the arithmetic: Richards 2013, "Calendars", in Explanatory Supplement to the Astronomical Almanac, 15.11.

    Args:
        firsts, lasts: days of training, one a column.
        clocks: positions of columns with times of day.
        indicators: positions of columns where dates were missing.
    """

    def __init__(
        self,
        firsts: Sequence[int],
        lasts: Sequence[int],
        clocks: Sequence[int],
        indicators: Sequence[int],
        **options: Any,
    ):
        super().__init__(**(options | {"dtype": "float32"}))
        self.firsts, self.lasts = list(firsts), list(lasts)
        self.clocks, self.indicators = list(clocks), list(indicators)

    def call(self, values: Any) -> Any:
        """As the class says."""
        parts = []
        for at, first in enumerate(self.firsts):
            known = ops.logical_not(ops.isnan(values[:, 2 * at : 2 * at + 1]))
            days = ops.where(known, values[:, 2 * at : 2 * at + 1], float(first))
            parts.append(ops.cast(known, "float32") * self._numbers(days, values[:, 2 * at + 1 : 2 * at + 2], at))
            if at in self.indicators:
                parts.append(ops.cast(ops.logical_not(known), "float32"))
        return ops.concatenate(parts, axis=1)

    def _numbers(self, days: Any, seconds: Any, at: int) -> Any:
        first, last = self.firsts[at], self.lasts[at]
        year, month, day = civil(days)
        within = (ops.clip(days, float(first), float(last)) - first) / max(last - first, 1)
        weekday = ops.mod(days + THURSDAY, 7.0)
        numbers = [2.0 * within - 1.0, *_circle((month - 1.0) / 12), (day - 16.0) / 15]
        numbers.append(ops.cast(ops.equal(weekday, np.arange(7, dtype=np.float32)), "float32"))
        years = self._years(at)
        if years[0] < years[1]:
            numbers.append((ops.clip(year, *map(float, years)) - years[0]) / (years[1] - years[0]))
        if at in self.clocks:
            numbers += _circle(ops.where(ops.isnan(seconds), 0.0, seconds) / DAY)
        return ops.concatenate(numbers, axis=1)

    def _years(self, at: int) -> list[int]:
        return [int(str(np.datetime64(day[at], "D"))[:4]) for day in (self.firsts, self.lasts)]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Eleven numbers a column, and those that only some have."""
        years = sum(years[0] < years[1] for years in map(self._years, range(len(self.firsts))))
        width = 11 * len(self.firsts) + years + 2 * len(self.clocks) + len(self.indicators)
        return (*input_shape[:-1], width)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        names = ("firsts", "lasts", "clocks", "indicators")
        return super().get_config() | {name: getattr(self, name) for name in names}


def civil(days: Any) -> tuple[Any, Any, Any]:
    """Year, month and day of days since 1970-01-01: float32 tensors, exact for the years 1 to 9999."""
    shifted = days + MARCH
    era = ops.floor(shifted / ERA)
    of_era = shifted - era * ERA
    leaps = ops.floor(of_era / 1460) - ops.floor(of_era / 36524) + ops.floor(of_era / 146096)
    year = ops.floor((of_era - leaps) / 365)
    of_year = of_era - (365 * year + ops.floor(year / 4) - ops.floor(year / 100))
    march = ops.floor((5 * of_year + 2) / 153)  # months since March
    day = of_year - ops.floor((153 * march + 2) / 5) + 1
    month = ops.where(march < 10, march + 3, march - 9)
    return year + era * 400 + ops.cast(month <= 2, "float32"), month, day


def _circle(turns: Any) -> list[Any]:
    return [ops.sin(2 * math.pi * turns), ops.cos(2 * math.pi * turns)]


@keras.saving.register_keras_serializable("zoo")
class WordCounts(keras.layers.Layer):
    """How often each known word is in the texts of each column.

    Input: strings (batch, columns). Output: float32 (batch, words of all columns).

    Args:
        words: of each column.
    """

    def __init__(self, words: Sequence[Sequence[str]], **options: Any):
        super().__init__(**(options | {"dtype": "float32"}))
        self.words = [list(each) for each in words]
        self.counters = [
            keras.layers.TextVectorization(
                standardize=spaced_words, split="whitespace", output_mode="count", vocabulary=each, name=f"column_{at}"
            )
            for at, each in enumerate(self.words)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Nothing is to be made: the words are arguments."""
        for counter in self.counters:
            counter.build((None,))
        self.built = True

    def call(self, values: Any) -> Any:
        """As the class says."""
        counts = [counter(values[:, at])[:, 1:] for at, counter in enumerate(self.counters)]  # 0 is for other words
        return ops.cast(ops.concatenate(counts, axis=1), "float32")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """All words side by side."""
        return (*input_shape[:-1], sum(map(len, self.words)))

    def compute_output_spec(self, values: Any) -> keras.KerasTensor:
        """Given rather than traced: strings have no symbolic operations."""
        return keras.KerasTensor(self.compute_output_shape(values.shape), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"words": self.words}


@keras.saving.register_keras_serializable("zoo")
class WordWeights(keras.layers.Layer):
    """TF-IDF: one plus the logarithm of a count, by the rareness of the word; each text has length 1.

    Input: float32 (batch, words of all columns), counts. Output: the same shape.

    Source: Manning, Raghavan, Schuetze 2008, "Introduction to Information Retrieval", 6.4.

    Args:
        weights: of each word, of each column.
    """

    def __init__(self, weights: Sequence[Sequence[float]], **options: Any):
        super().__init__(**(options | {"dtype": "float32"}))
        self.weights_of_columns = [list(each) for each in weights]

    def call(self, counts: Any) -> Any:
        """As the class says."""
        parts, start = [], 0
        for weights in self.weights_of_columns:
            some = counts[:, start : start + len(weights)]
            start += len(weights)
            weighed = ops.where(some > 0, 1.0 + ops.log(ops.maximum(some, 1.0)), 0.0) * np.asarray(weights, np.float32)
            length = ops.sqrt(ops.sum(ops.square(weighed), axis=1, keepdims=True))
            parts.append(weighed / ops.maximum(length, 1e-6))
        return ops.concatenate(parts, axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the counts."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"weights": self.weights_of_columns}
