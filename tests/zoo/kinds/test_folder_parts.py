"""Folders of parts, whatever they are called, and folders around them: for images and texts alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import InputError
from zoo.data import Data, images, text
from zoo.kinds.folder_parts import side_of

COUNTS = {"cats": 4, "dogs": 4}


def picture(folder: Path, name: str, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f"{name}.png")


def review(folder: Path, name: str, seed: int) -> None:
    (folder / f"{name}.txt").write_text(f"this is text number {seed}")


READERS = [(images, picture), (text, review)]
Reader = tuple[Callable[..., Data], Callable[[Path, str, int], None]]


@pytest.fixture(params=READERS, ids=["images", "texts"])
def reader(request: pytest.FixtureRequest) -> Reader:
    return request.param


def made(reader: Reader, root: Path, counts: Mapping[str, int]) -> Data:
    """What is read of folders, each with so many files."""
    seed = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True)
        for at in range(count):
            reader[1](root / folder, str(at), seed := seed + 1)
    return reader[0](root)


def nested(*outer: str) -> dict[str, int]:
    return {f"{each}/{name}": count for each in outer for name, count in COUNTS.items()}


def told(data: Data, part: str) -> str:
    return next(note.reason for note in data.intake if part in note.name)


def sizes(data: Data) -> dict[str, int]:
    return {name: len(part) for name, part in data.parts.items()}


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("training_set", "train"),
        ("seg_train", "train"),
        ("01_train", "train"),
        ("TrainImages", "train"),
        ("trainset", "train"),
        ("Test Set", "test"),
        ("my-valid", "validation"),
        ("eval", "test"),
        ("trains", None),
        ("contest", None),
        ("strain", None),
        ("fold1", None),
        ("train_test", None),
    ],
)
def test_words_of_a_name_say_the_part(name: str, side: str | None) -> None:
    assert side_of(name) == side


@pytest.mark.parametrize(
    ("train", "test"), [("training_set", "test_set"), ("01_train", "02_test"), ("TrainData", "TestData"), ("a", "eval")]
)
def test_parts_of_other_names_are_parts(reader: Reader, tmp_path: Path, train: str, test: str) -> None:
    data = made(reader, tmp_path, nested(train, test))
    assert data.classes == ("cats", "dogs") and sizes(data) == {"train": 8, "test": 8}
    assert f"{train} (train)" in told(data, train) and f"{test} (test)" in told(data, train)


def test_parts_in_folders_of_their_own_names_beside_unlabelled_files(reader: Reader, tmp_path: Path) -> None:
    counts = nested("seg_train/seg_train", "seg_test/seg_test") | {"seg_pred/seg_pred": 3}
    data = made(reader, tmp_path, counts)
    assert data.classes == ("cats", "dogs") and sizes(data) == {"train": 8, "test": 8}
    assert "3 files" in told(data, "seg_pred") and "unlabelled" in told(data, "seg_pred")


@pytest.mark.parametrize("flat", ["test", "test/test", "test/unknown", "unlabelled", "my_pred"])
def test_files_without_classes_are_not_held_out(reader: Reader, tmp_path: Path, flat: str) -> None:
    data = made(reader, tmp_path, nested("train") | {flat: 3})
    assert data.classes == ("cats", "dogs") and sizes(data) == {"train": 6, "validation": 2}
    assert "3 files" in told(data, flat.split("/")[0])


def test_a_validation_part_is_kept_where_the_test_part_has_no_classes(reader: Reader, tmp_path: Path) -> None:
    assert sizes(made(reader, tmp_path, nested("train", "val") | {"test": 3})) == {"train": 8, "validation": 8}


@pytest.mark.parametrize("around", ["photos", "photos/photos", "a/b/c"])
def test_folders_around_the_classes_are_entered(reader: Reader, tmp_path: Path, around: str) -> None:
    data = made(reader, tmp_path, nested(around))
    assert data.classes == ("cats", "dogs") and sizes(data) == {"train": 6, "validation": 2}
    assert "the only folder there" in told(data, around.split("/")[0])


def test_a_folder_around_parts_is_entered(reader: Reader, tmp_path: Path) -> None:
    data = made(reader, tmp_path, nested("archive/train", "archive/test"))
    assert data.classes == ("cats", "dogs") and sizes(data) == {"train": 8, "test": 8}


def test_folds_stay_whole(reader: Reader, tmp_path: Path) -> None:
    data = made(reader, tmp_path, nested(*(f"fold{at}" for at in range(1, 6))))
    assert data.classes == ("cats", "dogs") and sizes(data) == {"train": 32, "validation": 8}
    assert len({name.split("/")[0] for name in data.validation.names}) == 1
    assert "folds" in told(data, "fold1")


def test_classes_that_hold_the_same_folders_stay_classes(reader: Reader, tmp_path: Path) -> None:
    data = made(reader, tmp_path, {f"{name}/{side}": 4 for name in COUNTS for side in ("left", "right")})
    assert data.classes == ("cats", "dogs")
    assert "taken as classes" in told(data, "cats") and "left, right" in told(data, "cats")


def test_parts_inside_the_classes_are_parts(reader: Reader, tmp_path: Path) -> None:
    data = made(reader, tmp_path, {f"{name}/{part}": 4 for name in COUNTS for part in ("train", "test")})
    assert data.classes == ("cats", "dogs") and sizes(data) == {"train": 8, "test": 8}


@pytest.mark.parametrize("names", [("train", "bus", "car"), ("test tube", "flask"), ("val", "pos")])
def test_classes_may_be_called_as_parts_are(reader: Reader, tmp_path: Path, names: tuple[str, ...]) -> None:
    assert made(reader, tmp_path, dict.fromkeys(names, 4)).classes == tuple(sorted(names))


def test_a_training_part_beside_the_same_folders_without_a_part_is_refused(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train and bus hold the same folders"):
        made(reader, tmp_path, nested("train", "bus", "car"))


def test_parts_without_classes_are_no_classes(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one folder a class, found none"):
        made(reader, tmp_path, {"training_set": 4, "test_set": 4})
