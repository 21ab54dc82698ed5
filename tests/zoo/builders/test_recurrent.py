from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.builders import builder, gru, lstm, rnn

every = pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])


def outputs(model: Any, batch: np.ndarray) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(model(batch, training=False))


def sequences(shape: tuple[int, ...] = (4, 8, 3)) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@every
@pytest.mark.parametrize("arguments", [{}, {"bidirectional": True, "units": (5, 4)}, {"pooling": "mean_max"}])
def test_padding_counts_for_nothing_wherever_it_is(name: str, arguments: dict[str, Any]) -> None:
    model = builder(name)((None, 3), 2, **arguments)
    batch = sequences()
    expected = outputs(model, batch)
    gap = np.full((4, 2, 3), np.nan, np.float32)
    for padded in ([batch, gap], [gap, batch], [batch[:, :5], gap, batch[:, 5:]]):
        np.testing.assert_allclose(outputs(model, np.concatenate(padded, axis=1)), expected, rtol=1e-4, atol=1e-6)


def test_a_missing_value_in_a_step_is_a_zero() -> None:
    model = lstm((8, 3), 2)
    batch = sequences()
    zeros, missing = batch.copy(), batch.copy()
    zeros[:, 2, 1], missing[:, 2, 1] = 0, np.nan
    np.testing.assert_array_equal(outputs(model, missing), outputs(model, zeros))


@every
def test_the_order_of_the_steps_counts(name: str) -> None:
    model = builder(name)((8, 3), 2)
    batch = sequences()
    assert abs(outputs(model, batch) - outputs(model, batch[:, ::-1])).max() > 1e-3


@every
def test_layers_have_the_widths_and_directions_asked_for(name: str) -> None:
    model = builder(name)((8, 3), 2, units=(6, 5), bidirectional=True)
    shapes = [layer.output.shape for layer in model.layers if type(layer).__name__ == "Bidirectional"]
    assert shapes == [(None, 8, 12), (None, 10)]


def test_pooling_is_over_the_steps_that_are_there() -> None:
    import keras

    from zoo.builders.layers import MaskedPooling

    batch = sequences()
    mask = np.ones((4, 8), bool)
    mask[0, 3:] = mask[1] = False
    for mode, expected in (("mean", batch[0, :3].mean(axis=0)), ("max", batch[0, :3].max(axis=0))):
        found = keras.ops.convert_to_numpy(MaskedPooling(mode)(batch, mask=mask))
        np.testing.assert_allclose(found[0], expected, rtol=1e-5)
        assert not found[1].any()
    both = keras.ops.convert_to_numpy(MaskedPooling("mean_max")(batch))
    np.testing.assert_allclose(both, np.concatenate([batch.mean(axis=1), batch.max(axis=1)], axis=1), rtol=1e-4)


def test_a_horizon_is_as_many_values() -> None:
    model = gru((12, 2), 24, output="linear")
    assert model.output_shape == (None, 24)
    assert model.layers[-1].activation.__name__ == "linear"


def test_token_ids_want_a_vocabulary_and_numbers_none() -> None:
    with pytest.raises(ValueError, match=r"lstm takes sequences \(length, features\), or token ids .*received \(9,\)"):
        lstm((9,), 2)
    with pytest.raises(ValueError, match=r"takes with vocabulary_size token ids \(length,\).*received \(9, 3\)"):
        lstm((9, 3), 2, vocabulary_size=10)
    for size in (0, 1, 2.5, "10"):
        with pytest.raises(ValueError, match="vocabulary_size"):
            lstm((9,), 2, vocabulary_size=size)
    assert lstm((9,), 2, vocabulary_size=10).inputs[0].dtype == "int32"


def test_any_length_is_taken_where_none_is_given() -> None:
    model = lstm((None, 3), 2)
    for length in (1, 5, 40):
        assert outputs(model, sequences((2, length, 3))).shape == (2, 2)
    with pytest.raises(ValueError, match="features"):
        lstm((8, None), 2)


def test_the_simple_network_takes_the_initializer_that_fits() -> None:
    def kind(**arguments: str) -> str:
        (layer,) = [layer for layer in rnn((8, 3), 2, **arguments).layers if hasattr(layer, "cell")]
        return type(layer.cell.kernel_initializer).__name__

    assert kind() == "GlorotUniform"
    assert kind(activation="relu") == "HeNormal"
    assert kind(activation="relu", initializer="glorot_uniform") == "GlorotUniform"


def test_penalties_hold_for_every_kernel() -> None:
    model = gru((8, 3), 2, units=(4,), l2=0.5)
    kernels = [w.numpy() if hasattr(w, "numpy") else np.asarray(w) for w in model.weights if "kernel" in w.path]
    assert len(kernels) == 3
    np.testing.assert_allclose(float(sum(model.losses)), sum(0.5 * (kernel**2).sum() for kernel in kernels), rtol=1e-5)


@pytest.mark.slow
@every
def test_it_learns_what_only_the_first_step_tells(name: str) -> None:
    import keras

    keras.utils.set_random_seed(1)
    batch = sequences((64, 6, 2))
    labels = (batch[:, 0, 0] > 0).astype(np.int64)
    model = builder(name)((6, 2), 2, units=(16,))
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(batch, labels, epochs=60, batch_size=64, verbose=0)
    assert model.evaluate(batch, labels, verbose=0)[1] > 0.95


def test_words_and_pairs_have_weights_of_their_own() -> None:
    from zoo.builders.layers import NGrams

    layer = NGrams(2, 10, 2)
    layer.build((None, 4))
    words, pairs = np.zeros((10, 2), np.float32), np.zeros((NGrams.BUCKETS, 2), np.float32)
    words[3], pairs[(3 * NGrams.SPREAD + 4) % NGrams.BUCKETS] = (1, 0), (0, 1)
    layer.set_weights([words, pairs])
    found = outputs(layer, np.array([[3, 4, 0, 0], [4, 3, 0, 0], [3, 1, 4, 0], [0, 0, 0, 0]], np.int32))
    expected = [[1 / 2**0.5, 1], [1 / 2**0.5, 0], [1 / 3**0.5, 0], [0, 0]]
    np.testing.assert_allclose(found, NGrams.SCALE * np.array(expected), rtol=1e-5)


def test_tokens_are_made_unknown_in_training_only() -> None:
    import keras

    from zoo.builders.layers import TokenDropout

    tokens = np.tile(np.array([5, 7, 1, 0], np.int32), (500, 1))
    layer = TokenDropout(0.3)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(tokens, training=False)), tokens)
    found = keras.ops.convert_to_numpy(layer(tokens, training=True))
    assert set(np.unique(found[:, :2])) == {1, 5, 7}
    assert 0.2 < (found[:, :2] == 1).mean() < 0.4
    np.testing.assert_array_equal(found[:, 2:], tokens[:, 2:])


@pytest.mark.parametrize("arguments", [{"ngrams": 2}, {"token_dropout": 0.3}])
def test_arguments_for_tokens_are_refused_without_a_vocabulary(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected vocabulary_size"):
        lstm((8, 3), 2, **arguments)
