"""Arrays in memory as data."""

from __future__ import annotations

import numpy as np
import pytest

from zoo import InputError
from zoo.data import arrays


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
        (FINE, np.eye(2, dtype=int)[LABELS], {}, "say task='multi_label'"),
        (FINE, np.eye(2)[LABELS] * 2, {"task": "multi_label"}, "input 0: expected 0 or 1"),
        (FINE, LABELS[:-1], {}, "as many targets"),
        (FINE[:, 0], LABELS, {}, "two axes or more"),
        (FINE * 0, LABELS, {}, "no column to learn from"),
        (FINE, LABELS * 0, {}, "at least two classes"),
        (np.stack([LABELS, LABELS], axis=1), LABELS, {}, "rows of equal input stay on one side"),
        (FINE, with_one(LABELS, 3, 5), {"task": "classification"}, r"class '5' has one row \(input 3\)"),
        (FINE.astype(str), LABELS, {}, "inputs of numbers"),
        (np.zeros((20, 4, 4, 2)), LABELS, {}, "1 or 3 channels"),
        (np.random.default_rng(0).random((20, 4, 4, 1)), LABELS, {}, "pixels from 0 to 255, received .*scale them"),
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
