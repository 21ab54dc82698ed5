"""Layers that prepare raw inputs, registered as those of `zoo.builders.layers`; `zoo.data.preprocessing` fits them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

TINY = 1e-30  # a deviation that float32 divides by
UNEVEN = 1e-5  # of the mean: deviations below are the rounding of float32


@keras.saving.register_keras_serializable("zoo")
class Numbers(keras.layers.Layer):
    """Imputes missing numbers by the mean, normalises, and appends one column of 0 and 1 for each of `indicators`.

    Input: float32 (batch, columns), NaN where missing. Output: float32 (batch, columns + indicators).

    Args:
        means, deviations: one a column.
        indicators: positions of the columns that get a column of missing values, 0 or 1.
    """

    def __init__(self, means: Sequence[float], deviations: Sequence[float], indicators: Sequence[int], **options: Any):
        super().__init__(**(options | {"dtype": "float32"}))  # half precision would round raw values
        self.means, self.deviations, self.indicators = list(means), list(deviations), list(indicators)

    def call(self, values: Any) -> Any:
        """As the class says."""
        missing = ops.isnan(values)
        centred = ops.where(missing, 0.0, values - np.asarray(self.means, np.float32))
        scaled = centred / np.asarray(self.deviations, np.float32)
        if not self.indicators:
            return scaled
        indicators = ops.take(ops.cast(missing, "float32"), np.asarray(self.indicators, np.int32), axis=1)
        return ops.concatenate([scaled, indicators], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """One column more for each indicator."""
        return (*input_shape[:-1], len(self.means) + len(self.indicators))

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        own = {"means": self.means, "deviations": self.deviations, "indicators": self.indicators}
        return super().get_config() | own


@keras.saving.register_keras_serializable("zoo")
class Categories(keras.layers.Layer):
    """One column of 0 and 1 for each category; all are 0 for a value that is none of them.

    Input: strings (batch, columns). Output: float32 (batch, categories of all columns).

    Args:
        categories: of each column.
    """

    def __init__(self, categories: Sequence[Sequence[str]], **options: Any):
        super().__init__(**(options | {"dtype": "float32"}))
        self.categories = [list(names) for names in categories]
        self.lookups = [
            # A category may be "[UNK]", and none is a control character.
            keras.layers.StringLookup(vocabulary=names, output_mode="one_hot", oov_token="\1", name=f"column_{at}")
            for at, names in enumerate(self.categories)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Nothing is to be made: the categories are arguments."""
        for lookup in self.lookups:
            lookup.build((None,))
        self.built = True

    def call(self, values: Any) -> Any:
        """As the class says."""
        # The first column of each is for unknown values: without it they are none of the categories.
        hot = [lookup(values[:, at])[:, 1:] for at, lookup in enumerate(self.lookups)]
        return ops.cast(ops.concatenate(hot, axis=1), "float32")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """All categories side by side."""
        return (*input_shape[:-1], sum(map(len, self.categories)))

    def compute_output_spec(self, values: Any) -> keras.KerasTensor:
        """Told rather than traced: strings have no symbolic operations."""
        return keras.KerasTensor(self.compute_output_shape(values.shape), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"categories": self.categories}


@keras.saving.register_keras_serializable("zoo")
class Scale(keras.layers.Layer):
    """Subtracts the mean and divides by the deviation along the last axis; NaN stays NaN.

    Args:
        means, deviations: one a feature.
    """

    def __init__(self, means: Sequence[float], deviations: Sequence[float], **options: Any):
        super().__init__(**(options | {"dtype": "float32"}))
        self.means, self.deviations = list(means), list(deviations)

    def call(self, values: Any) -> Any:
        """As the class says."""
        return (values - np.asarray(self.means, np.float32)) / np.asarray(self.deviations, np.float32)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"means": self.means, "deviations": self.deviations}


@keras.saving.register_keras_serializable("zoo")
class WindowScale(keras.layers.Layer):
    """Subtracts from each window its own mean, and divides by its own deviation, feature by feature.

    A window that does not vary comes out as 0.

    Input: float32 (batch, length, features). Output: the same, and the unit of one feature, its mean and its deviation
    in each window, float32 (batch, 2).

    Source: Kim et al. 2022, "Reversible Instance Normalization for Accurate Time-Series Forecasting against
        Distribution Shift"; Salinas et al. 2020, "DeepAR", scales each series by its past too.

    Args:
        means, deviations: one a feature, of all windows of training.
        alike: positions of the features that are scaled by these, as flags, which say nothing about themselves.
        position: of the feature whose unit is given.
    """

    def __init__(
        self,
        means: Sequence[float],
        deviations: Sequence[float],
        alike: Sequence[int],
        position: int,
        **options: Any,
    ):
        super().__init__(**(options | {"dtype": "float32"}))
        self.means, self.deviations = list(means), list(deviations)
        self.alike, self.position = list(alike), position

    def call(self, values: Any) -> Any:
        """As the class says."""
        mean = ops.mean(values, axis=1, keepdims=True)
        centred = values - mean
        farthest = ops.maximum(ops.max(ops.abs(centred), axis=1, keepdims=True), TINY)
        # Squares of what is small or large leave float32: the deviation is taken in units of the farthest value.
        deviation = farthest * ops.sqrt(ops.mean(ops.square(centred / farthest), axis=1, keepdims=True))
        deviation = ops.maximum(ops.maximum(deviation, UNEVEN * ops.abs(mean)), TINY)
        at = slice(self.position, self.position + 1)
        unit = ops.concatenate([mean[:, 0, at], deviation[:, 0, at]], axis=1)
        common = np.isin(np.arange(len(self.means)), self.alike)
        mean = ops.where(common, np.asarray(self.means, np.float32), mean)
        deviation = ops.where(common, np.asarray(self.deviations, np.float32), deviation)
        return (values - mean) / deviation, unit

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[tuple[int | None, ...], ...]:
        """Those of the input, and of a mean and a deviation."""
        return input_shape, (input_shape[0], 2)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        names = ("means", "deviations", "alike", "position")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("zoo")
class OwnUnit(keras.layers.Layer):
    """Brings answers in the unit of a window, as `WindowScale` gives it, into that of the feature.

    Input: float32 (batch, values), and the unit, float32 (batch, 2). Output: float32 (batch, values).
    """

    def __init__(self, **options: Any):
        super().__init__(**(options | {"dtype": "float32"}))

    def call(self, values: Any, unit: Any) -> Any:
        """As the class says."""
        return values * unit[:, 1:] + unit[:, :1]

    def compute_output_shape(
        self, values_shape: tuple[int | None, ...], unit_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """That of the answers."""
        return values_shape


@keras.saving.register_keras_serializable("zoo")
def spaced_words(texts: Any) -> Any:
    """Texts with words in lower case, one space between them.

    ``!``, ``?`` and symbols as emoji, which carry mood, are words of their own; other punctuation and line breaks of
    HTML go; an apostrophe stays inside a word, as in "don't". Lower case is that of Unicode, other than Keras'
    default, which lowers ASCII only.

    Args:
        texts: strings (batch,).

    Returns:
        strings (batch,).
    """
    import tensorflow as tf

    texts = tf.strings.lower(texts, encoding="utf-8")
    for pattern, replacement in (
        (r"<br\s*/?>", " "),
        ("[\u2018\u2019]", "'"),
        (r"[!?\p{So}]", r" \0 "),
        (r"[^\pL\pM\pN\p{So}!?']+", " "),
        (r"(^|\s)'+|'+(\s|$)|''+", " "),
        (r"(^|\s)'+|'+(\s|$)", " "),  # what the line above has uncovered
        (r"\s+", " "),
    ):
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    return tf.strings.strip(texts)
