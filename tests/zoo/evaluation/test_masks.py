"""Scores of masks held to counts by hand, to scikit-learn and to what must hold of any masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.evaluation.masks import MEASURES, Counts, evaluate, interval
from zoo.evaluation.measures import present_parts

TRUE = [np.array([[0, 0, 1], [0, 1, 1]]), np.array([[0, 0], [0, 0]]), np.array([[2, 0, 0, 0]])]
SAID = [np.array([[0, 1, 1], [0, 0, 1]]), np.array([[0, 0], [0, 0]]), np.array([[1, 0, 0, 2]])]


def some_masks(seed: int, classes: int, images: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, (images, 2))
    true, said = ([rng.integers(0, rng.integers(1, classes + 1), size) for size in sizes] for _ in range(2))
    return true, said


def test_scores_by_hand() -> None:
    counts = Counts.of(TRUE, SAID, 3)
    np.testing.assert_array_equal(counts.both, [[2, 2, 0], [4, 0, 0], [2, 0, 0]])
    np.testing.assert_array_equal(counts.true, [[3, 3, 0], [4, 0, 0], [3, 0, 1]])
    np.testing.assert_array_equal(counts.said, [[3, 3, 0], [4, 0, 0], [2, 1, 1]])
    nan = np.nan
    np.testing.assert_allclose(counts.iou(), [[2 / 4, 2 / 4, nan], [1, nan, nan], [2 / 3, 0, 0]])
    np.testing.assert_allclose(counts.dice(), [[4 / 6, 4 / 6, nan], [1, nan, nan], [4 / 5, 0, 0]])
    np.testing.assert_allclose(counts.accuracy(), [[4 / 6], [1], [2 / 4]])
    assert counts.scores() == pytest.approx(
        {
            "iou": ((1 / 2 + 1 + 2 / 3) / 3 + (1 / 2 + 0) / 2 + 0) / 3,
            "dice": ((2 / 3 + 1 + 4 / 5) / 3 + (2 / 3 + 0) / 2 + 0) / 3,
            "accuracy": (2 / 3 + 1 + 1 / 2) / 3,
        }
    )
    assert counts.worst().tolist() == [2, 0, 1]


def test_pixels_without_a_class_are_not_scored() -> None:
    true = [np.where(TRUE[0] == 1, 255, TRUE[0]).astype(np.uint8), np.full((2, 3), 255, np.uint8)]
    counts = Counts.of(true, [SAID[0], np.ones((2, 3), int)], 2, ignored=255)
    np.testing.assert_array_equal(counts.true, [[3, 0], [0, 0]])
    np.testing.assert_array_equal(counts.said, [[2, 1], [0, 0]])
    assert np.isnan(counts.accuracy()[1, 0]) and counts.scores()["accuracy"] == pytest.approx(2 / 3)
    assert counts.worst().tolist() == [0, 1]  # of which nothing is known comes last


def test_classes_are_reported_with_the_images_that_have_them() -> None:
    counts = Counts.of(TRUE, SAID, 3)
    perfect = Counts.of(TRUE, TRUE, 3)
    found = evaluate("test", ["a", "b", "c"], counts, {"perfect": perfect})
    assert (found.part, found.examples, found.iou) == ("test", 3, pytest.approx(counts.scores()["iou"]))
    assert [found.classes[name]["images"] for name in "abc"] == [3, 2, 1]
    assert [found.classes[name]["neither"] for name in "abc"] == [0, 1, 2]
    row = found.classes["b"]
    assert [row[key] for key in ("iou", "dice", "true", "predicted")] == pytest.approx([1 / 4, 1 / 3, 3 / 14, 4 / 14])
    assert row["iou_interval"] == (0, 1)
    assert found.classes["c"]["iou_interval"] is None
    assert found.baselines["perfect"] == {"iou": 1, "dice": 1, "accuracy": 1, "classes": {"a": 1, "b": 1, "c": 1}}
    assert found.beside() == ("mean IoU", found.iou, {"perfect": 1})
    table, models, line = found.shown()
    assert [row[0] for row in table.rows] == ["a", "b", "c"] and [row[0] for row in models.last][1] == "perfect"
    assert "interval" in line.text
    assert len(list(evaluate("test", ["a", "b", "c"], Counts(*(each[:1] for each in counts)), {}).shown())) == 2


def test_a_class_that_is_nowhere_has_no_score() -> None:
    found = evaluate("test", ["a", "b"], Counts.of(TRUE[1:2] * 3, SAID[1:2] * 3, 2), {})
    assert found.classes["b"]["iou"] is None and found.iou == 1
    assert found.classes["b"]["images"] == 0 and found.classes["b"]["neither"] == 3


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 6))
def test_properties_of_scores(seed: int, classes: int, images: int) -> None:
    true, said = some_masks(seed, classes, images)
    counts, swapped = Counts.of(true, said, classes), Counts.of(said, true, classes)
    iou, dice = counts.iou(), counts.dice()
    there = ~np.isnan(iou)
    assert ((iou[there] >= 0) & (iou[there] <= dice[there]) & (dice[there] <= 1)).all()
    np.testing.assert_allclose(dice, 2 * iou / (1 + iou))
    np.testing.assert_array_equal(iou, swapped.iou())
    assert (counts.true.sum(axis=1) == counts.said.sum(axis=1)).all()
    for each, value in zip(range(images), counts.accuracy()[:, 0], strict=True):
        assert value == pytest.approx((true[each] == said[each]).mean())
    np.testing.assert_array_equal(
        there, [[((t == c) | (s == c)).any() for c in range(classes)] for t, s in zip(true, said, strict=True)]
    )
    for measure, values in (("iou", iou), ("dice", dice)):  # the parts' mean is the mean over classes of means
        means = [values[there[:, c], c].mean() for c in range(classes) if there[:, c].any()]
        assert counts.parts(measure).mean() == pytest.approx(np.mean(means))
    order = np.random.default_rng(seed).permutation(images)
    again = Counts.of([true[at] for at in order], [said[at] for at in order], classes)
    assert again.scores() == pytest.approx(counts.scores())
    assert Counts.of(true, true, classes).scores() == dict.fromkeys(MEASURES, 1)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_iou_is_scikit_learns(seed: int, classes: int) -> None:
    from sklearn.metrics import f1_score, jaccard_score

    (true,), (said,) = some_masks(seed, classes, 1)
    counts = Counts.of([true], [said], classes)
    for score, values in ((jaccard_score, counts.iou()), (f1_score, counts.dice())):
        found = score(true.ravel(), said.ravel(), labels=range(classes), average=None, zero_division=0)
        there = ~np.isnan(values[0])
        np.testing.assert_allclose(values[0][there], found[there])
        assert not found[~there].any()


def test_an_interval_of_means_holds_the_mean() -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(300):
        values = rng.beta(8, 2, (60, 2))
        values[rng.random(60) < 0.6, 1] = np.nan
        low, high = interval(present_parts(values)) or (1, 0)
        held.append(low <= 0.8 <= high)
    assert np.mean(held) > 0.91


def test_an_interval_tells_what_has_none() -> None:
    assert interval(np.array([0.3])) is None and interval(np.array([0.3, np.nan])) is None
    low, high = interval(np.ones(20)) or (0, 0)
    assert 0.7 < low < 1 == high
    assert np.isnan(present_parts(np.full((3, 2), np.nan))).all()


@pytest.mark.parametrize(
    ("true", "said", "message"),
    [
        ([np.zeros((2, 3), int)], [np.zeros((3, 2), int)], r"mask 0: expected the size .*\(2, 3\); received \(3, 2\)"),
        ([np.zeros((2, 3), int)], [], "as many predicted masks as true ones; received 0 and 1"),
        ([np.full((2, 3), 2)], [np.zeros((2, 3), int)], "positions of 2 classes, 0 to 1; received 2"),
        ([np.zeros((2, 3), int)], [np.full((2, 3), -1)], "positions of 2 classes, 0 to 1; received -1"),
    ],
)
def test_masks_that_do_not_fit_are_refused(true: list[np.ndarray], said: list[np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Counts.of(true, said, 2)
