from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.places import shared
from zoo import InputError
from zoo.data import idx
from zoo.data import open as open_data
from zoo.kinds.images.idx import read, write
from zoo.tasks.classification import Classification


def some(count: int = 40, seed: int = 0, channels: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 5, 4, *channels), dtype=np.uint8), np.arange(count) % 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, *some())
    write(tmp_path, *some(8, 1), part="t10k")
    return tmp_path


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
    part, notes = data.kind.labelled(folder, data.task)
    assert part.digests == data.test.digests and not notes
    with pytest.raises(InputError, match="test 3: the model does not know the label '3'"):
        data.kind.labelled(folder, Classification(("0", "1", "2")))
    with pytest.raises(InputError, match=r"expected images of \(28, 28, 1\), received \(5, 4, 1\)"):
        replace(data.kind, size=(28, 28)).labelled(folder, data.task)


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


def test_fashion_mnist_is_read() -> None:
    data = open_data(shared("fashion-mnist"))
    assert len(data.train) + len(data.intake) == 60_000 and len(data.test) == 10_000
    assert np.bincount(data.test.targets).tolist() == [1000] * 10
    assert not set(data.train.digests) & set(data.test.digests)
