"""Layers that prepare raw inputs, registered as those of `zoo.builders.layers`; `zoo.data.preprocessing` fits them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


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
