"""The simple models of masks: always the most frequent class, and for two classes Otsu's threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from zoo.evaluation.masks import Counts

GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue in brightness: ITU-R BT.601


def threshold(image: np.ndarray) -> int:
    """The grey level that separates an image best: pixels up to it are dark, pixels over it bright.

    It makes the variance between the two sides largest; of equal ones the first. An image of one level is dark.

    Args:
        image: uint8 (height, width) or (height, width, 1 or 3), 0-255.

    Source: Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms", page 63, equations 12 to 15.
    """
    counts = np.bincount(grey(image).ravel(), minlength=256).astype(np.float64)
    if np.count_nonzero(counts) == 1:
        return 255
    share = counts / counts.sum()
    below, moment = np.cumsum(share), np.cumsum(share * np.arange(256))
    within = below * (1 - below)
    between = np.divide((moment[-1] * below - moment) ** 2, within, out=np.zeros(256), where=within > 1e-12)
    return int(np.argmax(between > between.max() * (1 - 1e-9)))  # what rounding makes unlike is equal


def grey(image: np.ndarray) -> np.ndarray:
    """Brightness of an image, uint8 (height, width).

    Args:
        image: uint8 (height, width) or (height, width, 1 or 3).
    """
    if image.ndim == 2 or image.shape[2] == 1:
        return image.reshape(image.shape[:2])
    return np.rint(image[..., :3] @ np.array(GREY)).astype(np.uint8)


Side = Callable[[np.ndarray], np.ndarray]
"""Bool (height, width), where an image is bright, to bool, where it has the rarer class."""

SIDES: dict[str, Side] = {
    "the bright side": lambda bright: bright,
    "the dark side": lambda bright: ~bright,
    "the smaller side": lambda bright: bright if bright.mean() <= 0.5 else ~bright,
}


def most_frequent(masks: Sequence[np.ndarray], classes: int, ignored: int | None = None) -> int:
    """Position of the class that most pixels have, over all masks; of equal ones the first.

    Args:
        masks: integer (height, width) each.
        classes: how many there are.
        ignored: value of pixels that have no class; None where all have one.
    """
    return int(sum(np.bincount(mask[mask != ignored], minlength=classes) for mask in masks).argmax())


def by_threshold(
    images: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    held_out: Iterable[np.ndarray],
    names: Sequence[str],
    ignored: int | None = None,
) -> dict[str, list[np.ndarray]]:
    """Masks of two classes by Otsu's threshold of each image.

    Which side has the rarer class is chosen on the training images as a whole, by mean IoU: the bright side, the dark
    side, or of each image the smaller one.

    Args:
        images: of the training part, uint8 (height, width, channels) each.
        masks: theirs, integer (height, width) each, 0 or 1.
        held_out: images to segment.
        names: of the two classes.
        ignored: value of pixels of `masks` that have no class; None where all have one.

    Returns:
        name of the model, which says the side -> masks, int64 (height, width) each, 0 or 1.
    """
    common = most_frequent(masks, 2, ignored)
    known = [grey(image) > threshold(image) for image in images]

    def said(bright: np.ndarray, side: Side) -> np.ndarray:
        return np.where(side(bright), 1 - common, common)

    def score(side: Side) -> float:
        return Counts.of(masks, [said(each, side) for each in known], 2, ignored).scores()["iou"]

    best = max(SIDES, key=lambda each: score(SIDES[each]))
    answers = [said(grey(image) > threshold(image), SIDES[best]) for image in held_out]
    return {f"Otsu's threshold, {best} is {names[1 - common]}": answers}
