"""What readers fit on the training part: Keras models from raw inputs to what a builder takes.

Numbers, dates and categories are fitted at once, by NumPy; the Keras model that holds them is built when it is needed,
as are the words of texts in a table, which TensorFlow splits. Texts alone need it at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.dataset import Unbuilt
from zoo.data.notes import Note

if TYPE_CHECKING:
    import keras

MOST_WORDS = 2000  # of a column of texts
MOST_COUNTS = 100_000_000  # of words in all rows of a column, 400 MB: of very many rows fewer words are kept
TEXTS_A_WORD = 2  # a word that fewer training texts have tells nothing about others
UNVARYING = float(np.finfo(np.float32).max)  # the deviation of a column that has none: all float32 over it are 0 to 1


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


def for_table(inputs: dict[str, np.ndarray], most: int) -> tuple[Unbuilt, list[int]]:
    """Imputation, normalisation, dates, categories and weights of words, fitted on `inputs`.

    Args:
        inputs: ``numeric`` float32, ``categorical`` and ``texts`` strings, all (rows, columns), and ``dates`` float32
            (rows, 2 x columns), as `zoo.data.Part` has them.
        most: so many categories of a column are kept, the most frequent.

    Returns:
        a model from a dict of the same to float32 (batch, width); and of each categorical column how many categories
        were too many.
    """
    fitted: dict[str, tuple[Any, ...]] = {}  # of each input, arguments of its layer
    dropped = []
    if "numeric" in inputs:
        values = inputs["numeric"]
        means, deviations = moments(values)
        missing = np.isnan(values)
        indicators = np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)).tolist()
        fitted["numeric"] = (means.tolist(), deviations.tolist(), indicators)
    if "categorical" in inputs:
        kept = []
        for column in inputs["categorical"].T:
            names, counts = np.unique(column.astype(str), return_counts=True)
            frequent = np.sort(np.lexsort((names, -counts))[:most])
            kept.append([str(name) for name in names[frequent]])
            dropped.append(len(names) - len(frequent))
        fitted["categorical"] = (kept,)
    if "dates" in inputs:
        fitted["dates"] = _dates(inputs["dates"])
    widths = {name: values.shape[1] for name, values in inputs.items()}

    def build() -> keras.Model:
        import keras

        from zoo.builders.columns import Calendar, WordCounts, WordWeights
        from zoo.builders.preprocessing import Categories, Numbers

        if "texts" in inputs:
            fitted["texts"] = _words(inputs["texts"])

        def words(texts: Any, known: Sequence[Sequence[str]], weights: Sequence[Sequence[float]]) -> Any:
            return WordWeights(weights, name="word_weights")(WordCounts(known, name="word_counts")(texts))

        prepared = {
            "numeric": lambda entry, *fit: Numbers(*fit, name="numbers")(entry),
            "dates": lambda entry, *fit: Calendar(*fit, name="calendar")(entry),
            "categorical": lambda entry, *fit: Categories(*fit, name="categories")(entry),
            "texts": words,
        }
        floats = ("numeric", "dates")
        entries = {
            name: keras.Input((widths[name],), dtype="float32" if name in floats else "string", name=name)
            for name in prepared
            if name in fitted
        }
        ends = [prepared[name](entry, *fitted[name]) for name, entry in entries.items()]
        output = ends[0] if len(ends) == 1 else keras.layers.Concatenate(dtype="float32", name="features")(ends)
        return keras.Model(entries, output, name="preprocess")

    return Unbuilt(build), dropped


def _dates(values: np.ndarray) -> tuple[list[int], list[int], list[int], list[int]]:
    """First and last days of float32 (rows, 2 x columns); which columns have times of day, and missing ones."""
    days, seconds = values[:, ::2], values[:, 1::2]
    missing = np.isnan(days).any(axis=0)
    clocks = np.flatnonzero((np.nan_to_num(seconds) > 0).any(axis=0)).tolist()
    ends = (np.nanmin(days, axis=0), np.nanmax(days, axis=0))
    firsts, lasts = (each.astype(np.int64).tolist() for each in ends)
    return firsts, lasts, clocks, np.flatnonzero(missing).tolist()


def _words(texts: np.ndarray) -> tuple[list[list[str]], list[list[float]]]:
    """Words of each column of strings (rows, columns), the most frequent that several texts have; and their weights."""
    import tensorflow as tf

    from zoo.builders.preprocessing import spaced_words

    most = min(MOST_WORDS, max(MOST_COUNTS // len(texts), 1))
    words, weights = [], []
    for column in texts.T:
        counts: dict[bytes, int] = {}
        for start in range(0, len(column), 4096):
            split = tf.strings.split(spaced_words(tf.constant(column[start : start + 4096])))
            for row in split.to_list():
                for word in set(row):
                    counts[word] = counts.get(word, 0) + 1
        known = [word for word, count in counts.items() if count >= TEXTS_A_WORD] or list(counts)
        known = sorted(known, key=lambda word: (-counts[word], word))[:most]
        words.append([word.decode("utf-8") for word in known])
        weights.append([float(np.log((1 + len(column)) / (1 + counts[word])) + 1) for word in known])
    return words, weights


def for_sequences(rows: np.ndarray, length: int | None) -> Unbuilt:
    """Normalisation of every feature, fitted on `rows`.

    Args:
        rows: float32 (steps of all training sequences, features).
        length: of the sequences; None where they differ.

    Returns:
        a model from float32 (batch, length, features) to the same shape.
    """
    means, deviations = moments(rows)

    def build() -> keras.Model:
        import keras

        from zoo.builders.preprocessing import Scale

        entry = keras.Input((length, len(means)), dtype="float32", name="sequence")
        output = Scale(means.tolist(), deviations.tolist(), name="scale")(entry)
        return keras.Model(entry, output, name="preprocess")

    return Unbuilt(build)


def for_windows(rows: np.ndarray, length: int, position: int) -> Unbuilt:
    """Scaling of each window of several series by its own past; see `zoo.builders.preprocessing.WindowScale`.

    Args:
        rows: float32 (steps of all training series, features).
        length: of the windows.
        position: of the feature that is forecast.

    Returns:
        a model from float32 (batch, length, features) to the same shape, and to the unit of that feature, float32
        (batch, 2).
    """
    means, deviations = moments(rows)
    flags = [at for at, column in enumerate(rows.T) if at != position and len(np.unique(column)) <= 2]

    def build() -> keras.Model:
        import keras

        from zoo.builders.preprocessing import WindowScale

        entry = keras.Input((length, len(means)), dtype="float32", name="sequence")
        scale = WindowScale(means.tolist(), deviations.tolist(), flags, position, name="scale")
        return keras.Model(entry, scale(entry), name="preprocess")

    return Unbuilt(build)


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
    import keras
    import tensorflow as tf
    from keras import ops

    from zoo.builders.preprocessing import spaced_words

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
