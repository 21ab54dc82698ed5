"""Manifests as people have them: columns of other names, ids for paths, files in a folder beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.pictures import photo
from support.programs import command
from zoo import InputError
from zoo.data import Data, images
from zoo.data import open as open_data
from zoo.kinds import Tables

COUNT = 8


@pytest.fixture
def pictures(workplace: Path) -> Path:
    """Eight pictures of two classes, ``photos/a0.png`` to ``photos/a7.png``; the odd ones are dogs."""
    for index in range(COUNT):
        photo(workplace / "photos" / f"a{index}.png", index % 2, index)
    return workplace


def written(form: str, header: str, name: str = "m.csv") -> Path:
    """A manifest whose lines are `form`, filled with the number of the picture and its class."""
    lines = [
        form.format(i=index, label=("cat", "dog")[index % 2], cat=1 - index % 2, dog=index % 2) for index in range(8)
    ]
    Path(name).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return Path(name)


def sizes(data: Data) -> dict[str, int]:
    return {name: len(part) for name, part in data.parts.items()}


def told(data: Data) -> str:
    return "; ".join(note.reason for note in data.intake)


@pytest.mark.parametrize(
    ("header", "form", "words"),
    [
        ("filename,label", "photos/a{i}.png,{label}", "filename as path"),
        ("id_code,diagnosis", "a{i},{label}", "id_code as path, diagnosis as label"),
        ("image_id;breed", "photos/a{i};{label}", "image_id as path"),
        ("what\tlabel", "a{i}.png\t{label}", "what as path"),
        ("img|kind", "photos\\a{i}.png|{label}", "kind as label"),
        (",file,class", "{i},a{i}.png,{label}", "file as path, class as label"),
        ("path,label", "C:\\Users\\me\\photos\\a{i}.png,{label}", "left out"),
        ("path,label", "/home/me/data/photos/a{i}.png,{label}", "left out"),
        ("image,cat,dog", "a{i},{cat},{dog}", "just one of them is 1"),
        ("image,cat,dog", "a{i},{cat}.0,{dog}.0", "just one of them is 1"),
    ],
)
def test_columns_and_files_are_recognised_and_told(pictures: Path, header: str, form: str, words: str) -> None:
    data = open_data(written(form, header))
    assert data.classes == ("cat", "dog") and sizes(data) == {"train": 6, "validation": 2}
    assert words in told(data) and len(data.intake) == 1
    assert all((pictures / name).is_file() for part in data.parts.values() for name in part.names)


def test_columns_of_zeros_and_ones_that_do_not_exclude_each_other_are_several_labels(pictures: Path) -> None:
    path = written("a{i}.png,{cat},{dog},1", "name,cat,dog,pet")
    data = images(path)
    assert data.task.name == "multi_label" and data.classes == ("cat", "dog", "pet") and "several labels" in told(data)


@pytest.mark.parametrize(
    ("column", "values", "parts"),
    [
        ("split", ("training", "valid"), {"train": 4, "validation": 4}),
        ("is_valid", ("False", "True"), {"train": 4, "validation": 4}),
        ("is_test", ("0", "1"), {"train": 4, "test": 4}),
        ("is_train", ("1", "0"), {"train": 4, "validation": 4}),
        ("Usage", ("Training", "PublicTest"), {"train": 4, "test": 4}),
    ],
)
def test_columns_of_parts_have_several_names(
    pictures: Path, column: str, values: tuple[str, str], parts: dict[str, int]
) -> None:
    lines = [f"a{i}.png,{('cat', 'dog')[i % 2]},{values[i >= 4]}" for i in range(COUNT)]
    Path("m.csv").write_text("\n".join([f"filename,label,{column}", *lines]))
    assert sizes(images("m.csv")) == parts


def test_files_in_several_folders_are_all_found(pictures: Path) -> None:
    Path("more").mkdir()
    for index in (5, 6, 7):
        Path(f"photos/a{index}.png").rename(f"more/a{index}.png")
    data = images(written("a{i},{label}", "image_id,label"))
    assert sizes(data) == {"train": 6, "validation": 2}


@pytest.mark.parametrize("name", ["train.csv", "train_labels.csv"])
def test_the_folder_of_the_same_part_is_taken(pictures: Path, name: str) -> None:
    Path("photos").rename("train_images")
    for index in range(COUNT):
        photo(pictures / "test" / f"a{index}.png", index % 2, 50 + index)
    data = images(written("a{i},{label}", "id,label", name))
    assert all(name.startswith("train_images/") for part in data.parts.values() for name in part.names)


def test_files_that_may_be_in_two_folders_or_have_two_suffixes_are_asked_for(pictures: Path) -> None:
    for index in range(COUNT):
        photo(pictures / "other" / f"a{index}.png", index % 2, 50 + index)
    path = written("a{i},{label}", "id,label")
    with pytest.raises(InputError, match="'a0' may be .*; name the folder with --images"):
        images(path)
    assert sizes(images(path, images="photos")) == {"train": 6, "validation": 2}
    for index in range(COUNT):
        photo(pictures / "photos" / f"a{index}.jpg", index % 2, 50 + index)
    with pytest.raises(InputError, match="--suffix"):
        images(path, images="photos")
    data = images(path, images="photos", suffix="jpg")
    assert all(name.endswith(".jpg") for name in data.train.names)


def test_columns_are_named_by_options(pictures: Path) -> None:
    path = written("{i},a{i}.png,{label},x{i},young", "lesion,image,dx,note,age")
    with pytest.raises(InputError, match="expected a column of labels, .* --label-column"):
        images(path)
    assert images(path, label_column="dx").classes == ("cat", "dog")
    found = command("check", path, "--label-column", "dx", "--path-column", "image", "--images", "photos")
    assert found.returncode == 0 and "cat" in found.stdout, found
    with pytest.raises(InputError, match="there is no column 'gone'; expected one of lesion, image, dx"):
        images(path, path_column="gone")
    with pytest.raises(InputError, match="'dx' has other values"):
        images(path, label_column="dx,age")
    with pytest.raises(InputError, match="is a folder"):
        images("photos", suffix=".png")


@pytest.mark.parametrize("missing", ["NaN", "nan", "None", ""])
def test_missing_labels_are_no_class(pictures: Path, missing: str) -> None:
    path = written("photos/a{i}.png,{label}", "path,label")
    path.write_text(path.read_text().replace("a0.png,cat", f"a0.png,{missing}"))
    data = images(path)
    assert data.classes == ("cat", "dog") and sum(sizes(data).values()) == 7
    assert [tuple(note) for note in data.intake] == [("photos/a0.png", "left out", "no label in its row")]


def test_null_in_json_lines_is_a_missing_label_and_none_in_small_letters_a_class(pictures: Path) -> None:
    form = '{{"file_name": "photos/a{i}.png", "label": "{label}"}}'
    path = written(form, '{"file_name": "photos/a0.png", "label": null}', "m.jsonl")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[2:]]).replace('"cat"', '"none"'))
    data = images(path)
    assert data.classes == ("dog", "none") and sum(sizes(data).values()) == 7


@pytest.mark.parametrize("header", ["path,label", "file,label"])
def test_a_message_names_the_manifest_and_the_path_that_was_tried(workplace: Path, header: str) -> None:
    path = written("photos/a{i}.png,{label}", header)
    with pytest.raises(InputError, match=r"m\.csv.* tried .*photos/a0\.png.*--images"):
        images(path)


def test_a_manifest_without_names_of_columns_is_refused(pictures: Path) -> None:
    with pytest.raises(InputError, match="names of columns in the first row"):
        images(written("photos/a{i}.png,{label}", "photos/a0.png,cat"))


def test_a_table_beside_images_stays_a_table(pictures: Path) -> None:
    for index in range(COUNT, 12):
        photo(pictures / "photos" / f"a{index}.png", index % 2, index)
    lines = [f"a{i},{i * 3 % 5},{i * 7 % 4},{('x', 'y')[i % 2]}" for i in range(12)]
    Path("t.csv").write_text("\n".join(["name,age,size,target", *lines]))
    assert open_data("t.csv").kind.name == "table"


@pytest.mark.parametrize("numbers", [False, True])
def test_what_is_named_for_training_can_be_named_for_scoring(pictures: Path, numbers: bool) -> None:
    manifest = written("x{i},a{i},{i}.5,{label}", "code,what,age,kind")
    naming = {"path_column": "what", "label_column": "age" if numbers else "kind", "images": "photos", "suffix": ".png"}
    data = images(manifest, **naming)
    kind = data.kind.completed(data.train, 8, manifest)
    part, _ = kind.named(**naming).labelled(manifest, data.task)
    assert len(part) == COUNT and set(data.train.digests) <= set(part.digests)
    assert type(kind).from_card(kind.named(**naming).to_card()) == kind  # it is no part of the model
    with pytest.raises(InputError, match="path_column: expected a model of images.*; it takes rows"):
        Tables(("a",), ()).named(path_column="what")
