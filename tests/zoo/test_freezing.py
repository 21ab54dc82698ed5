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


@pytest.mark.parametrize("made", NETWORKS)
def test_answers_stay_in_every_structure(made: Callable[[], keras.Model], pixels: np.ndarray) -> None:
    keras.utils.set_random_seed(0)
    model = made()
    for what, function in structures(model).items():
        run = freezing.traced(function, (1, *SHAPE))
        quick = freezing.quick(model, run)
        for batch in (pixels, pixels[:1]):
            expected, said = run(tf.constant(batch)), quick(tf.constant(batch))
            tf.nest.assert_same_structure(expected, said)
            for one, other in zip(tf.nest.flatten(expected), tf.nest.flatten(said), strict=True):
                np.testing.assert_allclose(one, other, atol=1e-6, err_msg=what)


def test_constants_are_those_of_the_moment(pixels: np.ndarray) -> None:
    model = linear()
    quick = freezing.quick(model, freezing.traced(model, model.input_shape))
    before = quick(tf.constant(pixels)).numpy()
    model.set_weights([each + 1e-3 for each in model.get_weights()])
    np.testing.assert_array_equal(quick(tf.constant(pixels)), before)


def test_what_a_model_writes_stays_a_variable(pixels: np.ndarray) -> None:
    class Counter(keras.layers.Layer):
        def build(self, shape: object) -> None:
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, inputs: object) -> object:
            self.calls.assign_add(1.0)
            return inputs + self.calls

    model = network(keras.layers.Rescaling(1 / 255), Counter(), keras.layers.Flatten())
    quick = freezing.quick(model, freezing.traced(model, model.input_shape))
    first, second = (quick(tf.constant(pixels)).numpy() for _ in range(2))
    assert np.abs(first - second).max() > 1e-4


@pytest.mark.parametrize("made", NETWORKS)
def test_exports_answer_alike_with_constants_and_with_variables(
    made: Callable[[], keras.Model], pixels: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task, kind = made(), Classification(("a", "b", "c"), 0), Images(SHAPE[:2], None)
    answers, held = [], []
    for name, largest in (("constants", freezing.LARGEST), ("variables", 0)):
        monkeypatch.setattr(freezing, "LARGEST", largest)
        saved_model.saved_model(model, tmp_path / name, task=task, kind=kind)
        loaded = tf.saved_model.load(str(tmp_path / name))
        answers.append(loaded.signatures["serving_pixels"](pixels=tf.constant(pixels))["probabilities"])
        kept = [at for at, _ in tf.train.list_variables(str(tmp_path / name / "variables" / "variables"))]
        held.append(sum(at.startswith("weights") for at in kept))
    np.testing.assert_allclose(*answers, atol=1e-6)
    assert held[0] == 0 < held[1]
