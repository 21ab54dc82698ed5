"""Arrays in memory as data."""

from __future__ import annotations

import numpy as np
import pytest

from zoo import InputError
from zoo.data import Data, arrays
from zoo.kinds.arrays import of_parts


def test_arrays_of_each_kind() -> None:
    from zoo.arrays import apply

    rng = np.random.default_rng(0)
    labels = np.arange(50) % 2
    data = arrays(rng.normal(size=(50, 3)), labels)
    assert data.input["kind"] == "table" and data.input["numeric"] == ["feature_0", "feature_1", "feature_2"]
    assert len(data.train) == 40 and data.classes == ("0", "1")
    np.testing.assert_allclose(apply(data.preprocess, data.train.inputs).std(axis=0), 1, rtol=1e-5)

    data = arrays(rng.integers(0, 256, (50, 6, 5, 3)).astype(np.float64), labels, classes=["cat", "dog"])
    assert data.input["size"] == [6, 5] and data.train.inputs.dtype == np.uint8 and data.classes == ("cat", "dog")
    assert arrays(rng.integers(0, 256, (50, 6, 5), dtype=np.uint8), labels).train.inputs.shape == (40, 6, 5, 1)

    values = rng.normal(size=(50, 7, 2))
    values[3, 5:] = np.nan
    data = arrays(values, rng.normal(size=50))
    assert data.input["kind"] == "sequence" and data.input["length"] is None and data.task.name == "regression"
    assert arrays(values[4:], np.array(["x", "y"] * 23)).input["length"] == 7


def test_what_is_held_out_is_the_test_part() -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(50, 3)), np.arange(50) % 3
    values[:, 1] = 4
    values[45] = values[0]
    data = arrays(values[:40], labels[:40], held_out=(values[40:], labels[40:]))
    assert len(data.test) == 10 and data.validation is None and len(data.train) == 39
    assert {note.name for note in data.intake} == {"column feature_1", "input 0"}
    np.testing.assert_array_equal(data.test.inputs["numeric"], values[40:, [0, 2]].astype(np.float32))
    labels[45] = 1  # says otherwise than input 0: noise
    assert len(arrays(values[:40], labels[:40], held_out=(values[40:], labels[40:])).train) == 40


def reasons(data: Data) -> list[str]:
    return [note.reason for note in data.intake]


def test_one_hot_targets_are_classes_and_are_told() -> None:
    rows, labels = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    for dtype in (np.float32, np.int64, bool):
        data = arrays(rows, np.eye(3, dtype=dtype)[labels])
        assert data.task.name == "classification" and data.classes == ("0", "1", "2")
        assert reasons(data) == [
            "targets are one-hot: taken as classes; task='multi_label' or 'regression' says otherwise"
        ]
        plain = arrays(rows, labels)
        np.testing.assert_array_equal(data.train.targets, plain.train.targets)
        assert data.fingerprint == plain.fingerprint
    assert arrays(rows, np.eye(3)[labels], classes=["a", "b", "c"]).classes == ("a", "b", "c")
    assert arrays(rows, np.eye(3)[labels], task="regression").task.name == "regression"
    assert arrays(rows, np.eye(3)[labels], task="multi_label").task.name == "multi_label"
    assert arrays(rows, np.eye(3)[labels] * 0.9 + 0.05).task.name == "regression"  # smoothed


def test_floats_of_0_and_1_are_classes_and_are_told() -> None:
    rows, labels = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60.0) % 2
    for targets in (labels, labels[:, None]):  # the second is label_mode="binary" of Keras
        data = arrays(rows, targets)
        assert data.task.name == "classification" and data.classes == ("0", "1")
        assert reasons(data) == ["targets are 0 or 1: taken as classes; task='regression' says otherwise"]
    assert arrays(rows, labels, task="regression").task.name == "regression"
    assert arrays(rows, labels, classes=["share"]).task.name == "regression"


def test_labels_in_a_column_are_squeezed() -> None:
    rows, labels = np.random.default_rng(0).normal(size=(60, 3)), (np.arange(60) % 3).astype(np.uint8)
    data = arrays(rows, labels[:, None])  # as keras.datasets.cifar10 has them
    assert data.fingerprint == arrays(rows, labels).fingerprint and reasons(data) == []


def test_pixels_of_keras_scripts_are_images() -> None:
    rng, labels = np.random.default_rng(0), np.arange(50) % 2
    pixels = rng.integers(0, 256, (50, 8, 8), dtype=np.uint8)
    told = "8 x 8 pixels an example: taken as grey images; kind='sequence' says otherwise"
    scaled = "pixels from 0 to 1 are scaled to 0 to 255, which the model takes"
    for values, notes in (
        (pixels, []),
        (pixels[..., None], []),
        (pixels.astype("float32"), [told]),
        (pixels.astype(int), [told]),
        (pixels.astype("float32") / 255, [told, scaled]),
        ((pixels / 255)[..., None], [scaled]),
    ):
        data = arrays(values, labels)
        assert data.input["kind"] == "images" and reasons(data) == notes
        assert data.fingerprint == arrays(pixels, labels).fingerprint
    rounded = reasons(arrays(rng.random((50, 8, 8, 3)), labels))
    assert rounded == ["pixels are rounded to whole numbers", scaled]

    assert arrays(pixels / 255, labels, kind="sequence").input["kind"] == "sequence"
    assert arrays(pixels[:, :, :5] / 255, labels).input["kind"] == "sequence"
    assert arrays(pixels[:, :, :5] / 255, labels, kind="images").input["size"] == [8, 5]
    assert arrays(rng.normal(size=(50, 8, 8)), labels).input["kind"] == "sequence"
    letters = np.eye(8)[rng.integers(0, 8, (50, 8))]
    assert arrays(letters, labels).input["kind"] == "sequence"


def test_parts_that_are_given_are_kept() -> None:
    rows, labels = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    cut = {"train": slice(40), "validation": slice(40, 50), "test": slice(50, 60)}
    data = of_parts({name: (rows[each], labels[each]) for name, each in cut.items()})
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 40, "validation": 10, "test": 10}
    assert data.validation.names[0] == "validation 0" and data.test.names[0] == "held out 0"


FINE = np.random.default_rng(0).normal(size=(20, 3))
LABELS = np.arange(20) % 2


def with_one(values: np.ndarray, at: int, value: float) -> np.ndarray:
    changed = values.astype(np.float64)
    changed[at] = value
    return changed


@pytest.mark.parametrize(
    ("inputs", "targets", "options", "expected"),
    [
        (with_one(FINE, 7, np.nan), LABELS, {}, r"input 7: expected finite features, received nan at \(0,\)"),
        (with_one(FINE, 7, np.inf), LABELS, {}, "input 7: expected finite features, received inf"),
        (FINE, LABELS + 1, {"classes": ["a", "b"]}, "input 1: expected a label from 0 to 1.*received 2"),
        (FINE, LABELS - 1, {"classes": ["a", "b"]}, "input 0: expected a label from 0 to 1.*received -1"),
        (FINE, with_one(LABELS, 3, 0.5), {"task": "classification"}, "input 3: expected a class as a whole number"),
        (FINE, with_one(FINE[:, 0], 3, np.nan), {}, "input 3: expected a finite number as target"),
        (FINE, 1 - np.eye(3, dtype=int)[LABELS], {}, "say task='multi_label'"),
        (FINE, np.eye(2)[LABELS] * 2, {"task": "multi_label"}, "input 0: expected 0 or 1"),
        (FINE, LABELS[:-1], {}, "as many targets"),
        (FINE[:, 0], LABELS, {}, "two axes or more"),
        (FINE * 0, LABELS, {}, "no column to learn from"),
        (FINE, LABELS * 0, {}, "at least two classes"),
        (np.stack([LABELS, LABELS], axis=1), LABELS, {}, "rows of equal input stay on one side"),
        (FINE, with_one(LABELS, 3, 5), {"task": "classification"}, r"class '5' has one row \(input 3\)"),
        (FINE.astype(str), LABELS, {}, "inputs of numbers"),
        (np.zeros((20, 4, 4, 2)), LABELS, {}, "1 or 3 channels"),
        (FINE.reshape(20, 3, 1, 1), LABELS, {}, "pixels from 0 to 255 or from 0 to 1, received .*scale them"),
        (with_one(np.ones((20, 4, 4, 1)), 3, -1), LABELS, {}, r"received -1 to 1 \(input 3\).*\(x \+ 1\) \* 127.5"),
        (np.zeros((20, 3, 4, 4)), LABELS, {}, r"1 or 3 channels on the last axis.*numpy.moveaxis\(x, 1, -1\)"),
        (FINE, LABELS, {"kind": "images"}, "expected inputs of 4 axes for kind='images'"),
        (FINE, LABELS, {"kind": "tables"}, "expected kind to be table, sequence, images, received 'tables'"),
        (FINE, np.eye(2)[LABELS], {"task": "classification", "classes": "abc"}, "expected 2 names in classes"),
        (with_one(np.full((20, 4, 4, 1), 99), 3, 300), LABELS, {}, r"received 99 to 300 \(input 3\)"),
        (with_one(np.ones((20, 4, 2)), 3, np.nan), LABELS, {}, "input 3: expected a sequence of one step at least"),
        (np.zeros((20, 2, 2, 2, 2)), LABELS, {}, "two, three or four axes"),
        (FINE, LABELS, {"held_out": (FINE[:, :2], LABELS)}, "shapes of the rest"),
        (FINE, LABELS, {"validation": 0.0}, "between 0 and 1"),
    ],
)
def test_errors_name_the_index(inputs: np.ndarray, targets: np.ndarray, options: dict, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        arrays(inputs, targets, **options)
