"""Augmentation of images: random changes that keep the label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError
from zoo.settings import suggestion

if TYPE_CHECKING:
    import keras

AUGMENTATIONS = ("flip", "vflip", "crop", "zoom", "color", "hue", "randaugment")


def augmentation(names: Sequence[str], seed: int) -> keras.Sequential:
    """A model that changes images, float32 (batch, height, width, channels), pixels 0-255; call it with training=True.

    Args:
        names: ``flip``: left to right, for half of the images. ``vflip``: upside down, for half of them, where there is
            no up, as under a microscope. ``crop``: shifts and scales of up to a tenth, as the framing of photos varies.
            ``zoom``: scales from 0.7 to 1.2, as the distance varies. ``color``: brightness and contrast, by up to 15 %.
            ``hue``: hue by up to a tenth of the circle, and saturation, as dyes vary. ``randaugment``: two random
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
        "vflip": lambda: [layers.RandomFlip("vertical", seed=seed + 6)],
        "zoom": lambda: [layers.RandomZoom((-0.3, 0.2), fill_mode="reflect", seed=seed + 7)],
        "hue": lambda: [
            layers.RandomSaturation((0.35, 0.65), value_range=(0, 255), seed=seed + 8),
            layers.RandomHue(0.2, value_range=(0, 255), seed=seed + 9),
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


def check_inputs(names: Sequence[str], shape: Sequence[int]) -> None:
    """Raise InputError where inputs of `shape`, the batch axis left out, can't be changed so."""
    if names and len(shape) != 3:
        raise InputError(f"augment changes images; received inputs of shape {tuple(shape)}: leave it out")
    if "hue" in names and shape[-1] != 3:
        raise InputError(f"the augmentation hue is for colour images; received {shape[-1]} channel(s): leave it out")


def check(names: Sequence[str]) -> None:
    """Raise InputError if one of the `names` is unknown."""
    unknown = sorted(set(names) - set(AUGMENTATIONS))
    if unknown:
        hint = suggestion(unknown[0], AUGMENTATIONS)
        raise InputError(f"expected augmentations out of {', '.join(AUGMENTATIONS)}, received {unknown[0]!r}{hint}")
