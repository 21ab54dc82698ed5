"""Otsu's threshold held to the variance between the sides of every threshold, and to scikit-image where it is there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.evaluation.otsu import by_threshold, grey, most_frequent, threshold


def between(pixels: np.ndarray, level: int) -> float:
    """Variance between the two sides of a level, as the paper's equation 14 has it."""
    dark, bright = pixels[pixels <= level], pixels[pixels > level]
    if not len(dark) or not len(bright):
        return 0.0
    return len(dark) * len(bright) / len(pixels) ** 2 * (dark.mean() - bright.mean()) ** 2


def cells(bright: bool, corner: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image with a square, and its mask."""
    mask = np.zeros((20, 24), int)
    mask[corner : corner + 8, 3:11] = 1
    noise = np.random.default_rng(seed).normal(0, 8, mask.shape)
    image = np.clip((40 if bright else 200) + (1 if bright else -1) * 110 * mask + noise, 0, 255)
    return np.repeat(image[..., None], 3, 2).astype(np.uint8), mask


def test_a_threshold_by_hand() -> None:
    assert threshold(np.array([[10, 10, 10], [200, 200, 12]], np.uint8)) == 12
    assert threshold(np.array([[0, 255]], np.uint8)) == 0
    assert threshold(np.full((3, 3), 7, np.uint8)) == 255


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_no_other_threshold_separates_better(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, rng.integers(2, 257), (count, 3)).astype(np.uint8)
    found = [between(image.ravel().astype(float), level) for level in range(256)]
    assert found[threshold(image)] == pytest.approx(max(found), rel=1e-7)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_scikit_image_separates_alike(seed: int) -> None:
    filters = pytest.importorskip("skimage.filters", reason="scikit-image is declared for benchmarks alone")
    image = np.random.default_rng(seed).normal([90, 160], [20, 30], (200, 2)).clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(image > threshold(image), image > filters.threshold_otsu(image))


def test_brightness_is_that_of_the_standard() -> None:
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    assert grey(image).tolist() == [[76, 150, 29, 9]]
    assert grey(image[..., :1]).tolist() == grey(image[..., 0]).tolist() == [[255, 0, 0, 9]]


def test_the_most_frequent_class() -> None:
    masks = [np.array([[0, 1, 1]]), np.array([[2, 2, 1, 0], [0, 0, 255, 255]])]
    assert most_frequent(masks, 3, ignored=255) == 0
    assert most_frequent(masks[:1], 3) == 1


@pytest.mark.parametrize(
    ("train_bright", "bright", "side"),
    [((True, True), True, "bright"), ((False, False), False, "dark"), ((True, False), False, "smaller")],
)
def test_the_side_is_chosen_on_training_images(train_bright: tuple[bool, ...], bright: bool, side: str) -> None:
    images, masks = zip(*(cells(bright, at) for at, bright in enumerate(train_bright)), strict=True)
    image, mask = cells(bright, 9, seed=1)
    ((name, (found,)),) = by_threshold(images, masks, [image], ["ground", "cell"]).items()
    assert name == f"Otsu's threshold, the {side} side is cell"
    np.testing.assert_array_equal(found, mask)


def test_the_rarer_class_may_be_the_first_and_pixels_without_one_have_no_say() -> None:
    image, mask = cells(True, 2)
    swapped = 1 - mask
    swapped[0] = 255
    ((name, (found,)),) = by_threshold([image], [swapped], [image], ["cell", "ground"], ignored=255).items()
    assert name.endswith("is cell")
    np.testing.assert_array_equal(found, 1 - mask)
