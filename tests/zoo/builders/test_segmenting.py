"""What a U-Net does that the contract of builders does not ask for."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from zoo.builders import unet


def answers(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(images, training=False))


@pytest.mark.parametrize(("size", "depth", "near"), [((250, 256), 4, "256 x 256"), ((32, 20), 3, "32 x 16")])
def test_a_size_that_the_depth_does_not_divide_is_refused(size: tuple[int, int], depth: int, near: str) -> None:
    with pytest.raises(ValueError) as caught:
        unet((*size, 3), 2, depth=depth)
    assert str(caught.value) == (
        f"unet: expected height and width to be multiples of {2**depth} for a depth of {depth}; received {size[0]} x "
        f"{size[1]}: give a smaller depth, or resize to {near}"
    )


def test_brightness_and_contrast_of_the_whole_image_change_nothing() -> None:
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).uniform(0, 200, (2, 16, 16, 3)).astype(np.float32)
    other = images * np.float32([0.2, 0.7])[:, None, None, None] + 50
    model, plain = (unet((16, 16, 3), 2, depth=2, standardization=each) for each in (True, False))
    np.testing.assert_allclose(answers(model, other), answers(model, images), atol=1e-3)
    assert np.abs(answers(plain, other) - answers(plain, images)).max() > 1e-2


def test_an_image_of_one_colour_and_noise_below_a_grey_level_stay_small() -> None:
    model = unet((16, 16, 1), 2, depth=1)
    inner = keras.Model(model.input, next(each for each in model.layers if "layer_norm" in each.name).output)
    np.testing.assert_allclose(answers(inner, np.full((1, 16, 16, 1), 130, np.float32)), 0, atol=1e-3)
    noise = 130 + np.random.default_rng(0).normal(0, 0.2, (1, 16, 16, 1)).astype(np.float32)
    assert answers(inner, noise).std() < 0.3


def test_what_is_moved_by_a_whole_stride_is_answered_there() -> None:
    keras.utils.set_random_seed(1)
    model = unet((64, 64, 1), 2, depth=2, standardization=False)
    image = np.zeros((1, 64, 64, 1), np.float32)
    image[0, 28:32, 28:32] = 255
    before, after = answers(model, image), answers(model, np.roll(image, (8, -4), (1, 2)))
    middle = slice(20, 40), slice(20, 40)
    np.testing.assert_allclose(np.roll(after, (-8, 4), (1, 2))[0][middle], before[0][middle], atol=1e-5)
    assert np.ptp(before[0][middle]) > 1e-3


def test_the_deepest_stage_doubles_channels_with_each_halving() -> None:
    model = unet((32, 32, 3), 4, filters=3, depth=3)
    kernels = [each.kernel.shape[-1] for each in model.layers if type(each) is keras.layers.Conv2D]
    assert kernels == [3, 3, 6, 6, 12, 12, 24, 24, 12, 12, 6, 6, 3, 3, 4]


@pytest.mark.slow
@pytest.mark.numerical
def test_every_format_holds_it(tmp_path: Path) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("exporting needs TensorFlow")
    import onnxruntime
    import openvino
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    from zoo.formats import converting
    from zoo.formats.graphs import Graph

    keras.utils.set_random_seed(0)
    model = unet((32, 48, 3), 3, depth=2)
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 48, 3)).astype(np.float32)
    images[1] *= 0.05  # as dark as fluorescence
    wanted = answers(model, images)
    specs = {"images": tf.TensorSpec([None, 32, 48, 3], name="images")}
    graph = Graph("model", lambda images: {"probabilities": model(images, training=False)}, specs, {})
    frozen = converting.freeze(graph, tmp_path / "frozen")

    converting.onnx(frozen, tmp_path / "model.onnx", {})
    (found,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"images": images})
    np.testing.assert_allclose(found, wanted, atol=1e-4)

    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = core.compile_model(str(tmp_path / "model.onnx"), "CPU")(images)[0]
    np.testing.assert_allclose(found, wanted, atol=1e-4)

    converting.litert(frozen, tmp_path / "model.tflite", {})
    interpreter = Interpreter(str(tmp_path / "model.tflite"))
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], images.shape)
    found = interpreter.get_signature_runner("serving_default")(images=images)["probabilities"]
    np.testing.assert_allclose(found, wanted, atol=1e-4)
