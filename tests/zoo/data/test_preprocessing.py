"""Preprocessing is fitted while reading, and built as a Keras model when somebody looks at it."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from zoo.data import Data, arrays
from zoo.data.dataset import Unbuilt
from zoo.data.preprocessing import for_sequences, for_table


def table() -> tuple[np.ndarray, Data]:
    rows = np.random.default_rng(0).normal(3.0, 5.0, size=(60, 3)).astype(np.float32)
    return rows, arrays(rows, np.arange(60) % 2)


def prepared(data: Data) -> np.ndarray:
    return np.asarray(data.preprocess(data.train.inputs))


def test_it_is_built_once_and_is_the_same_in_every_copy() -> None:
    _, data = table()
    model = data.preprocess
    assert model is data.preprocess
    assert replace(data, validation=None).preprocess is model
    np.testing.assert_allclose(prepared(data).mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(prepared(data).std(axis=0), 1, atol=1e-5)


def test_what_was_read_decides_rather_than_what_became_of_it() -> None:
    _, data = table()
    before = data.train.inputs["numeric"].copy()
    data.train.inputs["numeric"][:] = 1e6
    answer = np.asarray(data.preprocess({"numeric": before}))
    np.testing.assert_allclose(answer.mean(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize("looked", [False, True])
def test_data_go_to_another_process(looked: bool) -> None:
    _, data = table()
    if looked:
        prepared(data)
    copy = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(prepared(copy), prepared(data))
    assert copy.fingerprint == data.fingerprint


def test_fields_are_given_and_kept_as_before() -> None:
    _, data = table()
    with pytest.raises(AttributeError):
        data.preprocess = None
    with pytest.raises(TypeError, match="preprocess"):
        Data(data.train, None, None, data.task, fingerprint="", source=data.source)
    assert replace(data, preprocess=None).preprocess is None


def test_numbers_and_categories_are_fitted_together() -> None:
    inputs = {
        "numeric": np.array([[1.0], [3.0], [np.nan]], dtype=np.float32),
        "categorical": np.array([["a"], ["b"], ["a"]], dtype=object),
    }
    fitted, dropped = for_table(inputs, 1)
    assert isinstance(fitted, Unbuilt) and dropped == [1]
    import tensorflow as tf

    answer = fitted.build()({name: tf.constant(values) for name, values in inputs.items()})
    # The number, whether it was missing, and the one category that is kept.
    np.testing.assert_allclose(answer, [[-1, 0, 1], [1, 0, 0], [0, 1, 1]])


def test_of_sequences_steps_are_scaled() -> None:
    rows = np.random.default_rng(0).normal(2.0, 4.0, size=(50, 2)).astype(np.float32)
    scaled = np.asarray(for_sequences(rows, 5).build()(rows.reshape(10, 5, 2)))
    np.testing.assert_allclose(scaled.reshape(-1, 2).mean(axis=0), 0, atol=1e-5)
