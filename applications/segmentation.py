"""Fine-tuning for masks: a U-Net that sees through a pretrained backbone, from a folder to an artifact."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from applications.backbones import backbone as backbone_of
from zoo.builders import checks, segmenting
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.files import locked, remove_run, run_folder
from zoo.progress import Stopwatch
from zoo.settings import short_hash
from zoo.training.diagnosis import diagnose
from zoo.training.run import train

if TYPE_CHECKING:
    import keras

    from zoo.evaluation.findings import Finding

STRIDES = (2, 4, 8, 16)  # of the backbone's feature maps that the U-Net takes
WIDEST = 64  # channels that are taken of each: they are projected first
STEPS, FEWEST, MOST = 3000, 10, 60  # steps of four photos, and epochs at least and at most
LEARNING_RATE = 3e-3


def pretrained_unet(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    output: str = "softmax",
    backbone: str = "efficientnet_lite0",
    weights: str | None = "imagenet",
    filters: int = 8,
) -> keras.Model:
    """U-Net whose way down is a frozen pretrained backbone, with a small way down of its own beside it.

    The backbone's last feature map at each of a half, a quarter, an eighth and a sixteenth of the size is projected to
    at most 64 channels. Two stages of convolutions learn what is at the size and at the half of it, where a backbone
    for classification sees little. The way back is that of `zoo.builders.unet`.

    Input: float32 (batch, height, width, 3), pixels 0-255.
    Output: float32 (batch, height, width, num_classes): for each pixel probabilities that sum to 1 (softmax).

    Args:
        input_shape: (height, width, 3), equal and multiples of 16.
        num_classes: classes.
        output: activation of the output, as that of `zoo.builders.unet`.
        backbone: a name in `applications.BACKBONES`.
        weights: "imagenet", None for random ones, which are frozen too, or the path of a weights file.
        filters: channels of the own convolutions at the size of the image; each halving doubles them.

    Raises:
        ValueError: a shape that is none of these.
        InputError: the backbone is unknown, has no feature map of one of these sizes, or does not take the size.
        WeightsUnavailable: there are no weights on this machine.

    Source: Ronneberger, Fischer and Brox 2015, "U-Net", figure 1, for the way back; Iglovikov and Shvets 2018,
        "TernausNet: U-Net with VGG11 Encoder Pre-Trained on ImageNet for Image Segmentation", for the pretrained way
        down.
    """
    import keras
    from keras import layers

    name = "pretrained_unet"
    sizes = checks.shape(name, input_shape, (3,), "colour images (height, width, 3)")
    num_classes = checks.outputs(num_classes, output)
    filters = checks.positive("filters", filters)
    checks.divisible(name, sizes, 4, "the backbone's feature maps", "another input size")
    if sizes[0] != sizes[1] or sizes[2] != 3:
        raise ValueError(f"{name}: expected square colour images (size, size, 3); received the shape {sizes}")

    inputs = keras.Input(sizes)
    features = [
        segmenting.convolutions(each, min(WIDEST, each.shape[-1]), count=1, kernel_size=1)
        for each in encoder(backbone, weights, sizes[0])(inputs)
    ]
    own = [segmenting.convolutions(segmenting.standardized(inputs), filters)]
    own.append(segmenting.convolutions(layers.MaxPooling2D()(own[0]), 2 * filters))
    x = segmenting.convolutions(features[-1], STRIDES[-1] * filters)
    for stride in (8, 4, 2, 1):
        x = layers.Conv2DTranspose(stride * filters, 2, strides=2, padding="same")(x)
        beside = [features[STRIDES.index(stride)]] if stride in STRIDES else []
        beside += [own[stride - 1]] if stride <= len(own) else []
        x = segmenting.convolutions(layers.Concatenate()([x, *beside]), stride * filters)
    values = layers.Conv2D(num_classes, 1, activation=output, dtype="float32", name="output")(x)
    return keras.Model(inputs, values, name=name)


def encoder(backbone: str, weights: str | None, input_size: int) -> keras.Model:
    """The frozen backbone from pixels 0-255 to its last feature map of each of `STRIDES`.

    Raises:
        InputError: it has no map of one of these sizes.
    """
    import keras

    model = backbone_of(backbone, weights=weights, input_size=input_size)
    maps = {each.output.shape[1]: each.output for each in model.layers if len(getattr(each.output, "shape", ())) == 4}
    sizes = [input_size // stride for stride in STRIDES]
    if lacking := [size for size in sizes if size not in maps]:
        raise InputError(
            f"{backbone}: expected feature maps of {', '.join(map(str, sizes))} pixels for images of {input_size}, "
            f"found none of {lacking[0]}; take another input size or backbone"
        )
    model = keras.Model(model.inputs[0], [maps[size] for size in sizes], name=f"{backbone}_encoder")
    model.trainable = False
    return model


def fine_tune(
    data: Data,
    backbone: str,
    *,
    weights: str | Path | None,
    input_size: int | None,
    seed: int,
    out: Path,
    epochs: int | None,
    learning_rate: float | None,
    augment: Sequence[str],
    report: Callable[[Any, Data, Sequence[str]], None] | None,
    watch: Stopwatch,
) -> tuple[Path, Any, tuple[Finding, ...]]:
    """Fine-tune for masks; arguments as those of `applications.fine_tune`.

    Returns:
        the version folder, the scores, and the problems that they show.
    """
    model = {"backbone": backbone, "weights": weights if weights is None else str(weights)}
    if epochs is None:
        epochs = int(np.clip(math.ceil(STEPS * 4 / len(data.train)), FEWEST, MOST))
    how = {
        "epochs": epochs,
        "optimizer": "adamw",
        "learning_rate": LEARNING_RATE if learning_rate is None else learning_rate,
        "augment": tuple(augment),
        "input_size": input_size,
        "seed": seed,
        "validation": 0,  # with a rate that falls to 0 the last epoch is near the best, and no photo is spared
    }
    run = run_folder(out, short_hash(data.fingerprint, model, how))
    with locked(run):
        with watch.stage("train"):
            trained = train(pretrained_unet, data, model=model, run=run, **how)
        findings = diagnose(trained)
        if report:
            report(trained.evaluation, data, tuple(map(str, findings)))
        with watch.stage("export"):
            folder = trained.export(out, run)
        remove_run(run)
    return folder, trained.evaluation, findings
