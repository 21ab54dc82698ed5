"""What readers fit on the training part: Keras models from raw inputs to what a builder takes.

This module imports Keras; readers import it when they need it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.data.dataset import Note

UNVARYING = float(np.finfo(np.float32).max)  # the deviation of a column that has none: all float32 over it are 0 to 1


@keras.saving.register_keras_serializable("zoo")
class Numbers(keras.layers.Layer):
    """Imputes missing numbers by the mean, normalises, and appends one column of 0 and 1 for each of `indicators`.

    Input: float32 (batch, columns), NaN where missing. Output: float32 (batch, columns + indicators).

    Args:
        means, deviations: one a column.
        indicators: positions of the columns whose missing values are told to the model.
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
        told = ops.take(ops.cast(missing, "float32"), np.asarray(self.indicators, np.int32), axis=1)
        return ops.concatenate([scaled, told], axis=1)

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


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations of the columns, float64; NaN is passed over.

    Of a column that does not vary nothing can be learnt: its deviation is so large that whatever it holds later comes
    out as 0. One without any value has mean 0.

    Args:
        values: float32 (rows, columns).
    """
    wide = values.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN alone
        means, deviations = np.nan_to_num(np.nanmean(wide, axis=0)), np.nanstd(wide, axis=0)
    # Of equal values the deviation may be a rounding error rather than 0.
    return means, np.where(deviations > 1e-7 * np.abs(means), deviations, UNVARYING)


def unvarying(values: np.ndarray, names: Sequence[str]) -> list[Note]:
    """Notes on the columns that tell nothing in the training part, though they may elsewhere.

    Args:
        values: float32 (rows, columns), of that part.
        names: of the columns.
    """
    notes = []
    for name, column, deviation in zip(names, values.T, moments(values)[1], strict=True):
        known = column[~np.isnan(column)]
        if deviation == UNVARYING and (not len(known) or len(known) == len(column)):
            held = f"only {known[0]:g}" if len(known) else "no value"
            reason = (
                f"{held} in the training part, so that whatever it holds elsewhere is passed over; give the training "
                "part rows where it differs, or remove the column"
            )
            notes.append(Note(f"column {name}", "kept", reason))
    return notes


def for_table(inputs: dict[str, np.ndarray], most: int) -> tuple[keras.Model, list[int]]:
    """Imputation, normalisation and categories, fitted on `inputs`.

    Args:
        inputs: ``numeric`` float32 and ``categorical`` strings, both (rows, columns), as `zoo.data.Part` has them.
        most: so many categories of a column are kept, the most frequent.

    Returns:
        a model from a dict of the same to float32 (batch, width); and of each categorical column how many categories
        were too many.
    """
    ends, entries, dropped = [], {}, []
    if "numeric" in inputs:
        values = inputs["numeric"]
        means, deviations = moments(values)
        missing = np.isnan(values)
        indicators = np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)).tolist()
        entries["numeric"] = keras.Input((values.shape[1],), dtype="float32", name="numeric")
        ends.append(Numbers(means.tolist(), deviations.tolist(), indicators, name="numbers")(entries["numeric"]))
    if "categorical" in inputs:
        values = inputs["categorical"]
        kept = []
        for column in values.T:
            names, counts = np.unique(column.astype(str), return_counts=True)
            frequent = np.sort(np.lexsort((names, -counts))[:most])
            kept.append([str(name) for name in names[frequent]])
            dropped.append(len(names) - len(frequent))
        entries["categorical"] = keras.Input((values.shape[1],), dtype="string", name="categorical")
        ends.append(Categories(kept, name="categories")(entries["categorical"]))
    output = ends[0] if len(ends) == 1 else keras.layers.Concatenate(dtype="float32", name="features")(ends)
    return keras.Model(entries, output, name="preprocess"), dropped


def for_sequences(rows: np.ndarray, length: int | None) -> keras.Model:
    """Normalisation of every feature, fitted on `rows`.

    Args:
        rows: float32 (steps of all training sequences, features).
        length: of the sequences; None where they differ.

    Returns:
        a model from float32 (batch, length, features) to the same shape.
    """
    means, deviations = moments(rows)
    entry = keras.Input((length, rows.shape[1]), dtype="float32", name="sequence")
    output = Scale(means.tolist(), deviations.tolist(), name="scale")(entry)
    return keras.Model(entry, output, name="preprocess")


def for_text(texts: np.ndarray, size: int, length: int | None, longest: int) -> tuple[keras.Model, tuple[str, ...]]:
    """The vocabulary of `texts`, and words to ids.

    Args:
        texts: strings (rows,).
        size: of the vocabulary at most, padding and the unknown included.
        length: ids a text; None for the 95th percentile of the texts' words, at most `longest`.
        longest: see `length`.

    Returns:
        a model from strings (batch,) to int32 (batch, length), 0 after the end; and the vocabulary.
    """
    import tensorflow as tf

    lengths: list[np.ndarray] = []
    counts: dict[bytes, int] = {}
    for start in range(0, len(texts), 4096):
        split = tf.strings.split(spaced_words(tf.constant(texts[start : start + 4096])))
        lengths.append(split.row_lengths().numpy())
        words, times = np.unique(split.flat_values.numpy().astype(bytes), return_counts=True)
        for word, time in zip(words.tolist(), times.tolist(), strict=True):
            counts[word] = counts.get(word, 0) + time
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[: max(0, size - 2)]
    vocabulary = [word.decode("utf-8") for word in frequent]
    if length is None:
        length = int(np.clip(np.percentile(np.concatenate(lengths), 95), 1, longest))
    words_to_ids = keras.layers.TextVectorization(
        standardize=spaced_words,
        split="whitespace",
        output_mode="int",
        output_sequence_length=length,
        vocabulary=vocabulary,
        name="words",
    )
    entry = keras.Input((), dtype="string", name="text")
    output = ops.cast(words_to_ids(entry), "int32")
    model = keras.Model(entry, output, name="preprocess")
    return model, ("", "[UNK]", *vocabulary)
