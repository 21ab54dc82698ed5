"""Images without labels, as autoencoders and GANs take them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zoo.data
from support.pictures import photo
from zoo import InputError
from zoo.data import Data, images


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*")}


def names(data: Data) -> set[str]:
    return {name for part in data.parts.values() for name in part.names}


def flat(root: Path, count: int = 10) -> Path:
    for index in range(count):
        photo(root / f"{index:02d}.png", index % 3, index)
    return root


def test_a_flat_folder_is_one_class(tmp_path: Path) -> None:
    root = flat(tmp_path / "flat")
    before = snapshot(root)
    data = images(root, labels=False)
    assert snapshot(root) == before
    assert (data.task.name, data.classes, data.test, data.intake) == ("classification", ("image",), None, ())
    assert len(data.train) == 8 and len(data.validation) == 2
    assert data.train.targets.dtype == np.int64 and not data.train.targets.any() and data.train.targets.shape == (8,)
    assert names(data) == {f"{index:02d}.png" for index in range(10)}
    opened = zoo.data.open(root, labels=False, seed=0)
    assert opened.fingerprint == data.fingerprint != images(root, labels=False, seed=1).fingerprint
    assert opened.validation.names == data.validation.names
    data.save(tmp_path)
    assert "00.png,image," in (tmp_path / "splits.csv").read_text()


def test_folders_at_any_depth_mean_nothing(folder: Path) -> None:
    photo(folder / "loose.png", 0, 900)
    photo(folder / "red" / "deep" / "er" / "nested.png", 0, 901)
    photo(folder / "red" / "train" / "no split.png", 0, 902)
    (folder / "empty").mkdir()
    shutil.copy(folder / "red" / "00.png", folder / "grün" / "same.png")  # one content in two folders: no contradiction
    data = zoo.data.open(folder, labels=False)
    assert len(names(data)) == 40
    assert {"loose.png", "red/deep/er/nested.png", "red/train/no split.png", "grün/same.png"} <= names(data)
    assert {note.name: note.action for note in data.intake} == {"red/00.png": "kept", "grün/same.png": "kept"}


def test_given_parts_stay_and_what_is_held_out_is_not_trained_on(tmp_path: Path) -> None:
    flat(tmp_path / "train", 4)
    photo(tmp_path / "train" / "a" / "more.png", 0, 50)
    photo(tmp_path / "val" / "b" / "only here.png", 1, 51)
    photo(tmp_path / "test" / "t.png", 2, 52)
    shutil.copy(tmp_path / "test" / "t.png", tmp_path / "train" / "leak.png")
    photo(tmp_path / "outside.png", 0, 53)
    data = images(tmp_path, labels=False)
    assert [len(part) for part in data.parts.values()] == [5, 1, 1]
    assert data.validation.names == ("val/b/only here.png",) and data.test.names == ("test/t.png",)
    found = {note.name: note.reason for note in data.intake if note.action == "left out"}
    assert set(found) == {"outside.png", "train/leak.png"} and "held out" in found["train/leak.png"]


def test_a_lone_train_folder_is_a_folder_like_others(tmp_path: Path) -> None:
    flat(tmp_path / "train", 4)
    photo(tmp_path / "beside.png", 0, 50)
    data = images(tmp_path, labels=False)
    assert {"beside.png", "train/00.png"} < names(data) and len(names(data)) == 5 and not data.intake


def test_a_folder_without_training_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    flat(tmp_path / "val", 3)
    with pytest.raises(InputError, match="only held-out ones"):
        images(tmp_path, labels=False)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_manifest_needs_no_label_and_its_labels_are_not_looked_at(tmp_path: Path, kind: str) -> None:
    flat(tmp_path / "flat", 6)
    for label in (False, True):
        rows = [{"path": f"flat/{i:02d}.png", "split": "train" if i < 4 else "val"} for i in range(6)]
        if label:
            rows = [row | {"label": f"class {i};{i % 2}" if i else ""} for i, row in enumerate(rows)]
            rows.append(rows[0] | {"label": "another"})
        lines = [json.dumps(row) for row in rows]
        if kind == "csv":
            lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        manifest = tmp_path / f"list.{kind}"
        manifest.write_text("\n".join(lines), encoding="utf-8")
        data = zoo.data.open(manifest, labels=False)
        assert data.classes == ("image",) and data.task.name == "classification"
        assert data.validation.names == ("flat/04.png", "flat/05.png") and len(data.train) == 4
        assert [note.action for note in data.intake] == ["kept"] * label  # the row that is listed twice
    with pytest.raises(InputError, match="expected (the column path, received|a column of paths)"):
        manifest.write_text("path,label\n,x\n" if kind == "csv" else '{"label": "x"}', encoding="utf-8")
        images(manifest, labels=False)


def test_groups_of_a_manifest_stay_on_one_side(tmp_path: Path) -> None:
    flat(tmp_path / "flat", 12)
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,group\n" + "".join(f"flat/{i:02d}.png,{i // 3}\n" for i in range(12)))
    data = images(manifest, labels=False)
    sides = [{int(name[5:7]) // 3 for name in part.names} for part in data.parts.values()]
    assert not sides[0] & sides[1]


def test_a_bad_file_is_told_and_left_out(tmp_path: Path) -> None:
    root = flat(tmp_path / "flat")
    (root / "notes.txt").write_text("not a picture")
    (root / ".hidden").write_bytes(b"")
    whole = photo(tmp_path / "whole.jpg", 1, 900, (200, 200)).read_bytes()
    (root / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    before = snapshot(root)
    data = images(root, labels=False)
    found = {note.name: note.reason for note in data.intake if note.action == "left out"}
    assert set(found) == {"notes.txt", ".hidden", "cut.jpg"} and "truncated" in found["cut.jpg"]
    assert len(names(data)) == 10 and snapshot(root) == before


def test_more_captions_than_images_are_no_texts_where_images_are_asked_for(tmp_path: Path) -> None:
    flat(tmp_path / "pictures", 4)
    for index in range(9):
        (tmp_path / "captions").mkdir(exist_ok=True)
        (tmp_path / "captions" / f"{index}.txt").write_text("a picture")
    data = zoo.data.open(tmp_path, labels=False)
    assert len(names(data)) == 4 and len(data.intake) == 9


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(copies=st.lists(st.integers(0, 4), min_size=2, max_size=6), seed=st.integers(0, 99), share=st.floats(0.05, 0.95))
def test_copies_stay_on_one_side_and_no_side_is_empty(
    tmp_path: Path, copies: list[int], seed: int, share: float
) -> None:
    root = tmp_path / "copies"
    shutil.rmtree(root, ignore_errors=True)
    for content, count in enumerate(copies):
        first = photo(root / f"{content}.png", content % 3, content, (9, 8))
        for copy in range(count):
            (root / f"sub {copy}").mkdir(exist_ok=True)
            shutil.copy(first, root / f"sub {copy}" / first.name)
    data = images(root, labels=False, seed=seed, validation=share)
    assert len(names(data)) == len(copies) + sum(copies)
    assert not set(data.train.digests) & set(data.validation.digests)
    assert len(data.train) and len(data.validation)


@pytest.mark.parametrize(("count", "expected"), [(0, "found none"), (1, "two images or more, found 1")])
def test_too_few_are_refused_in_one_line(tmp_path: Path, count: int, expected: str) -> None:
    (tmp_path / "few").mkdir()
    with pytest.raises(InputError, match=expected) as caught:
        images(flat(tmp_path / "few", count), labels=False)
    assert "\n" not in str(caught.value)


def test_two_are_enough_if_they_differ(tmp_path: Path) -> None:
    data = images(flat(tmp_path / "two", 2), labels=False)
    assert len(data.train) == len(data.validation) == 1
    photo(tmp_path / "one" / "a.png", 0, 0)
    shutil.copy(tmp_path / "one" / "a.png", tmp_path / "one" / "b.png")
    with pytest.raises(InputError, match="two or more that differ"):
        images(tmp_path / "one", labels=False)


def test_several_labels_of_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="received both"):
        images(flat(tmp_path / "flat"), labels=False, multi_label=True)


def test_who_asks_for_labels_where_there_are_none_is_told_how_to_do_without(tmp_path: Path) -> None:
    for make in (flat, lambda root: flat(root / "all").parent):
        shutil.rmtree(tmp_path / "root", ignore_errors=True)
        with pytest.raises(InputError, match=r"autoencoders and GANs.*labels=False.*--no-labels") as caught:
            zoo.data.open(make(tmp_path / "root"))
        assert "\n" not in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        images(tmp_path / "empty")
    assert "labels=False" not in str(caught.value)


def test_other_forms_do_not_take_it(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,target\n1,2\n3,4\n")
    with pytest.raises(InputError, match="takes no option 'labels'"):
        zoo.data.open(tmp_path / "table.csv", labels=False)
