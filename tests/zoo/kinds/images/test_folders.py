from __future__ import annotations

import csv
import json
import os
import shutil
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.pictures import photo
from support.places import shared
from zoo import InputError
from zoo.data import images


def reasons(data: object) -> dict[str, tuple[str, str]]:
    return {note.name: (note.action, note.reason) for note in data.intake}


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in root.rglob("*")}


def huge_png() -> bytes:
    """A valid header that asks for 900 million pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = (30_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_one_folder_a_class(folder: Path) -> None:
    data = images(folder)
    assert data.classes == ("blue sky", "grün", "red")
    assert data.task.name == "classification"
    assert len(data.train) == 30 and len(data.validation) == 6 and data.test is None
    assert Counter(data.validation.targets.tolist()) == {0: 2, 1: 2, 2: 2}
    assert not data.intake
    for name, target in zip(data.train.names, data.train.targets, strict=True):
        assert name.split("/")[0] == data.classes[target]


def test_the_same_seed_gives_the_same_split_and_fingerprint_wherever_the_folder_is(folder: Path) -> None:
    elsewhere = folder.parent / "else where" / "copy"
    shutil.copytree(folder, elsewhere)
    first, second, other = images(folder, seed=3), images(elsewhere, seed=3), images(folder, seed=4)
    assert first.validation.names == second.validation.names
    assert first.fingerprint == second.fingerprint != other.fingerprint


def test_given_parts_are_matched_by_name_not_by_position(tmp_path: Path) -> None:
    for colour, name in enumerate(("ants", "bees", "cats")):
        for index in range(3):
            photo(tmp_path / "train" / name / f"{index}.png", colour, index + 10 * colour)
    for index in range(2):
        photo(tmp_path / "val" / "cats" / f"{index}.png", 2, index + 50)
    photo(tmp_path / "test" / "bees" / "0.png", 1, 99)
    data = images(tmp_path)
    assert data.classes == ("ants", "bees", "cats")
    assert data.validation.targets.tolist() == [2, 2]
    assert data.test.targets.tolist() == [1]
    assert data.held_out is data.test


def test_every_bad_file_is_named_and_none_is_touched(folder: Path) -> None:
    red = folder / "red"
    (red / "zero.jpg").write_bytes(b"")
    (red / "notes.txt").write_text("not a picture")
    (red / ".DS_Store").write_bytes(b"\0\0\0")
    (red / "huge.png").write_bytes(huge_png())
    whole = photo(folder / "grün" / "whole.jpg", 1, 900, (200, 200)).read_bytes()
    (red / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    shutil.copy(photo(folder.parent / "real.gif", 0, 901), red / "really a gif.jpg")
    photo(red / "deep" / "er" / "nested file ü.png", 0, 902)
    (folder / "empty class").mkdir()
    photo(folder / "loose.png", 0, 903)
    os.symlink(folder, red / "loop")
    os.symlink(folder / "nowhere.png", red / "broken.png")
    os.symlink(photo(folder.parent / "linked.png", 0, 904), red / "link.png")
    before = snapshot(folder)

    data = images(folder)
    found = reasons(data)
    left_out = {name for name, (action, _) in found.items() if action == "left out"}
    assert left_out == {
        "red/zero.jpg",
        "red/notes.txt",
        "red/.DS_Store",
        "red/huge.png",
        "red/cut.jpg",
        "empty class",
        "loose.png",
        "red/loop",
        "red/broken.png",
    }
    assert "empty" in found["red/zero.jpg"][1]
    assert "30000 x 30000" in found["red/huge.png"][1]
    assert "truncated" in found["red/cut.jpg"][1]
    assert found["red/really a gif.jpg"] == ("kept", "named .jpg, is GIF")
    names = set(data.train.names) | set(data.validation.names)
    assert {"red/deep/er/nested file ü.png", "red/link.png", "red/really a gif.jpg"} <= names
    assert not names & left_out
    assert data.classes == ("blue sky", "grün", "red")
    assert snapshot(folder) == before

    data.save(folder.parent)
    with (folder.parent / "intake.csv").open(encoding="utf-8", newline="") as file:
        assert {row["path"] for row in csv.DictReader(file)} == set(found)
    with (folder.parent / "splits.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert set(rows) == names
    assert all(rows[name]["split"] == "train" and rows[name]["label"] for name in data.train.names)


def test_copies_stay_on_one_side(folder: Path) -> None:
    for index in range(12):
        shutil.copy(folder / "red" / f"{index:02d}.png", folder / "red" / f"copy {index:02d}.png")
    for seed in range(5):
        data = images(folder, seed=seed)
        assert not set(data.train.digests) & set(data.validation.digests)


def test_a_training_image_that_is_held_out_too_is_not_trained_on(tmp_path: Path) -> None:
    for colour, name in enumerate(("a", "b")):
        for index in range(3):
            photo(tmp_path / "train" / name / f"{index}.png", colour, index + 10 * colour)
            photo(tmp_path / "val" / name / f"{index}.png", colour, index + 10 * colour + 500)
    shutil.copy(tmp_path / "val" / "a" / "1.png", tmp_path / "train" / "a" / "leak.png")
    data = images(tmp_path)
    assert "train/a/leak.png" not in data.train.names and "val/a/1.png" in data.validation.names
    assert "held out" in reasons(data)["train/a/leak.png"][1]


def test_one_content_under_two_labels_teaches_nothing(folder: Path) -> None:
    shutil.copy(folder / "red" / "00.png", folder / "grün" / "same.png")
    data = images(folder)
    assert reasons(data)["red/00.png"][1] == "same content as grün/same.png, under another label"
    assert "red/00.png" not in data.train.names + data.validation.names


def test_the_odd_format_in_a_folder_of_photos_is_told() -> None:
    data = images(shared("ants_bees"))
    assert len(data.train) + len(data.validation) == 398
    kept = {note.name for note in data.intake if note.action == "kept"}
    assert kept == {"train/ants/imageNotFound.gif"}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_manifest_with_groups(folder: Path, kind: str) -> None:
    rows = []
    for path in sorted(folder.rglob("*.png")):
        name = path.relative_to(folder.parent).as_posix()
        rows.append({"path": name, "label": path.parent.name, "group": f"{path.parent.name} {int(path.stem) // 3}"})
    manifest = folder.parent / f"list.{kind}"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        if kind == "csv":
            writer = csv.DictWriter(file, ["path", "label", "group"])
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    data = images(manifest, seed=1)
    group = {row["path"]: row["group"] for row in rows}
    assert not {group[n] for n in data.train.names} & {group[n] for n in data.validation.names}
    assert set(data.validation.targets.tolist()) == {0, 1, 2}


def test_manifest_with_several_labels_and_splits(folder: Path) -> None:
    lines = ["path,label,split"]
    for index in range(12):
        split = "train" if index < 8 else "test"
        lines += [f"photos/red/{index:02d}.png,red;warm,{split}", f"photos/grün/{index:02d}.png,grün,{split}"]
    manifest = folder.parent / "several.csv"
    manifest.write_text("\n".join(lines), encoding="utf-8")
    data = images(manifest)
    assert data.task.name == "multi_label"
    assert data.classes == ("grün", "red", "warm")
    assert data.train.targets.shape == (16, 3)
    assert np.array_equal(np.unique(data.train.targets, axis=0), [[0, 1, 1], [1, 0, 0]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,name\na.png,x\n", "found only grün"),
        ("path,label\nphotos/red/00.png,red,wine\n", "expected 2 fields"),
        ("path,label\nphotos/red/00.png,red\nphotos/red/00.png,grün\n", "rows 2 and 3 say different things"),
        ("path,label,split\nphotos/red/00.png,red,other\n", "train, val or test"),
        ("path,label,split\nphotos/red/00.png,red,train\nphotos/red/01.png,red,\n", "name it for all or for none"),
    ],
)
def test_manifest_errors_name_the_row(folder: Path, text: str, expected: str) -> None:
    manifest = folder.parent / "bad.csv"
    extra = "".join(f"photos/grün/{i:02d}.png,grün{',train' if 'split' in text else ''}\n" for i in range(3))
    manifest.write_text(text + extra, encoding="utf-8")
    with pytest.raises(InputError, match=expected):
        images(manifest)


def test_missing_files_of_a_manifest_are_told(folder: Path) -> None:
    manifest = folder.parent / "list.csv"
    rows = [f"photos/{c}/{i:02d}.png,{c}" for c in ("red", "grün") for i in range(5)]
    manifest.write_text("path,label\nphotos/red/gone.png,red\n" + "\n".join(rows), encoding="utf-8")
    assert "photos/red/gone.png" in reasons(images(manifest))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda root: root / "nowhere", "does not exist"),
        (lambda root: photo(root / "file.png", 0, 0), "is a file"),
        (lambda root: (root / "empty").mkdir() or root / "empty", "found none"),
        (lambda root: photo(root / "one" / "red" / "0.png", 0, 0).parents[1], "at least two classes"),
        (
            lambda root: (photo(root / "two" / "a" / "0.png", 0, 0), photo(root / "two" / "b" / "0.png", 1, 1))[
                0
            ].parents[1],
            "too few",
        ),
    ],
)
def test_what_can_not_be_learnt_from_is_refused_in_one_line(tmp_path: Path, make: object, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        images(make(tmp_path))
    assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), keep=st.floats(0, 1), position=st.floats(0, 1))
def test_damage_never_gets_through_as_a_crash(tmp_path: Path, content: bytes, keep: float, position: float) -> None:
    root = tmp_path / "fuzz"
    shutil.rmtree(root, ignore_errors=True)
    for colour, name in enumerate(("a", "b")):
        for index in range(3):
            photo(root / name / f"{index}.png", colour, index + 10 * colour)
    whole = (root / "a" / "0.png").read_bytes()
    cut = int(len(whole) * position)
    (root / "a" / "damaged.png").write_bytes(whole[:cut] + content + whole[cut + int(len(whole) * keep * 0.1) :])
    (root / "b" / "noise.jpg").write_bytes(content)
    data = images(root)
    known = set(data.train.names) | set(data.validation.names) | set(reasons(data))
    assert {"a/damaged.png", "b/noise.jpg"} <= known


def test_a_folder_beside_the_parts_does_not_make_classes_of_them(tmp_path: Path) -> None:
    for colour, name in enumerate(("ants", "bees")):
        for index in range(3):
            photo(tmp_path / "Training" / name / f"{index}.png", colour, index + 10 * colour)
        photo(tmp_path / "validation" / name / "0.png", colour, 50 + colour)
    (tmp_path / "__MACOSX").mkdir()
    data = images(tmp_path)
    assert data.classes == ("ants", "bees") and len(data.validation) == 2
    assert reasons(data)["__MACOSX"][0] == "left out"
    shutil.rmtree(tmp_path / "validation")
    shutil.rmtree(tmp_path / "__MACOSX")
    assert images(tmp_path).classes == ("ants", "bees")  # a lone train/ is split


def test_an_empty_label_leaves_its_row_out_and_changes_nothing_else(folder: Path) -> None:
    rows = [f"photos/{c}/{i:02d}.png,{c}" for c in ("red", "grün") for i in range(5)]
    manifest = folder.parent / "list.csv"
    manifest.write_text("path,label\nphotos/red/11.png,\n" + "\n".join(rows), encoding="utf-8")
    data = images(manifest)
    assert data.task.name == "classification"
    assert reasons(data)["photos/red/11.png"] == ("left out", "no label in its row")
    assert images(manifest, multi_label=True).task.name == "multi_label"


def test_names_that_are_no_unicode_are_kept_as_they_are(folder: Path) -> None:
    source = os.fsencode(folder / "red" / "00.png")
    os.rename(source, source.replace(b"00.png", b"gr\xfcn.png"))
    data = images(folder)
    data.save(folder.parent)
    assert b"gr\xfcn.png" in (folder.parent / "splits.csv").read_bytes()
    os.rename(os.fsencode(folder / "red"), os.fsencode(folder) + b"/r\xf6t")
    with pytest.raises(InputError, match="printable characters"):
        images(folder)


def test_large_images_go_through_a_model_a_few_at_a_time() -> None:
    from zoo.arrays import apply

    sizes = []

    def mean(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        return np.asarray(batch).mean(axis=(1, 2, 3))

    images = np.ones((30, 224, 224, 3), np.uint8) * np.arange(30, dtype=np.uint8)[:, None, None, None]
    np.testing.assert_array_equal(apply(mean, images, 256), np.arange(30))
    assert max(sizes) < 20 and sum(sizes) == 30  # 256 of them would take 20 GB
    apply(mean, np.zeros((300, 28, 28, 1), np.uint8), 256)
    assert sizes[-2:] == [256, 44]
