"""Segmentation: masks at the size of the photo, the same in NumPy and in the graph, and what a gate makes of them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from support.masks import write
from support.tasks import TASKS as EXAMPLES
from support.tasks import Mask
from zoo.artifacts.gate import TOLERANCE, compare_values
from zoo.data.look import Look
from zoo.errors import InputError, JobError
from zoo.evaluation.masks import Counts
from zoo.tasks import areas, forms
from zoo.tasks.areas import Areas, decided
from zoo.tasks.segmentation import Segmentation
from zoo.tasks.terms import Exam
from zoo.training.augmentation import AUGMENTATIONS, augmentation, augmented

SIZES = np.int32([(4, 4), (9, 5), (1, 1), (3, 17), (40, 31)])
TASK = Segmentation(("ground", "blot", "line"), (0, 7, 255))


def probabilities(count: int = len(SIZES), seed: int = 0, size: tuple[int, int] = (4, 4)) -> np.ndarray:
    """Float32 (examples, height, width, classes)."""
    raw = np.random.default_rng(seed).dirichlet(np.ones(3), (count, *size))
    return raw.astype(np.float32)


def said(shares: np.ndarray, sizes: np.ndarray, task: Segmentation = TASK) -> dict[str, np.ndarray]:
    """What an exported graph says."""

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 3]), tf.TensorSpec([None, 2], tf.int32)])
    def graph(shares: tf.Tensor, sizes: tf.Tensor) -> dict[str, tf.Tensor]:
        return forms.in_graph(task, task.answer({"probabilities": shares}, {"size": sizes}, keras.ops))

    return {name: value.numpy() for name, value in graph(shares, sizes).items()}


def here(shares: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return forms.in_numpy(TASK, TASK.answer({"probabilities": shares}, {"size": sizes}, np))["mask_bytes"]


def test_probabilities_are_resized_as_pillow_does() -> None:
    """Where nothing is made smaller; Pillow takes more pixels into account then."""
    shares = probabilities()
    for size in ((4, 4), (9, 5), (40, 31)):
        wanted = [
            Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR)
            for plane in shares[0].transpose(2, 0, 1)
        ]
        planes = np.stack([np.asarray(each) for each in wanted], axis=-1)
        at, lead = decided(shares[0], *size)
        ranked = np.sort(planes, axis=-1)
        np.testing.assert_allclose(lead, ranked[..., -1] - ranked[..., -2], atol=1e-5)
        clear = lead > 1e-5
        np.testing.assert_array_equal(at[clear], planes.argmax(axis=-1)[clear])


def test_a_mask_is_the_same_in_numpy_and_in_the_graph_at_every_size() -> None:
    shares = probabilities()
    shares[0, 0] = [1 / 3, 1 / 3, 1 / 3]  # ties
    shares[1] = [0, 0.5, 0.5]
    found = [np.asarray(Image.open(io.BytesIO(each))) for each in said(shares, SIZES)["mask_bytes"]]
    for mask, wanted, size in zip(found, here(shares, SIZES), SIZES, strict=True):
        assert mask.shape == tuple(size) and set(np.unique(mask)) <= {0, 7, 255}
        np.testing.assert_array_equal(mask, wanted)
    assert (here(shares, SIZES)[1] == 7).all()  # of equal ones the first


def corrupted(name: str, shares: np.ndarray) -> dict[str, Any]:
    """An export that is wrong in one way."""
    if name == "labels permuted":
        return said(shares[..., [1, 0, 2]], SIZES)
    if name == "mask transposed":
        return said(shares.swapaxes(1, 2), SIZES)
    if name == "size swapped":
        return said(shares, SIZES[:, ::-1])
    if name == "size of the input":
        return said(shares, np.full_like(SIZES, 4))
    if name == "shifted by a pixel":
        return said(np.roll(shares, 1, axis=2), SIZES)
    if name == "other values":
        return said(shares, SIZES, replace(TASK, greys=(0, 1, 2)))
    assert name == "nearest neighbour"
    right = said(shares, SIZES)
    rough = [TASK.values_of_classes[0] + np.zeros(size, np.uint8) for size in SIZES]
    for mask, one in zip(rough, shares, strict=True):
        rows, columns = (np.minimum((np.arange(n) + 0.5) * 4 / n, 3).astype(int) for n in mask.shape)
        mask[:] = np.array(TASK.greys, np.uint8)[one.argmax(-1)[rows[:, None], columns]]
    return right | {"mask_bytes": np.array([forms.as_png(mask) for mask in rough], object)}


@pytest.mark.parametrize(
    "fault",
    [
        "labels permuted",
        "mask transposed",
        "size swapped",
        "size of the input",
        "shifted by a pixel",
        "other values",
        "nearest neighbour",
    ],
)
def test_a_corrupted_mask_is_refused(fault: str) -> None:
    shares = probabilities()
    value = {"mask_bytes": TASK.values()["mask_bytes"]}
    expected, request = {"probabilities": shares}, {"size": SIZES}
    assert compare_values(TASK, expected, said(shares, SIZES), value, TOLERANCE, request) == (0.0, 0)
    largest, flips = compare_values(TASK, expected, corrupted(fault, shares), value, TOLERANCE, request)
    assert flips > 0 or largest == float("inf")


def test_a_pixel_may_differ_only_where_it_is_nearly_another_class() -> None:
    shares = np.tile(np.float32([0.5, 0.5 - 1.5 * TOLERANCE, 1.5 * TOLERANCE]), (1, 4, 4, 1))
    shares[0, 2, 2] = [0.6, 0.3, 0.1]
    value, size = {"mask_bytes": TASK.values()["mask_bytes"]}, np.int32([(4, 4)])
    right = here(shares, size)[0]
    for at, grey, flips in (((0, 0), 7, 0), ((0, 0), 9, 1), ((2, 2), 7, 1)):
        mask = right.copy()
        mask[at] = grey
        export = {"mask_bytes": np.array([forms.as_png(mask)], object)}
        assert compare_values(TASK, {"probabilities": shares}, export, value, TOLERANCE, {"size": size})[1] == flips


@pytest.mark.parametrize("fault", ["permuted", "transposed", "shifted"])
def test_positions_of_a_format_are_held_to_the_model(fault: str) -> None:
    example = EXAMPLES["segmentation"]
    task, outputs = example.task, example.outputs()
    shares, values = outputs["probabilities"], forms.portable(example.task)
    export = {"probabilities": shares, "mask": shares.argmax(-1).astype(np.int64)}
    assert set(values) == set(export) and compare_values(task, outputs, export, values, TOLERANCE) == (0.0, 0)
    wrong = {
        "permuted": (export["mask"] + 1) % 4,
        "transposed": export["mask"].swapaxes(1, 2),
        "shifted": np.roll(export["mask"], 1, axis=2),
    }[fault]
    assert compare_values(task, outputs, export | {"mask": wrong}, values, TOLERANCE)[1] == len(shares)


def test_scores_are_of_each_photo_at_its_own_size() -> None:
    positions = [np.zeros(size, np.uint8) for size in ((8, 8), (6, 20))]
    positions[0][:, 4:] = 1
    positions[1][3:] = 1
    targets = np.empty(2, object)
    targets[:] = [Mask(f"{at}.png", each, (0, 255)) for at, each in enumerate(positions)]
    task = Segmentation(("a", "b"), (0, 255))
    shares = np.zeros((2, 2, 2, 2), np.float32)
    shares[0, :, 1, 1] = shares[1, 1, :, 1] = 1
    shares[..., 0] = 1 - shares[..., 1]
    found = task.evaluate(Exam("test", targets, {"probabilities": shares}))
    assert found.iou == found.dice == found.accuracy == 1.0
    by_hand = Counts.of(
        positions, [decided(one, *size.shape)[0] for one, size in zip(shares, positions, strict=True)], 2
    )
    assert found.classes["b"]["iou"] == by_hand.iou()[:, 1].mean()
    shares[1] = [1, 0]
    rows = task.graded(["x", "y"], Exam("test", targets, {"probabilities": shares.copy()}), [])
    assert [row.name for row in rows] == ["y", "x"] and rows[0].iou == {"a": 0.5, "b": 0.0}


def test_scores_of_several_answers_at_once_are_kept_apart() -> None:
    task, targets = EXAMPLES["segmentation"].task, EXAMPLES["segmentation"].targets
    shares = EXAMPLES["segmentation"].outputs()["probabilities"]
    first = task.counted(targets, {"probabilities": shares})
    others, answers = targets.copy(), shares[:, ::-1].copy()
    second = task.counted(others, {"probabilities": answers})
    del answers
    again = task.counted(others, {"probabilities": shares})
    assert task.counted(targets, {"probabilities": shares}) is first
    np.testing.assert_array_equal(again.iou(), first.iou())
    assert not np.array_equal(second.iou(), first.iou(), equal_nan=True)


def test_simple_models_see_photos_at_their_own_size(tmp_path: Path) -> None:
    data = zoo.data.masks(write(tmp_path / "blots"))
    kind = replace(data.kind, size=(8, 8))
    from zoo.evaluation.baselines import Examples

    part = data.validation
    inputs, asked = (kind.prepared(each.inputs, None, "") for each in (data.train, part))
    examples = Examples(inputs, data.train.targets, asked, (data.train.inputs, part.inputs), kind)
    found = {name: {"probabilities": each} for name, each in data.task.simple(examples).items()}
    names = ["always the most frequent class", "Otsu's threshold, the bright side is 1"]
    assert list(found) == names
    scored = {name: data.task.counted(part.targets, each).scores()["iou"] for name, each in found.items()}
    assert scored[names[0]] < 0.5 and scored[names[1]] > 0.95


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_mask_moves_with_its_photo(name: str) -> None:
    rng = np.random.default_rng(0)
    masks = np.zeros((16, 32, 32), np.uint8)
    for mask in masks:
        top, left = rng.integers(4, 16, 2)
        mask[top : top + 10, left : left + 10] = 1
    photos = np.float32([30, 200])[masks][..., None].repeat(3, -1)
    changes, moved, agree = augmentation([name], 0), False, []
    for _ in range(4):
        inputs, targets = augmented(changes, tf.constant(photos), tf.constant(masks), True)
        inputs, targets = np.asarray(inputs), np.asarray(targets)
        assert targets.dtype == np.uint8 and targets.shape == masks.shape and set(np.unique(targets)) <= {0, 1}
        moved = moved or bool((targets != masks).any())
        bright = inputs.mean(axis=-1) > (inputs.max(axis=(1, 2, 3)) + inputs.min(axis=(1, 2, 3)))[:, None, None] / 2
        right = (bright == targets).mean(axis=(1, 2))
        agree += np.maximum(right, 1 - right).tolist()  # colours may be inverted
    assert moved == (name not in ("color", "hue")) and np.mean(agree) > 0.95
    same, left = augmented(augmentation([name], 0), tf.constant(photos), tf.constant(masks), False)
    np.testing.assert_array_equal(left, masks)


def test_arrays_are_no_masks() -> None:
    with pytest.raises(InputError, match="expected images beside masks, received the columns b"):
        Segmentation.of(type("Raw", (), {"where": "rows.csv", "columns": ("b",), "names": ["x"]})())


def test_a_value_that_the_model_does_not_know_is_told(tmp_path: Path) -> None:
    task = zoo.data.masks(write(tmp_path / "two")).task
    other = write(tmp_path / "three", classes=3)
    kind = zoo.data.masks(other).kind
    with pytest.raises(
        InputError, match=r"masks/000.png has pixels of value 2, which is no class of the model; expected 0"
    ):
        kind.labelled(other, task)


def test_networks_that_do_not_answer_for_pixels_are_told_and_the_other_way_round(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match=r"answers with the shape \(2,\) for each input, and segmentation asks for"):
        zoo.train("cnn", write(tmp_path / "blots"), epochs=1)
    with pytest.raises(InputError, match=r"answers with the shape \(16, 16, 3\) for each input, and classification"):
        zoo.train("unet", folder, model={"depth": 2}, input_size=16, epochs=1)
    with pytest.raises(InputError, match="has images/ beside masks/, which are no classes of images: zoo train unet"):
        zoo.data.images(tmp_path / "blots")
    assert Look(tmp_path / "blots", {}).is_folder


def test_large_photos_take_one_plane_at_a_time() -> None:
    """2,000 x 3,000 pixels of 20 classes would be half a gigabyte."""
    import tracemalloc

    shares = probabilities(1, size=(8, 8))[0][..., [0, 1, 2] * 7][..., :20]
    tracemalloc.start()
    at, _ = decided(shares, 2000, 3000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert at.shape == (2000, 3000) and peak < 250 * 2**20


def test_areas_are_those_of_some_examples() -> None:
    whole = Areas(probabilities(), SIZES, TASK.greys)
    assert len(whole) == 5 and len(whole[1:3]) == 2 and len(whole.margins[1:3]) == 2
    np.testing.assert_array_equal(next(whole[1].masks()), list(whole.masks())[1])
    np.testing.assert_array_equal(whole.margins[3], whole.margins[2:4][1])
    assert areas.taps(4, 2, np)[0].tolist() == [0, 2]


@pytest.mark.slow
def test_an_export_whose_masks_are_transposed_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = zoo.train(
        "unet", write(tmp_path / "blots"), model={"filters": 2, "depth": 1}, epochs=1, input_size=16, batch_size=4
    )
    right = areas.decided_in_graph
    monkeypatch.setattr(forms, "decided_in_graph", lambda shares, size: tf.transpose(right(shares, size[::-1])))
    with pytest.raises(JobError, match="not equal to the trained one, so no version was published"):
        trained.export(tmp_path / "it", run=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "parity.json").read_text())["label_differences"] > 0
