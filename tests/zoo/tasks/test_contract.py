"""What every task promises of its targets and of its card."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.tasks import COUNT
from support.tasks import TASKS as EXAMPLES
from zoo.artifacts import card as cards
from zoo.data.targets import Targets
from zoo.errors import InputError
from zoo.tasks import forms
from zoo.tasks.classification import Classification
from zoo.tasks.multi_label import MultiLabel
from zoo.tasks.reconstruction import Reconstruction
from zoo.tasks.registry import TASKS, task_class, task_of
from zoo.tasks.regression import Regression
from zoo.tasks.terms import Exam

EACH = pytest.mark.parametrize("name", TASKS)
INPUT = {"input": {"kind": "table", "numeric": ["a"], "categorical": [], "target": ["b"], "window": 7}}


def written(*columns: list[Any], names: tuple[str, ...] = ("b", "c", "d")) -> Targets:
    """Targets of a file, row 2 on."""
    rows = [f"row {at + 2}" for at in range(len(columns[0]))]
    values = tuple(pd.Series(column, name=name) for column, name in zip(columns, names, strict=False))
    return Targets(names[: len(columns)], values, rows, "rows.csv")


# ---- the card ----


def card_of(task: Any) -> dict[str, Any]:
    """As a card is read back."""
    return json.loads(json.dumps(cards.plain(task.to_card()))) | INPUT


@EACH
def test_a_card_brings_back_the_same_task(name: str) -> None:
    example = EXAMPLES[name]
    for task in (example.task, example.task.fitted(example.targets)):
        card = card_of(task)
        assert type(task).card_problem(card) is None
        again = task_of(card)
        window = {"window": 7} if isinstance(task, Reconstruction) else {}  # of a series, which its input says
        assert type(again) is type(task) and again == replace(task, **window)
        assert again.values() == task.values() and again.beside() == task.beside()
        assert card_of(again) == card


@EACH
def test_a_task_that_no_targets_were_seen_of_has_a_card_too(name: str) -> None:
    task = TASKS[name](("a", "b"))
    assert card_of(task)["classes"] == ["a", "b"] and card_of(task)["task"] == name
    assert TASKS[name].from_card(card_of(task)).names == ("a", "b")


WRONG: dict[str, list[tuple[str, Any]]] = {
    "classification": [
        ("classes", []),
        *(("majority", wrong) for wrong in (None, 4, -1, True, "a;b", 1.0, [0, 1, 0, 0])),
    ],
    "multi_label": [("classes", []), *(("majority", wrong) for wrong in (None, 1, [0, 1], [0, 1, 2, 0], "0101"))],
    "regression": [
        ("classes", []),
        *(("deviations", wrong) for wrong in ([1.0], [0.0, 1.0], [True, 1.0], ["1", 2], 1.0, [1.0, float("inf")])),
    ],
    "forecasting": [("classes", []), ("deviations", [1.0, -1.0]), ("deviations", None)],
    "reconstruction": [("threshold", wrong) for wrong in (None, "1", True, float("nan"), float("inf"), [1.0])],
    "anomaly_detection": [("threshold", wrong) for wrong in (None, "1", True, float("nan"), float("inf"), [1.0])],
    "generation": [],
    "segmentation": [
        ("classes", []),
        *(("mask_values", wrong) for wrong in (None, [], [0, 1, 2], [0, 1, 2, 2], [0, 1, 2, 256], [0, 1, 2, True])),
    ],
}


@EACH
def test_a_damaged_card_is_told_by_its_key(name: str) -> None:
    for key, value in WRONG[name]:
        problem = TASKS[name].card_problem(card_of(EXAMPLES[name].task) | {key: value})
        assert problem is not None and problem[0] == key, (key, value)
    for key in {key for key, _ in WRONG[name]} - {"classes", "deviations"}:
        card = card_of(EXAMPLES[name].task)
        del card[key]
        assert TASKS[name].card_problem(card)[0] == key


@pytest.mark.parametrize("name", ["regression", "forecasting"])
def test_the_first_cards_of_numbers_have_no_deviations(name: str) -> None:
    card = card_of(EXAMPLES[name].task)
    del card["deviations"]
    assert TASKS[name].card_problem(card) is None and task_of(card).deviations is None
    assert task_of(card).units({"prediction": np.float32([[3, -4]])}) == {"prediction": 4.0}


def test_a_name_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(InputError, match="multi_label.*did you mean multi_label"):
        task_class("multilabel")
    for name in (each for each, task in TASKS.items() if not task.from_columns):
        with pytest.raises(InputError, match=f"expected task to be .*received '{name}'"):
            task_class(name, from_columns=True)


# ---- targets ----


@EACH
def test_targets_have_strata_counts_and_a_text(name: str) -> None:
    task, targets = EXAMPLES[name].task, EXAMPLES[name].targets
    for strata in (task.strata(targets), task.inner_strata(targets)):
        assert strata is None or (len(strata) == COUNT and strata.ndim == 2 and set(np.unique(strata)) <= {0, 1})
    counts = task.counts(targets)
    assert set(counts) in ({*task.names}, set()) and all(isinstance(each, int) for each in counts.values())
    assert isinstance(task.text(targets[0]), str)
    assert type(task)().reach >= 0


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.supervised])
def test_a_constant_is_as_wide_as_outputs_and_losses_are_one_an_example(name: str) -> None:
    example = EXAMPLES[name]
    losses = example.task.losses(example.targets, example.outputs())  # at the size of the outputs, where they have one
    assert losses.shape == (COUNT,) and np.isfinite(losses).all()
    constant, (output,) = example.task.constant(example.targets), example.outputs()
    same = {output: np.stack([constant] * COUNT)}
    rng = np.random.default_rng(0)
    others = (
        {output: example.outputs(COUNT, int(seed))[output][:1].repeat(COUNT, 0)} for seed in rng.integers(9, size=9)
    )
    best = example.task.losses(example.targets, same).mean()
    assert all(best <= example.task.losses(example.targets, other).mean() + 1e-6 for other in others)


def test_one_of_several_classes() -> None:
    task = Classification.of(written(["yes", "no", "yes"]))
    assert task.names == ("no", "yes") and task.encode(written(["yes", "no"])).tolist() == [1, 0]
    assert Classification.of(written(["10", "9", "1"])).names == ("1", "9", "10")
    assert Classification.of(written(["001", "1", "ü;"])).names == ("001", "1", "ü;")
    fitted = task.fitted(np.array([1, 1, 0]))
    assert fitted.majority == 1 and fitted.counts(np.array([1, 1, 0])) == {"no": 1, "yes": 2}
    assert [task.text(target) for target in task.encode(written(["yes", "no"]))] == ["yes", "no"]
    assert task.strata(np.array([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert task.encode(written([], names=("b",))).tolist() == []


def test_a_number_is_a_class_however_it_is_written() -> None:
    task = Classification(("1", "2", "2.5"))
    assert task.encode(written(["1.0", "02", "2.50", "1"])).tolist() == [0, 1, 2, 0]
    assert task.encode(written([1.0, 2.0])).tolist() == [0, 1]
    assert Classification(("01", "1", "2")).encode(written(["01", "2.0", "1"])).tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("names", "labels", "row", "label"),
    [
        (("no", "yes"), ["no", "maybe"], 3, "maybe"),
        (("no", "yes"), ["no", "", "maybe"], 3, ""),
        (("1", "2"), ["1", "3.0", "2"], 3, "3.0"),
        (("1", "2"), ["1", "2", "inf"], 4, "inf"),
        (("1", "2"), ["1.0", "two"], 2, "1.0"),
        (("001", "002"), ["001", "3"], 3, "3"),
        (tuple(map(str, range(40))), ["0", "x"], 3, "x"),
    ],
)
def test_a_label_that_is_not_known_is_told_with_its_row(
    names: tuple[str, ...], labels: list[str], row: int, label: str
) -> None:
    with pytest.raises(InputError) as error:
        Classification(names).encode(written(labels))
    assert f"rows.csv: row {row}: the model does not know the label {label!r}; expected one of" in str(error.value)
    assert (" and 10 more" in str(error.value)) == (len(names) == 40)


def test_what_can_not_be_classes_is_refused() -> None:
    with pytest.raises(InputError, match="rows.csv: expected at least two classes in column 'b', found only 'a'"):
        Classification.of(written(["a", "a"]))
    with pytest.raises(InputError, match="expected one target column for classification, received b, c"):
        Classification.of(written(["a", "b"], ["a", "b"]))


def test_any_number_of_labels() -> None:
    raw = written(["0", "1", "1.0"], [1, 0, 0])
    task = MultiLabel.of(raw)
    assert task.names == ("b", "c") and task.encode(raw).tolist() == [[0, 1], [1, 0], [1, 0]]
    fitted = task.fitted(task.encode(raw))
    assert fitted.majority == (1, 0) and fitted.counts(task.encode(raw)) == {"b": 2, "c": 1}
    assert [task.text(np.array(row)) for row in ([0, 0], [1, 1])] == ["", "b;c"]


@pytest.mark.parametrize("wrong", ["2", "-1", "yes", "0.5", "inf", "nan"])
def test_a_label_is_there_or_not(wrong: str) -> None:
    with pytest.raises(InputError) as error:
        MultiLabel(("b", "c")).encode(written(["0", "1"], ["1", wrong]))
    assert "rows.csv: row 3: expected 0 or 1 as target 'c' of multi_label, received" in str(error.value)
    assert repr(wrong) in str(error.value)


@pytest.mark.parametrize("kind", [Regression, TASKS["forecasting"]])
@pytest.mark.parametrize("wrong", ["inf", "-inf", "1e39", "-1e400", "four", "1,5"])
def test_a_number_is_finite_in_float32(kind: type[Regression], wrong: str) -> None:
    with pytest.raises(InputError) as error:
        kind(("b", "c")).encode(written(["0", "1"], ["1", wrong]))
    said = f"rows.csv: row 3: expected a finite number as target 'c' of {kind.name}, received {wrong!r}"
    assert said in str(error.value)


def test_numbers() -> None:
    raw = written([1, 2, 3.5], ["1e3", "-0", " 7 "])
    task = Regression.of(raw)
    values = task.encode(raw)
    assert values.dtype == np.float32 and values.tolist() == [[1, 1000], [2, 0], [3.5, 7]]
    assert task.fitted(values).deviations == pytest.approx(values.std(axis=0)) and task.counts(values) == {}
    assert task.strata(np.ones((5, 1), np.float32)).shape == (5, 1)
    assert (task.strata(np.arange(100.0)[:, None]).sum(axis=0) == 10).all()
    assert task.text(values[0]) == "1.0;1000.0"


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if not task.supervised])
def test_the_input_is_the_target(name: str) -> None:
    task = TASKS[name].of(written(["a", "a"]))
    assert task == TASKS[name]() and task.encode(written(["a", "b", "?"])).tolist() == [0, 0, 0]
    assert not task.from_columns


def test_each_task_whose_targets_are_written_is_held_to_what_it_does_not_know() -> None:
    """A new one belongs above."""
    assert {name for name, task in TASKS.items() if task.from_columns} == {
        "classification",
        "multi_label",
        "regression",
    }
    assert set(WRONG) == set(TASKS)


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.supervised])
def test_what_is_said_is_scored_graded_and_told(name: str) -> None:
    example = EXAMPLES[name]
    exam = Exam("test", example.targets, example.outputs())
    found = example.task.evaluate(exam)
    assert found.part == "test" and found.examples == COUNT and list(found.shown(details=True))
    assert json.loads(json.dumps(cards.plain(found.to_dict()), allow_nan=False))
    for measure in example.task.measures:
        assert np.isfinite(measure.score(example.task, example.targets, example.outputs())), measure.name
    said = list(forms.as_json(example.task, exam.outputs, {}))
    rows = example.task.graded([f"row {at}" for at in range(COUNT)], exam, said)
    assert sorted(row.name for row in rows) == sorted(f"row {at}" for at in range(COUNT))
    assert all(isinstance(row.cells(), dict) for row in rows)
    assert isinstance(example.task.findings(exam, found), tuple)
