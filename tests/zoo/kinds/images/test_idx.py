from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.places import shared
from zoo import InputError
from zoo.data import arrays, idx
from zoo.data import open as open_data
from zoo.kinds.images.idx import read, read_labelled, write


def some(count: int = 40, seed: int = 0, channels: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 5, 4, *channels), dtype=np.uint8), np.arange(count) % 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, *some())
    write(tmp_path, *some(8, 1), part="t10k")
    return tmp_path


# IDX files.


def test_both_parts(folder: Path) -> None:
    data = open_data(folder)
    assert data.classes == ("0", "1", "2", "3") and data.preprocess is None and not data.intake
    assert data.train.inputs.dtype == np.uint8 and data.train.inputs.shape == (40, 5, 4, 1)
    np.testing.assert_array_equal(data.test.inputs[..., 0], some(8, 1)[0])
    assert data.test.targets.tolist() == [0, 1, 2, 3, 0, 1, 2, 3] and data.test.names[1] == "test 1"
    assert data.input == {
        "kind": "images",
        "size": [5, 4],
        "crop": 1.0,
        "channels": 1,
        "pixels": "grey, 0-255",
    }
    part, notes = read_labelled(folder, data.input, data.classes)
    assert part.digests == data.test.digests and not notes
    with pytest.raises(InputError, match="test 3: the model does not know the label 3"):
        read_labelled(folder, data.input, ("0", "1", "2"))
    with pytest.raises(InputError, match=r"expected images of \(28, 28, 1\), received \(5, 4, 1\)"):
        read_labelled(folder, data.input | {"size": [28, 28]}, data.classes)


def test_other_ways_to_write_the_same(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    for file in folder.iterdir():
        (other / f"{file.name.replace('-idx', '.idx')}.gz").write_bytes(gzip.compress(file.read_bytes()))
    assert idx(other).fingerprint == idx(folder).fingerprint
    pixels, labels = some(channels=(3,))
    write(tmp_path_factory.mktemp("colour"), pixels, labels)
    colour = tmp_path_factory.getbasetemp() / "colour0"
    data = idx(colour)
    assert data.train.inputs.shape == (32, 5, 4, 3) and len(data.validation) == 8 and data.input["channels"] == 3


def test_images_of_the_test_part_leave_the_training_part(folder: Path) -> None:
    pixels, labels = some()
    pixels[7], pixels[9] = some(8, 1)[0][2], pixels[10]
    write(folder, pixels, labels)
    data = idx(folder)
    assert [tuple(note) for note in data.intake] == [
        ("train 7", "left out", "same content as test 2, which is in the test part")
    ]
    assert len(data.train) == 39 and len(data.test) == 8


def damage(name: str, change: object) -> object:
    return lambda root: (root / name).write_bytes(change((root / name).read_bytes()))


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (damage("train-images-idx3-ubyte", lambda c: c[:-1]), r"expected 800 bytes for \(40, 5, 4\), received 799"),
        (damage("train-images-idx3-ubyte", lambda c: c + b"x"), "received 801"),
        (damage("train-images-idx3-ubyte", lambda c: b"\x89PNG" + c[4:]), "magic number.*89 50 4e 47"),
        (damage("train-images-idx3-ubyte", lambda c: b"\0\0\x0d\3" + c[4:]), "unsigned bytes"),
        (damage("train-images-idx3-ubyte", lambda c: c[:6]), "expected 1, 3 or 4 axes"),
        (damage("train-images-idx3-ubyte", lambda c: b""), "magic number"),
        (damage("train-labels-idx1-ubyte", lambda c: gzip.compress(c)[:-9]), "whole gzip file"),
        (damage("train-labels-idx1-ubyte", lambda c: c[:4] + b"\0\0\0\x27" + c[8:-1]), "40 images and .* 39 labels"),
        (lambda root: (root / "train-labels-idx1-ubyte").unlink(), "the train part has images only"),
        (lambda root: [file.unlink() for file in root.glob("train*")], "no training part"),
        (lambda root: [file.unlink() for file in root.iterdir()], "found no such file"),
        (lambda root: write(root, *some(), part="letters-train"), "several data sets"),
    ],
)
def test_errors_name_the_file(folder: Path, break_it: object, expected: str) -> None:
    break_it(folder)
    with pytest.raises(InputError, match=expected) as caught:
        idx(folder)
    assert str(folder) in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=60), start=st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bool) -> None:
    path = tmp_path_factory.mktemp("any") / "train-images-idx3-ubyte"
    path.write_bytes(b"\0\0\x08" * start + content)
    try:
        assert read(path).dtype == np.uint8
    except InputError as error:
        assert str(path) in str(error)


def test_fashion_mnist_is_read_in_seconds() -> None:
    import time

    start = time.perf_counter()
    data = open_data(shared("fashion-mnist"))
    assert time.perf_counter() - start < 10
    assert len(data.train) + len(data.intake) == 60_000 and len(data.test) == 10_000
    assert np.bincount(data.test.targets).tolist() == [1000] * 10
    assert not set(data.train.digests) & set(data.test.digests)


# Arrays.


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
    assert data.input["kind"] == "sequence" and data.input["length"] is None and data.task == "regression"
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
