"""Manifests that label images with numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.programs import command
from zoo import InputError
from zoo.data import images
from zoo.data import open as open_data

COUNT = 40


@pytest.fixture
def pictures(workplace: Path) -> Path:
    """Forty grey pictures, ``photos/00.png`` to ``photos/39.png``, each brighter than the one before."""
    (workplace / "photos").mkdir()
    for index in range(COUNT):
        Image.new("RGB", (12, 12), (5 * index,) * 3).save(workplace / "photos" / f"{index:02}.png")
    return workplace


def written(cells: list[str], header: str = "file,age", name: str = "m.csv") -> Path:
    """A manifest with one row a picture, whose cells after the path are given."""
    rows = [f"photos/{index:02}.png,{cell}" for index, cell in enumerate(cells)]
    Path(name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return Path(name)


def told(path: Path, **options: str) -> list[str]:
    return [note.reason for note in open_data(path, **options).intake]


def test_numbers_that_are_not_whole_are_regression(pictures: Path) -> None:
    data = open_data(written([f"{index / 4}" for index in range(COUNT)]))
    assert data.task.name == "regression" and data.classes == ("age",)
    for part in data.parts.values():
        expected = [[int(Path(name).stem) / 4] for name in part.names]
        assert part.targets.dtype == np.float32 and part.targets.tolist() == expected


def test_several_columns_are_several_numbers(pictures: Path) -> None:
    path = written([f"{index},{index / 100},x" for index in range(COUNT)], "file,age,height,note")
    data = open_data(path, label_column="age,height")
    assert data.classes == ("age", "height") and data.train.targets.shape[1] == 2
    with pytest.raises(InputError, match="'note' of regression, received 'x'"):
        open_data(path, label_column="age,note")
    with pytest.raises(InputError, match="numbers, or 0 and 1 each; 'age' has other values"):
        open_data(path, label_column="age,height", task="classification")


def test_written_numbers_are_read_as_in_tables(pictures: Path) -> None:
    data = open_data(written([f'"1.{index:03},5 €"' for index in range(COUNT)]))
    assert data.train.targets.min() >= 1000.5 and data.kind.spellings == ("1.234,56 €",)
    few = written(['"1.007"', '"1.021,5"'], name="few.csv")  # alone, the first could be 1.007 as well
    assert data.kind.labelled(few, data.task)[0].targets.tolist() == [[1007.0], [1021.5]]
    with pytest.raises(InputError, match="row 3, column 'age': expected a number .* received 'old'"):
        data.kind.labelled(written(['"1,5"', "old"], name="bad.csv"), data.task)


def test_a_choice_between_classes_and_amounts_is_told_and_can_be_named(pictures: Path) -> None:
    path = written([str(1 + index % 4) for index in range(COUNT)])
    assert open_data(path).classes == ("1", "2", "3", "4")
    assert any("taken for classes; --task regression for amounts" in reason for reason in told(path))
    data = open_data(path, task="regression")
    assert data.task.name == "regression" and not any("taken for" in note.reason for note in data.intake)
    ages = written([str(18 + index * 7 % COUNT) for index in range(COUNT)])
    assert open_data(ages).task.name == "regression"
    assert command("check", ages, "--task", "regression").returncode == 0
    with pytest.raises(InputError, match="a folder, whose images have classes"):
        open_data("photos", task="regression")


def test_rows_without_a_number_are_left_out_and_counted(pictures: Path) -> None:
    path = written(["" if index % 10 == 0 else "NA" if index == 5 else f"{index}.5" for index in range(COUNT)])
    data = open_data(path)
    assert sum(map(len, data.parts.values())) == COUNT - 5
    assert [note.reason for note in data.intake].count("no number in its row") == 5
    assert "and 4 others ending .png: no number in its row" in command("check", path).stdout


def test_copies_stay_on_one_side_and_contradict_by_their_numbers(pictures: Path) -> None:
    for index in range(20):
        Image.new("RGB", (12, 12), (10 * (index // 2), 0, 0)).save(pictures / "photos" / f"{index:02}.png")
    data = open_data(written([f"{9 if index == 1 else index // 2}.5" for index in range(COUNT)]))
    assert sum(note.action == "left out" and "another number" in note.reason for note in data.intake) == 2
    train, held_out = (set(part.digests) for part in (data.train, data.validation))
    assert not train & held_out


def test_of_ten_pictures_two_are_held_out(pictures: Path) -> None:
    data = open_data(written([f"{index}.5" for index in range(10)]))
    assert (len(data.train), len(data.validation)) == (8, 2)


def test_json_lines_hold_numbers_as_they_are(pictures: Path) -> None:
    rows = [{"path": f"photos/{index:02}.png", "label": index / 8} for index in range(COUNT)]
    Path("m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert images("m.jsonl").task.name == "regression"
    Path("lists.jsonl").write_text("\n".join(json.dumps(row | {"label": [1.5, 2.5]}) for row in rows))
    assert images("lists.jsonl").task.name == "multi_label"


@pytest.mark.parametrize(
    ("cells", "words"), [(["3.5"] * COUNT, "3.5 in every row"), (["old", "new"], "expected a finite number")]
)
def test_what_can_not_be_learnt_is_refused(pictures: Path, cells: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        images(written(cells), task="regression")
