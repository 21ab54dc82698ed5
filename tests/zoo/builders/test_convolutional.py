from __future__ import annotations

import numpy as np
import pytest

from zoo.builders import cnn, resnet


@pytest.mark.parametrize(("depth", "weights"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85)])
def test_a_residual_network_has_the_layers_and_weights_of_the_paper(depth: int, weights: float) -> None:
    model = resnet((32, 32, 3), 10, depth=depth)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") + kinds.count("Dense") == depth
    assert sum(weight.size for weight in map(np.asarray, model.get_weights())) / 1e6 == pytest.approx(weights, abs=0.01)


def test_projections_have_weights_of_their_own() -> None:
    def weights(shortcut: str) -> int:
        return resnet((8, 8, 1), 2, depth=8, width=4, shortcut=shortcut).count_params()

    # Two 1x1 convolutions, 4 to 8 and 8 to 16 channels, each with its normalisation.
    assert weights("projection") - weights("padding") == (4 * 8 + 4 * 8) + (8 * 16 + 4 * 16)


def test_the_shortcut_takes_every_second_pixel_and_pads_channels_with_zeros() -> None:
    import keras

    model = resnet((9, 7, 1), 2, depth=8, width=4)
    (padding, _) = [layer for layer in model.layers if isinstance(layer, keras.layers.ZeroPadding2D)]
    (pooling, _) = [layer for layer in model.layers if isinstance(layer, keras.layers.AveragePooling2D)]
    x = np.random.default_rng(0).normal(size=(2, 9, 7, 4)).astype(np.float32)
    found = keras.ops.convert_to_numpy(padding(pooling(x)))
    assert found.shape == (2, 5, 4, 8)
    np.testing.assert_array_equal(found[..., 2:6], x[:, ::2, ::2])
    assert not found[..., :2].any()
    assert not found[..., 6:].any()


@pytest.mark.parametrize("depth", [7, 10, 21, 2, 0])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"depth.*received {depth}"):
        resnet((32, 32, 3), 10, depth=depth)


def test_images_too_small_for_the_stages_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cnn: expected images of at least 8 pixels.*3 stages.*received 7 x 28"):
        cnn((7, 28, 1), 10)
    assert cnn((8, 8, 1), 10).output_shape == (None, 10)
    with pytest.raises(ValueError, match=r"resnet: expected images of at least 4 pixels.*received 28 x 3"):
        resnet((28, 3, 1), 10)
    assert resnet((4, 5, 1), 10, depth=8).output_shape == (None, 10)


def test_every_stage_halves_the_image() -> None:
    model = cnn((28, 20, 1), 10, filters=(4, 6), units=5, batch_normalization=False, dropout=0.0)
    shapes = [layer.output.shape[1:] for layer in model.layers if type(layer).__name__ == "MaxPooling2D"]
    assert shapes == [(14, 10, 4), (7, 5, 6)]
    assert not any(type(layer).__name__ in ("BatchNormalization", "Dropout") for layer in model.layers)


def test_penalties_hold_for_every_kernel() -> None:
    model = cnn((8, 8, 1), 3, filters=(2, 3), units=4, l2=0.5)
    expected = sum(0.5 * (weight**2).sum() for weight in model.get_weights() if weight.ndim > 1)
    np.testing.assert_allclose(float(sum(model.losses)), expected, rtol=1e-5)
