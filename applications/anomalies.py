"""Anomalies on features of a pretrained backbone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from applications.backbones import backbone as backbone_of
from applications.backbones import find
from zoo.artifacts import runtimes
from zoo.builders import checks
from zoo.errors import InputError

if TYPE_CHECKING:
    import keras

    from zoo.builders.patch_memory import PatchMemory

STRIDES = (8, 16)  # of the two feature maps, of middle depth
LEAST, MOST = 64, 224  # pixels of the side that the backbone sees by default
CONVERT_FROM = 400  # images; the conversion for the faster runtime takes some seconds


def patchcore(
    input_shape: Sequence[int],
    *,
    input_size: int | None = None,
    backbone: str = "efficientnet_lite0",
    weights: str | None = "imagenet",
    patches: int = 2000,
    name: str = "patchcore",
) -> PatchMemory:
    """Nearest neighbours of patches, on the middle features of a frozen pretrained backbone.

    The backbone's last block at an eighth and at a sixteenth of the size are averaged over 3 x 3 places and laid over
    one another. A memory keeps the patches of normal images that stand for all others best. The score of an image is
    the distance of its oddest patch to the nearest one in the memory.

    Input: float32 (batch, height, width, channels), pixels 0-255; grey images become colour ones of one colour.
    Output: score float32 (batch,), and distances float32 (batch, height, width).

    Args:
        input_shape: (height, width, 1) or (height, width, 3).
        input_size: side of the square that the backbone sees, a multiple of 16; by default the larger side of the
            images, but at least 64 and at most 224.
        backbone: a name in `applications.BACKBONES`.
        weights: "imagenet", None for random ones, or the path of a weights file.
        patches: number of patches in the memory.
        name: of the model.

    Raises:
        ValueError: a shape, size or number that is none of these.
        InputError: the backbone is unknown, has no feature maps of these sizes, or does not take the size.
        WeightsUnavailable: there are no weights on this machine.

    Source: Roth et al. 2022, "Towards Total Recall in Industrial Anomaly Detection" (PatchCore), without the weight of
        equation 7; channels are brought to deviation 1.
    """
    import keras
    from keras import layers

    from zoo.builders.patch_memory import PatchMemory

    height, width, channels = checks.shape(name, input_shape, (3,), "images (height, width, channels)")
    patches = checks.positive("patches", patches)
    if weights is not None and not isinstance(weights, str):
        raise checks.ArgumentError(f"expected weights to be imagenet, None or a path; received {weights!r}")
    if channels not in (1, 3):
        raise ValueError(f"{name} takes grey or colour images; received the shape {height, width, channels}")
    if input_size is None:
        size = int(np.clip(round(max(height, width) / 16) * 16, LEAST, MOST))
    else:
        size = checks.positive("input_size", input_size, 32)
        if size % 16:
            raise checks.ArgumentError(f"expected input_size to be a multiple of 16; received {input_size}")

    inputs = keras.Input((height, width, channels), name="pixels")
    x = inputs if (height, width) == (size, size) else layers.Resizing(size, size)(inputs)
    x = layers.Concatenate()([x, x, x]) if channels == 1 else x
    fine, coarse = (layers.AveragePooling2D(3, 1, padding="same")(each) for each in middle(backbone, weights, size)(x))
    coarse = layers.UpSampling2D(fine.shape[1] // coarse.shape[1])(coarse)
    features = keras.Model(inputs, layers.Concatenate()([fine, coarse]), name="features")
    made = PatchMemory(features, patches, name=name)
    if weights is not None and keras.backend.backend() == "tensorflow":
        made.embed = _Embedding(features, f"patches-{backbone}-{height}x{width}x{channels}-{size}")
    return made


def middle(backbone: str, weights: str | None, input_size: int) -> keras.Model:
    """The backbone from pixels 0-255 to the output of its last block at each of `STRIDES`.

    Raises:
        InputError: it has no block at one of these.
    """
    import keras

    model, pattern = backbone_of(backbone, weights=weights, input_size=input_size), find(backbone).blocks
    ends = [each for each in model.layers if re.fullmatch(pattern, each.name) and len(each.output.shape) == 4]
    maps = {each.output.shape[1]: each.output for each in ends}
    sizes = [input_size // stride for stride in STRIDES]
    if lacking := [size for size in sizes if size not in maps]:
        raise InputError(
            f"{backbone}: expected blocks of {' and '.join(map(str, sizes))} pixels for images of {input_size}, found "
            f"none of {lacking[0]}; take another backbone"
        )
    return keras.Model(model.inputs[0], [maps[size] for size in sizes], name=backbone)


class _Embedding:
    """From uint8 images to their patch features: by a faster runtime where there are many images."""

    def __init__(self, features: keras.Model, name: str) -> None:
        self.features, self.name = features, name
        self.runtime: runtimes.Runtime | None = None

    def __call__(self, images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        if self.runtime is None:
            if len(images) < CONVERT_FROM:
                return runtimes.keras_runtime(self.features)(images)
            weights = sha256(b"".join(each.tobytes() for each in self.features.get_weights())).hexdigest()[:16]
            self.runtime = runtimes.cached(self.features, f"{self.name}-{weights}")
        return self.runtime(images)
