from __future__ import annotations

import numpy as np
import pytest

from zoo.builders import mlp, perceptron

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0])
AND = XOR[0], np.array([0, 0, 0, 1])


def right(model: object, data: tuple[np.ndarray, np.ndarray], steps: int) -> int:
    """How many of the four it has right after training."""
    import keras

    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    for _ in range(steps):
        model.train_on_batch(*data)
    return int((model.predict(data[0], verbose=0).argmax(axis=1) == data[1]).sum())


def test_a_perceptron_learns_and_but_not_xor_and_an_mlp_does() -> None:
    import keras

    keras.utils.set_random_seed(0)
    assert right(perceptron((2,), 2), AND, 200) == 4
    assert right(perceptron((2,), 2), XOR, 200) < 4
    assert right(mlp((2,), 2, units=(8,), activation="tanh"), XOR, 200) == 4


def test_pixels_are_brought_to_unit_range() -> None:
    import keras

    model = perceptron((2, 2, 1), 1, output="linear")
    model.set_weights([np.ones((4, 1)), np.zeros(1)])
    found = keras.ops.convert_to_numpy(model(np.full((1, 2, 2, 1), 255, np.float32)))
    np.testing.assert_allclose(found, [[4]], rtol=1e-6)


@pytest.mark.parametrize(
    ("activation", "kind"), [("relu", "he_normal"), ("gelu", "he_normal"), ("tanh", "glorot_uniform")]
)
def test_the_initializer_fits_the_activation(activation: str, kind: str) -> None:
    import keras

    def hidden(initializer: str | None) -> str:
        model = mlp((4,), 2, activation=activation, initializer=initializer)
        kernels = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        assert kernels[-1].kernel_initializer.__class__.__name__ == "GlorotUniform"
        (name,) = {keras.initializers.serialize(layer.kernel_initializer)["class_name"] for layer in kernels[:-1]}
        return name

    assert hidden(None) == type(keras.initializers.get(kind)).__name__
    assert hidden("lecun_normal") == "LecunNormal"


def test_penalties_are_in_the_loss() -> None:
    model = mlp((3,), 2, units=(4,), l1=0.5, l2=0.25)
    kernels = [weight for weight in model.get_weights() if weight.ndim == 2]
    expected = sum(0.5 * np.abs(kernel).sum() + 0.25 * (kernel**2).sum() for kernel in kernels)
    np.testing.assert_allclose(float(sum(model.losses)), expected, rtol=1e-5)
    assert not mlp((3,), 2).losses


def test_layers_come_in_the_order_of_the_paper() -> None:
    model = mlp((3,), 2, units=(4,), batch_normalization=True, dropout=0.5)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["InputLayer", "Dense", "BatchNormalization", "Activation", "Dropout", "Dense"]
    assert not model.layers[1].use_bias


def test_a_single_width_and_a_list_are_taken_as_a_tuple() -> None:
    for units in (7, [7]):
        assert mlp((3,), 2, units=units).layers[1].units == 7
