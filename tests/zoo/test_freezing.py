"""Variables as constants: the same answers, in every structure of outputs, and none where they would be too large."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import freezing
from zoo.artifacts import saved_model
from zoo.kinds.images.kind import Images
from zoo.tasks.classification import Classification

pytestmark = pytest.mark.numerical
SHAPE = (12, 10, 3)


def network(*layers: keras.layers.Layer) -> keras.Model:
    """Layers in a row, on pixels."""
    inputs = tensor = keras.Input(SHAPE)
    for layer in (*layers, keras.layers.Dense(3, activation="softmax")):
        tensor = layer(tensor)
    return keras.Model(inputs, tensor)


def convolutional() -> keras.Model:
    return network(
        keras.layers.Rescaling(1 / 255),
        keras.layers.RandomFlip(),
        keras.layers.Conv2D(4, 3, activation="swish"),
        keras.layers.BatchNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dropout(0.5),
    )


def recurrent() -> keras.Model:
    return network(keras.layers.Rescaling(1 / 255), keras.layers.Reshape((12, 30)), keras.layers.GRU(5))


def linear() -> keras.Model:
    return network(keras.layers.Rescaling(1 / 255), keras.layers.Flatten())


NETWORKS = [convolutional, recurrent, linear]


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE)).astype(np.float32)


def structures(model: keras.Model) -> dict[str, object]:
    return {
        "one": model,
        "pair": lambda pixels: (model(pixels, training=False), tf.reduce_mean(pixels, (1, 2, 3))),
        "names, not in the order of the alphabet": lambda pixels: {
            "z": model(pixels, training=False),
            "a": {"b": pixels, "B": -pixels},
        },
        "one tensor twice": lambda pixels: [pixels, model(pixels, training=False), pixels],
    }


def called(function: object) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A function from pixels to the flat list of outputs, as arrays."""
    return lambda pixels: [each.numpy() for each in tf.nest.flatten(function(tf.constant(pixels)))]


@pytest.mark.parametrize("made", NETWORKS)
def test_answers_stay_in_every_structure(made: Callable[[], keras.Model], pixels: np.ndarray) -> None:
    keras.utils.set_random_seed(0)
    for what, function in structures(made()).items():
        run = freezing.traced(function, (1, *SHAPE))
        constant = freezing.frozen(run)
        assert not constant.graph.variables and len(constant.inputs) == 1
        for batch in (pixels, pixels[:1]):
            for one, other in zip(called(run)(batch), called(constant)(batch), strict=True):
                np.testing.assert_allclose(one, other, atol=1e-5, err_msg=what)


def test_constants_are_those_of_the_moment(pixels: np.ndarray) -> None:
    model = linear()
    run = freezing.traced(model, model.input_shape)
    constant = freezing.frozen(run)
    before = called(constant)(pixels)[0]
    model.set_weights([each + np.arange(each.size).reshape(each.shape) * 1e-3 for each in model.get_weights()])
    np.testing.assert_array_equal(called(constant)(pixels)[0], before)
    np.testing.assert_allclose(called(run)(pixels)[0], model(pixels), atol=1e-6)
    assert np.abs(called(run)(pixels)[0] - before).max() > 1e-3


@pytest.mark.parametrize("made", NETWORKS)
def test_an_export_holds_the_variables_that_it_reads_alone_and_answers_to_the_bit(
    made: Callable[[], keras.Model], pixels: np.ndarray, tmp_path: Path
) -> None:
    model, task, kind = made(), Classification(("a", "b", "c"), 0), Images(SHAPE[:2], None)
    saved_model.saved_model(model, tmp_path / "model", task=task, kind=kind)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    said = loaded.signatures["serving_pixels"](pixels=tf.constant(pixels))["probabilities"]
    run = freezing.traced(model, model.input_shape)
    np.testing.assert_array_equal(said, called(run)(pixels)[0])
    names = [name for name, _ in tf.train.list_variables(str(tmp_path / "model" / "variables" / "variables"))]
    state = [each for each in model.variables if "seed" in each.path]  # of random layers, for training alone
    assert sum(name.startswith("weights") for name in names) == len(model.variables) - len(state)
    assert bool(state) == (made is not linear)
