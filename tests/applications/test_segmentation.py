"""Fine-tuning for masks: a U-Net on the feature maps of a frozen backbone."""

import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from applications import fine_tune
from applications.segmentation import STRIDES, encoder, pretrained_unet
from support.masks import write
from support.programs import command
from zoo.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("blots"), 12)


@pytest.mark.slow
def test_the_backbone_is_frozen_and_the_way_back_learns() -> None:
    model = pretrained_unet((32, 32, 3), 3, weights=None, filters=4)
    frozen = encoder("efficientnet_lite0", None, 32)
    assert [each.shape[1] for each in frozen.outputs] == [32 // stride for stride in STRIDES]
    assert not frozen.trainable_variables
    inside = model.get_layer(frozen.name)
    assert not inside.trainable_variables and len(model.trainable_variables) > 0
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    before = [value.numpy() for value in inside.variables]
    model.compile("adam", "sparse_categorical_crossentropy")
    model.train_on_batch(pixels, np.zeros((2, 32, 32), np.int64))
    assert all((value.numpy() == old).all() for value, old in zip(inside.variables, before, strict=True))
    np.testing.assert_allclose(model(pixels).numpy().sum(axis=-1), 1, atol=1e-5)


def test_weights_of_imagenet_are_those_of_the_backbone() -> None:
    from applications.backbones import backbone

    pixels = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    whole = backbone("efficientnet_lite0", input_size=64)
    inside = pretrained_unet((64, 64, 3), 2).get_layer("efficientnet_lite0_encoder")
    last = whole.get_layer("block11_expand_relu").output  # the last one at a sixteenth
    import keras

    expected = keras.Model(whole.inputs[0], last)(pixels)
    np.testing.assert_allclose(inside(pixels)[-1], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [((40, 40, 3), "multiples of 16"), ((32, 48, 3), "square"), ((32, 32, 1), "colour images"), ((32, 32), "colour")],
)
def test_shapes_that_the_backbone_does_not_take(shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        pretrained_unet(shape, 2, weights=None)


@pytest.mark.slow
def test_a_folder_of_masks_becomes_an_artifact(tiny: str, folder: Path, tmp_path: Path) -> None:
    shown = []
    given = {"input_size": 32, "epochs": 2, "weights": None, "out": tmp_path / "blots"}
    made = fine_tune(zoo.data.masks(folder), tiny, report=lambda *what: shown.append(what), **given)
    assert made.evaluation.examples == len(made.data.held_out) and len(shown) == 1 and "train" in made.seconds
    artifact = zoo.load(made.artifact)
    assert artifact.card["parity"]["passed"] and artifact.card["builder"] == "pretrained_unet"
    assert artifact.card["model"] == {"backbone": tiny, "weights": None}
    (answer,) = artifact.predict(folder / "images" / "000.png")
    assert answer.mask.ndim == 2 and set(np.unique(answer.mask)) <= {0, 1}
    options = (
        "--backbone",
        tiny,
        "--weights",
        "random",
        "--input-size",
        32,
        "--epochs",
        2,
        "--out",
        tmp_path / "again",
    )
    again = command("finetune", folder, *options)
    assert again.returncode == 0 and "no mask differs" in again.stdout, again.stderr
    scores = json.loads((tmp_path / "again" / "1" / "card.json").read_text())["metrics"]
    assert scores == json.loads((made.artifact / "card.json").read_text())["metrics"]  # the same seed, the same weights


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"effort": "max"}, "leave out effort"),
        ({"start": "saved_models/other", "unfreeze": 2}, "leave out start, unfreeze"),
        ({"augment": ("mixup",)}, "mixup"),
        ({"backbone": "efficientnet_lite9"}, "unknown backbone"),
        ({"epochs": -1}, "epochs"),
        ({"input_size": 40}, "multiples of 16"),
    ],
)
def test_what_does_not_go_with_masks_is_refused_before_training(
    folder: Path, tmp_path: Path, given: dict[str, object], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        fine_tune(folder, out=tmp_path / "out", **{"input_size": 32} | given)
    assert not (tmp_path / "out").exists()
