"""Folders of images beside masks are read as they are, and whatever is wrong with them is told before training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from support.masks import write
from support.programs import command
from zoo.errors import InputError
from zoo.kinds.images import decoding, decoding_graph
from zoo.kinds.images.kind import Images
from zoo.kinds.images.masks import grey_values
from zoo.kinds.recognising import form_of
from zoo.tasks.segmentation import Segmentation, resized


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "blots")


def left_out(data: zoo.data.Data) -> dict[str, str]:
    return {note.name: note.reason for note in data.intake if note.action == "left out"}


def test_a_folder_is_split_and_its_masks_are_read_when_they_are_needed(folder: Path) -> None:
    data = zoo.data.open(folder)
    assert form_of(folder) == "masks" and isinstance(data.task, Segmentation) and data.task.names == ("0", "1")
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 10, "validation": 2}
    assert data.kind == Images(crop=None) and not data.intake
    for part in data.parts.values():
        for image, mask in zip(part.inputs, part.targets, strict=True):
            stored = np.asarray(Image.open(folder / "masks" / f"{image.stem}.png"))
            np.testing.assert_array_equal(mask.pixels(), stored)
            assert mask.size == stored.shape == decoding.upright_size(image)
            assert mask.counts.tolist() == np.bincount(stored.ravel(), minlength=2).tolist()
    assert data.fingerprint == zoo.data.masks(folder).fingerprint


def test_given_parts_stay_and_what_lies_beside_them_is_told(tmp_path: Path) -> None:
    for seed, part in enumerate(("train", "VAL", "test")):
        write(tmp_path / part, 4, seed=seed)
    (tmp_path / "train" / "instances").mkdir()
    (tmp_path / "train" / "instances" / "000.png").write_bytes(b"")
    (tmp_path / "notes.md").write_text("ours")
    data = zoo.data.open(tmp_path)
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 4, "validation": 4, "test": 4}
    assert left_out(data) == {
        "train/instances": "1 files beside images/ and masks/",
        "notes.md": "beside images/ and masks/",
    }
    (tmp_path / "test" / "masks").rename(tmp_path / "test" / "truth")
    with pytest.raises(InputError, match="test: expected a folder images/ beside masks/.*lacks one of them"):
        zoo.data.open(tmp_path)


def test_names_of_classes_come_from_a_file(folder: Path) -> None:
    (folder / "classes.txt").write_text("ground\nblot\n")
    assert zoo.data.open(folder).task == Segmentation(("ground", "blot"), (0, 1))
    (folder / "classes.txt").write_text("ground\nground\n")
    with pytest.raises(InputError, match="expected different names of classes, one a line, received 'ground'"):
        zoo.data.open(folder)
    (folder / "classes.txt").write_text("ground\n")
    with pytest.raises(InputError, match=r"masks/000.png has pixels of value 1, and classes.txt names 1 classes"):
        zoo.data.open(folder)


def test_values_are_the_classes_as_they_are(tmp_path: Path) -> None:
    data = zoo.data.open(write(tmp_path / "white", greys=(0, 255)))
    assert data.task == Segmentation(("0", "255"), (0, 255))
    assert set(np.unique(data.train.targets[0].pixels())) == {0, 1}
    (tmp_path / "white" / "labels.txt").write_text("ground\nblot\n")
    assert zoo.data.open(tmp_path / "white").task == Segmentation(("ground", "blot"), (0, 255))


@pytest.mark.parametrize("mode", ["P", "1", "L;2", "L;4"])
def test_palettes_and_few_bits_have_their_values(mode: str, tmp_path: Path) -> None:
    values = np.array([[0, 1], [1, 0]], np.uint8) if mode == "1" else np.array([[0, 1], [2, 3]], np.uint8)
    if mode == "P":
        image = Image.fromarray(values, "P")
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 7, 7, 7])
        image.save(tmp_path / "mask.png")
    elif mode == "1":
        Image.fromarray(values.astype(bool)).save(tmp_path / "mask.png")
    else:
        bits = int(mode[-1])
        packed = b"".join(
            b"\0" + bytes([(row[0] << 8 - bits | row[1] << 8 - 2 * bits) & 255]) for row in values.tolist()
        )
        (tmp_path / "mask.png").write_bytes(png(2, 2, bits, packed))
        spread = tf.io.decode_png((tmp_path / "mask.png").read_bytes())[..., 0].numpy()
        assert (spread == values * (85 if bits == 2 else 17)).all()
    np.testing.assert_array_equal(grey_values(tmp_path / "mask.png"), values)


def png(width: int, height: int, bits: int, rows: bytes) -> bytes:
    """A grey PNG of few bits, which Pillow does not write."""
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def colour(path: Path) -> None:
    Image.open(path).convert("RGB").save(path)


def deep(path: Path) -> None:
    Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16)).save(path)


def smaller(path: Path) -> None:
    Image.open(path).resize((12, 10)).save(path)


def turned(path: Path) -> None:
    Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)


def jpeg(path: Path) -> None:
    Image.open(path).save(path, "JPEG")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


WRONG: list[tuple[Callable[[Path], None], str]] = [
    (colour, "a colour mask (RGB); expected grey values or a palette, one value a class"),
    (deep, "a mask of 16 bits; expected 8"),
    (smaller, "a mask of 12 x 10 pixels, and images/001.png has 32 x 24 pixels"),
    (turned, "a mask of 24 x 32 pixels, and images/001.png, turned upright, has 32 x 24 pixels"),
    (jpeg, "JPEG, which may change values; save the mask as PNG"),
    (cut, "truncated or damaged PNG"),
]


@pytest.mark.parametrize(("spoil", "reason"), WRONG, ids=[each.__name__ for each, _ in WRONG])
def test_a_mask_that_is_none_is_left_out_with_its_image(
    spoil: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "blots", sizes=((40, 24), (24, 32)))
    spoil(folder / "masks" / "001.png")
    data = zoo.data.open(folder)
    assert len(data.train) + len(data.validation) == 11
    told = left_out(data)
    assert set(told) == {"masks/001.png"} and told["masks/001.png"].startswith(reason)
    for path in (folder / "masks").iterdir():
        if path.name != "001.png":
            spoil(path)
    with pytest.raises(InputError, match="expected images with masks of the same names, found none; left out: "):
        zoo.data.open(folder)


def test_files_without_a_partner_are_counted_and_told(folder: Path) -> None:
    for number in (3, 4, 5):
        (folder / "masks" / f"{number:03d}.png").unlink()
    (folder / "images" / "009.png").unlink()
    shutil.copy(folder / "images" / "000.png", folder / "images" / "001.jpg")
    (folder / "images" / ".DS_Store").write_bytes(b"")
    told = left_out(zoo.data.open(folder))
    assert told["3 images"] == "without mask, of 10: images/003.png, images/004.png, images/005.png"
    assert told["images/003.png"] == "image without mask: expected one of the same name"
    assert told["masks/009.png"] == "mask without image: expected one of the same name"
    assert told["images/001.jpg"] == "files of one name: 001.jpg, 001.png"
    assert told["images/.DS_Store"] == "hidden"


def test_a_class_that_training_has_not_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train", 4)
    write(tmp_path / "test", 2, classes=3, seed=1)
    with pytest.raises(InputError, match="no training mask has the class '2', which the test part has"):
        zoo.data.open(tmp_path)
    refused = command("check", tmp_path)
    assert refused.returncode == 2 and len(refused.stderr.strip().splitlines()) == 1


def test_one_class_alone_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected pixels of two classes or more in the masks, found only 0"):
        zoo.data.open(write(tmp_path / "empty", classes=1))


def test_copies_stay_together_and_leaks_and_contradictions_go(tmp_path: Path) -> None:
    train, test = write(tmp_path / "train", 6), write(tmp_path / "test", 4, seed=1)

    def copy(source: Path, name: str, target: Path, other: str) -> None:
        for kind in ("images", "masks"):
            shutil.copy(source / kind / name, target / kind / other)

    copy(test, "000.png", train, "leak.png")
    copy(train, "000.png", train, "twin.png")
    copy(train, "001.png", train, "liar.png")
    shutil.copy(train / "masks" / "004.png", train / "masks" / "liar.png")  # of the same size
    data = zoo.data.open(tmp_path)
    told = {note.name: note.reason for note in data.intake}
    assert "same content as test/images/000.png, which is held out" in told["train/images/leak.png"]
    assert (
        "under another mask" in told["train/images/liar.png"] and "under another mask" in told["train/images/001.png"]
    )
    assert "kept on the same side" in told["train/images/twin.png"]
    assert {Path(name).name for name in data.train.names} == {*(f"00{n}.png" for n in (0, 2, 3, 4, 5)), "twin.png"}


def test_it_is_checked_on_the_command_line(folder: Path) -> None:
    (folder / "classes.txt").write_text("ground\nblot\n")
    (folder / "masks" / "003.png").unlink()
    shown = command("check", folder).stdout
    assert "share of the pixels" in shown and "blot" in shown and "%" in shown
    assert "sizes in pixels: 24 x 24 to 24 x 40, half of them up to" in shown
    assert "left out images/003.png: image without mask" in shown
    found = json.loads(command("check", folder, "--json").stdout)
    assert found["task"] == "segmentation" and found["targets"]["train"]["smallest"] == [24, 24]
    assert sum(found["targets"]["train"]["pixel_shares"].values()) == pytest.approx(1)


@pytest.mark.parametrize("size", [(5, 9), (24, 24), (7, 3)])
def test_photos_are_resized_whole(size: tuple[int, int], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "photo.png"
    Image.fromarray(rng.integers(0, 256, (12, 30, 3), np.uint8)).save(path)
    pixels = decoding.decode(path, size, None)
    assert pixels.shape == (*size, 3) and not np.array_equal(pixels, decoding.decode(path, size, 1.0))
    found, whole = decoding_graph.decode_sized(tf.constant([path.read_bytes()]), size, None)
    np.testing.assert_array_equal(found[0], pixels)
    assert whole.numpy().tolist() == [[12, 30]] == [list(decoding.upright_size(path))]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_the_size_is_that_of_the_upright_photo(form: str, turn: int, tmp_path: Path) -> None:
    path, exif = tmp_path / f"photo.{form.lower()}", Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(np.zeros((12, 30, 3), np.uint8)).save(path, form, exif=exif)
    wanted = (30, 12) if turn >= 5 else (12, 30)
    assert decoding.upright_size(path) == decoding.upright_size(path.read_bytes()) == wanted
    if form != "TIFF":
        assert (
            tuple(decoding_graph.decode_sized(tf.constant([path.read_bytes()]), (8, 8), None)[1][0].numpy()) == wanted
        )


def test_masks_are_resized_by_nearest_neighbour() -> None:
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(resized(mask, (6, 8)), mask.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(resized(mask, (3, 4)), mask)
    np.testing.assert_array_equal(resized(mask, (1, 2)), [[5, 7]])
