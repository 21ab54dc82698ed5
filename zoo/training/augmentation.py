"""Augmentation of images: random changes that keep the label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError
from zoo.settings import suggestion

if TYPE_CHECKING:
    import keras

AUGMENTATIONS = ("flip", "crop", "color", "randaugment")


def augmentation(names: Sequence[str], seed: int) -> keras.Sequential:
    """A model that changes images, float32 (batch, height, width, channels), pixels 0-255; call it with training=True.

    Args:
        names: ``flip``: left to right, for half of the images. ``crop``: shifts and scales of up to a tenth, as the
            framing of photos varies. ``color``: brightness and contrast, by up to 15 %. ``randaugment``: two random
            changes at a time (Cubuk et al. 2020).
        seed: of the random numbers.

    Raises:
        InputError: a name is unknown.
    """
    check(names)
    import keras

    layers = keras.layers
    makers = {
        "flip": lambda: [layers.RandomFlip("horizontal", seed=seed)],
        "crop": lambda: [
            layers.RandomTranslation(0.1, 0.1, fill_mode="reflect", seed=seed + 1),
            layers.RandomZoom((-0.1, 0.1), fill_mode="reflect", seed=seed + 2),
        ],
        "color": lambda: [
            layers.RandomBrightness(0.15, value_range=(0, 255), seed=seed + 3),
            layers.RandomContrast(0.15, value_range=(0, 255), seed=seed + 4),
        ],
        "randaugment": lambda: [layers.RandAugment(value_range=(0, 255), seed=seed + 5)],
    }
    return keras.Sequential([layer for name in names for layer in makers[name]()])


def augmented(changes: keras.Sequential, inputs: Any, targets: Any, moves: bool) -> tuple[Any, Any]:
    """A batch changed at random.

    Args:
        changes: as `augmentation` makes it.
        inputs: images float32 (batch, height, width, channels), pixels 0-255.
        targets: of each.
        moves: whether they are images too, whole numbers (batch, height, width), that move with the inputs; what
            changes colours alone leaves them as they are.
    """
    if not moves:
        return changes(inputs, training=True), targets
    from keras import ops

    both = {"images": inputs, "segmentation_masks": ops.cast(targets, "float32")[..., None]}
    for layer in changes.layers:
        both = layer(both, training=True)
    return both["images"], ops.cast(both["segmentation_masks"][..., 0], targets.dtype)


def check(names: Sequence[str]) -> None:
    """Raise InputError if one of the `names` is unknown."""
    unknown = sorted(set(names) - set(AUGMENTATIONS))
    if unknown:
        hint = suggestion(unknown[0], AUGMENTATIONS)
        raise InputError(f"expected augmentations out of {', '.join(AUGMENTATIONS)}, received {unknown[0]!r}{hint}")
