"""Layers for dates and texts of a table."""

from __future__ import annotations

import datetime

import keras
import numpy as np
import pytest

from zoo.builders.columns import Calendar, WordCounts, WordWeights, civil

EPOCH = datetime.date(1970, 1, 1)


def test_the_calendar_is_that_of_python() -> None:
    days = [*range(-1500, 1500), *range(-719162, 2932896, 997), -719162, 2932896, *range(10900, 11100)]
    found = np.stack([np.asarray(each) for each in civil(np.array(days, np.float32))], axis=1)
    expected = [(EPOCH + datetime.timedelta(day)).timetuple()[:3] for day in days]
    np.testing.assert_array_equal(found, expected)


def test_what_a_date_says() -> None:
    first, last = ((datetime.date(*day) - EPOCH).days for day in ((2023, 11, 1), (2024, 2, 29)))
    layer = Calendar([first, first], [last, last], [1], [0])
    sunday = (datetime.date(2024, 2, 25) - EPOCH).days
    values = np.array([[sunday, 0, sunday, 64800], [last + 900, 0, last + 900, np.nan], [np.nan] * 4], np.float32)
    found = np.asarray(layer(values))
    assert found.shape == layer.compute_output_shape(values.shape) == (3, 2 * 11 + 2 + 2 + 1)
    assert found[0, 4:11].tolist() == [0, 0, 0, 0, 0, 0, 1] and found[0, 11] == 1 and found[0, 12] == 0
    np.testing.assert_allclose(found[0, 1:4], [np.sin(np.pi / 6), np.cos(np.pi / 6), 9 / 15], atol=1e-6)
    np.testing.assert_allclose(found[0, -2:], [-1, 0], atol=1e-6)  # six in the evening
    assert found[1, 0] == 1  # as the last day of training
    assert found[2].tolist() == [0] * 12 + [1] + [0] * 14
    again = Calendar.from_config(layer.get_config())
    np.testing.assert_array_equal(again(values), found)


def test_words_are_weighed_as_scikit_learn_does() -> None:
    feature_extraction = pytest.importorskip("sklearn.feature_extraction.text")
    texts = ["Good film, good cast!", "bad", "", "a film of them all", "unknown words"]
    words = ["film", "good", "bad", "a", "!"]
    counts = np.asarray(WordCounts([words, words[:2]])(keras.ops.convert_to_tensor([[each, each] for each in texts])))
    assert counts[0].tolist() == [1, 2, 0, 0, 1, 1, 2] and not counts[2].any() and not counts[4].any()
    weights = [2.0, 1.5, 1.0, 3.0, 1.0]
    found = np.asarray(WordWeights([weights, weights[:2]])(counts))
    made = feature_extraction.TfidfTransformer(sublinear_tf=True)
    made.fit(counts[:, :5])
    made.idf_ = np.array(weights)
    np.testing.assert_allclose(found[:, :5], made.transform(counts[:, :5]).toarray(), atol=1e-6)
