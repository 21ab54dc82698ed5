"""Targets: labels as they are written, and the task that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zoo import InputError
from zoo.data import tables, text
from zoo.data.dataset import Data


def table(tmp_path: Path, labels: Sequence[object], header: str = "label", **options: object) -> Data:
    """A table with these labels."""
    rows = [f"{number * 7 % 13}.5,{number * 5 % 11}.25,{label}" for number, label in enumerate(labels)]
    (tmp_path / "t.csv").write_text("\n".join([f"a,b,{header}", *rows]))
    return tables(tmp_path / "t.csv", **options)


def told(data: Data) -> str:
    """What is told of the targets."""
    return "; ".join(note.reason for note in data.intake if note.name.startswith("target"))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["001", "002", "010", "100"], ("001", "002", "010", "100")),
        (["1E5", "10E4", "2E3"], ("2E3", "10E4", "1E5")),
        (["1.10", "1.1", "1.20"], None),  # no whole numbers: amounts, if nothing is said
        (["TRUE", "FALSE"], ("FALSE", "TRUE")),
        (["2024-01-01", "2024-01-02"], ("2024-01-01", "2024-01-02")),
        (["+1", "-1"], ("-1", "+1")),
        (["01", "1", "1.0"], ("01", "1", "1.0")),
        (["1.0", "0.0"], ("0", "1")),  # as programs write whole numbers
        (["1", "0"], ("0", "1")),
        (["00", "0.50"], None),
    ],
)
def test_labels_are_answered_as_written(tmp_path: Path, labels: list[str], classes: tuple[str, ...] | None) -> None:
    data = table(tmp_path, labels * 8, **({} if classes else {"task": "classification"}))
    assert data.classes == (classes or tuple(sorted(labels, key=lambda name: (float(name), name))))
    part, _ = data.kind.labelled(tmp_path / "t.csv", data.task)
    counts = dict.fromkeys(data.classes, 8)
    assert data.task.counts(part.targets) == counts
    both = np.concatenate([each.targets for each in data.parts.values()])
    assert data.task.counts(both) == counts


def test_labels_beside_texts_are_answered_as_written(tmp_path: Path) -> None:
    rows = [f"{'come to dinner' if number % 2 else 'win cash now'} {number}, 0{number % 2}" for number in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    data = text(tmp_path / "t.csv")
    assert data.classes == ("00", "01")
    part, _ = data.kind.labelled(tmp_path / "t.csv", data.task)
    assert data.task.counts(part.targets) == {"00": 10, "01": 10}


def test_a_model_of_numbers_as_labels_knows_them_in_other_spellings(tmp_path: Path) -> None:
    data = table(tmp_path, ["001", "002"] * 10)
    for labels in (["1", "2"], ["1.0", "2.0"], [" 001", "002 "]):
        table(tmp_path, labels * 10)
        part, _ = data.kind.labelled(tmp_path / "t.csv", data.task)
        assert data.task.counts(part.targets) == {"001": 10, "002": 10}
    table(tmp_path, ["1", "3"] * 10)
    with pytest.raises(InputError, match="does not know the label '3'"):
        data.kind.labelled(tmp_path / "t.csv", data.task)


@pytest.mark.parametrize(
    ("labels", "task", "expected"),
    [
        ([0, 1] * 20, "classification", ""),
        ([0, 1, 2] * 20, "classification", ""),
        ([1, 2, 3, 4, 5, 6] * 10, "classification", "6 different whole numbers, taken for classes; --task regression"),
        (list(range(26)) * 8, "classification", "26 different whole numbers, taken for classes; --task regression"),
        (list(range(1, 41)) * 5, "classification", "40 different whole numbers, taken for classes"),
        (list(range(18, 60)) * 5, "regression", "42 different whole numbers, taken for amounts; --task classification"),
        (list(range(200)), "regression", ""),
        ([number / 4 for number in range(100)], "regression", ""),
    ],
)
def test_whole_numbers_are_classes_or_amounts_and_the_choice_is_told(
    tmp_path: Path, labels: list, task: str, expected: str
) -> None:
    data = table(tmp_path, labels)
    assert data.task.name == task and told(data).startswith(expected) and bool(told(data)) == bool(expected)
    assert table(tmp_path, labels, task="regression").task.name == "regression"
    assert not told(table(tmp_path, labels, task="regression"))


@pytest.mark.parametrize("flags", ["01", ["False", "True"], ["0.0", "1.0"]])
def test_columns_that_exclude_each_other_are_classes(tmp_path: Path, flags: Sequence[str]) -> None:
    names = ["red", "green", "blue"]
    labels = [",".join(flags[number % 3 == at] for at in range(3)) for number in range(30)]
    data = table(tmp_path, labels, ",".join(names), target=names)
    assert data.task.name == "classification" and data.classes == tuple(names)
    assert told(data) == "0 and 1, one 1 in each row: taken for 3 classes; --task regression for numbers"
    part, _ = data.kind.labelled(tmp_path / "t.csv", data.task)
    assert part.targets.tolist() == [0, 1, 2] * 10
    table(tmp_path, [f"{flags[1]},{flags[1]},{flags[0]}"] * 10 + labels, ",".join(names), target="red")
    with pytest.raises(InputError, match="expected the columns red, green, blue of 0 and 1 with one 1 in each row"):
        data.kind.labelled(tmp_path / "t.csv", data.task)


def test_columns_of_flags_that_come_together_are_labels_and_told() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.random(40), "u": rng.integers(2, size=40), "v": rng.integers(2, size=40)})
    data = tables(frame, target=["u", "v"])
    assert data.task.name == "multi_label" and "each there or not; --task regression for numbers" in told(data)
    with pytest.raises(InputError, match="received u, v; several are classes where they hold 0 and 1"):
        tables(frame, target=["u", "v"], task="classification")


@pytest.mark.parametrize("missing", ["", " ", "NA"])
@pytest.mark.parametrize("labels", [["1.5", "2.25"], ["0", "1"], ["001", "002"]])
def test_rows_without_target_are_left_out_and_counted(tmp_path: Path, labels: list[str], missing: str) -> None:
    rows = [labels[number % 2] if number % 4 else missing for number in range(80)]
    data = table(tmp_path, rows)
    assert len(data.train) + len(data.validation) == 60
    assert [note for note in data.intake if "target" in note.reason] == [("20 rows", "left out", "no target, as row 2")]
    part, notes = data.kind.labelled(tmp_path / "t.csv", data.task)
    assert len(part) == 60 and [note.name for note in notes if "no target" in note.reason] == ["20 rows"]
    assert len(data.kind.raw(tmp_path / "t.csv").names) == 80


def test_rows_without_a_word_as_target_are_left_out(tmp_path: Path) -> None:
    data = table(tmp_path, ["yes", "no", ""] * 10 + ["yes"])
    assert data.classes == ("no", "yes") and ("10 rows", "left out", "no target, as row 4") in data.intake
    texts = [f"come {number} to dinner,{'ab'[number % 2] if number else ''}" for number in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *texts]))
    data = text(tmp_path / "t.csv")
    assert data.classes == ("a", "b") and ("1 row", "left out", "no target, as row 2") in data.intake
    part, notes = data.kind.labelled(tmp_path / "t.csv", data.task)
    assert len(part) == 19 and notes == [("1 row", "left out", "no target, as row 2")]


def test_a_table_without_any_target_is_refused_and_an_index_is_one_though_rows_go(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the target 'label' is missing"):
        table(tmp_path, [""] * 20)
    rows = [f"{number},{number * 7 % 13}.5,{'ab'[number % 2] if number % 3 else ''}" for number in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["id,a,y", *rows]))
    data = tables(tmp_path / "t.csv")
    assert data.input["numeric"] == ["a"] and ("column id", "left out", "counts the rows") in data.intake


def test_rows_whose_written_target_is_unknown_are_left_out(tmp_path: Path) -> None:
    data = table(tmp_path, [f'"${number},000"' if number % 5 else "unknown" for number in range(1, 61)])
    assert data.task.name == "regression" and ("12 rows", "left out", "no target, as row 6") in data.intake
    assert len(data.kind.labelled(tmp_path / "t.csv", data.task)[0]) == 48


def test_a_target_is_guessed_by_its_name_or_place_and_the_guess_is_said(tmp_path: Path) -> None:
    frame = pd.DataFrame({"Survived": [0, 1] * 10, "age": range(20, 40), "fare": [1.5, 2.5, 4.0, 8.0] * 5})
    data = tables(frame)
    assert data.input["target"] == ["Survived"]
    assert "as its name says; --target COLUMN for another" in told(data)
    frame["label"] = ["x", "y"] * 10
    assert tables(frame).input["target"] == ["label"] and not told(tables(frame))
    (tmp_path / "t.data.csv").write_text(
        "".join(f"{at % 7},{at * 3 % 5},{'<=' if at % 2 else '>'}50K\n" for at in range(30))
    )
    data = tables(tmp_path / "t.data.csv")
    assert data.classes == ("<=50K", ">50K") and "the last one of a file without names" in told(data)
