"""The gates hold each value of each task: what is equal passes, and whatever else an export says is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from support.tasks import COUNT, border, card_of, said_by, without_margins
from support.tasks import TASKS as EXAMPLES
from zoo.artifacts.gate import TOLERANCE, ExportAnswers, Parity, alike, compare, compare_values, count_flips
from zoo.errors import InputError
from zoo.formats import parity as formats
from zoo.formats.gate_inputs import GateInputs
from zoo.formats.parity import Expected
from zoo.serving.servables import NumericServable, Row
from zoo.tasks.forms import FORMS
from zoo.tasks.registry import TASKS, task_of
from zoo.tasks.task import Task
from zoo.tasks.terms import Outputs

EACH = pytest.mark.parametrize("name", TASKS)
VALUES = [(name, *each) for name, example in EXAMPLES.items() for each in example.task.values().items()]
EACH_VALUE = pytest.mark.parametrize(("name", "value"), [each[:2] for each in VALUES])
NUMBERS = [(name, value) for name, value, said in VALUES if not FORMS[said.form].decision]
DECIDED = sorted({name for name, value, said in VALUES if FORMS[said.form].decision})


def proven(task: Task, outputs: Outputs, said: dict[str, np.ndarray]) -> Parity:
    """What the gate finds."""
    inputs = np.zeros((len(next(iter(outputs.values()))), 1))
    return compare(task, outputs, ExportAnswers(said, np.arange(len(inputs)), ()), [])


@EACH
def test_what_is_equal_passes(name: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    assert proven(task, outputs, said_by(task, outputs)) == Parity(COUNT, {}, 0.0, 0, TOLERANCE)


@EACH
@pytest.mark.parametrize("seed", range(5))
def test_noise_passes_and_flips_nothing(name: str, seed: int) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs(256, seed)
    rng, units = np.random.default_rng(seed), task.units(outputs)
    noisy = {n: (v + 1e-7 * units[n] * rng.uniform(-1, 1, v.shape)).astype(np.float32) for n, v in outputs.items()}
    found = proven(task, outputs, said_by(task, noisy))
    assert found.passed and found.label_differences == 0 and found.largest_difference > 0
    drawn = any(value.form == "image" for value in task.values().values())  # some pixel is always near another value
    assert drawn or alike(task, outputs, noisy, TOLERANCE)


@EACH_VALUE
def test_another_value_is_refused_whatever_the_others_are(name: str, value: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    found = proven(task, outputs, said_by(task, outputs, value))
    decided = FORMS[task.values()[value].form].decision
    assert not found.passed and (found.label_differences > 0) == decided
    assert (found.largest_difference > TOLERANCE) == (not decided)


@EACH_VALUE
def test_the_value_of_another_example_is_refused(name: str, value: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    said = said_by(task, outputs)
    assert not proven(task, outputs, said | {value: np.roll(said[value], 1, axis=0)}).passed


@EACH_VALUE
def test_a_value_that_is_not_there_or_has_another_shape_is_refused(name: str, value: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    said = said_by(task, outputs)
    assert not proven(task, outputs, {each: said[each] for each in said if each != value}).passed
    for wrong in (said[value][:-1], said[value][:0], said[value][:, None], said[value][None], said[value][0]):
        assert not proven(task, outputs, said | {value: wrong}).passed


@EACH_VALUE
def test_what_is_no_value_of_that_form_is_refused(name: str, value: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    said = said_by(task, outputs)
    bytes_ = np.array([b"\xff\xfe"] * COUNT, object)
    for wrong in (bytes_, np.full(COUNT, np.nan), np.full(said[value].shape, np.nan), np.full(said[value].shape, None)):
        assert not proven(task, outputs, said | {value: wrong}).passed
    if FORMS[task.values()[value].form].dtype != "string":
        for number in (np.nan, np.inf, -np.inf):
            one = said[value].astype(np.float32)
            one.flat[3] = number
            assert not proven(task, outputs, said | {value: one}).passed


@pytest.mark.parametrize(("name", "value"), NUMBERS)
def test_one_number_that_is_a_thousandth_off_is_refused(name: str, value: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    said = said_by(task, outputs)
    for at in (0, said[value].size - 1):
        moved = said[value].copy()
        moved.flat[at] += 2e-3 * EXAMPLES[name].range[1]
        found = proven(task, outputs, said | {value: moved})
        assert not found.passed and found.label_differences == 0 and np.isfinite(found.largest_difference)


@EACH
def test_outputs_of_other_examples_are_refused_and_not_alike(name: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    others = {each: np.roll(values, 1, axis=0) for each, values in outputs.items()}
    found = proven(task, outputs, said_by(task, others))
    assert not found.passed and f"(allowed {TOLERANCE:g})" in found.reason()
    assert not alike(task, outputs, others, TOLERANCE)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@EACH
def test_a_model_that_gives_no_numbers_proves_nothing(name: str) -> None:
    example = EXAMPLES[name]
    for number in (np.nan, np.inf):
        for output in example.shapes:
            outputs = example.outputs()
            outputs[output].flat[-1] = number
            for other in (example.outputs(), outputs):
                assert not proven(example.task, outputs, said_by(example.task, other)).passed
                assert not alike(example.task, outputs, other, TOLERANCE)


def test_labels_in_another_order_are_refused() -> None:
    task, outputs = replace(EXAMPLES["multi_label"].task, names=tuple("abcd")), EXAMPLES["multi_label"].outputs()
    said = said_by(task, outputs)
    assert proven(task, outputs, said).passed
    said["label"] = np.array([b";".join(reversed(label.split(b";"))) for label in said["label"]], object)
    assert not proven(task, outputs, said).passed


def test_another_threshold_is_refused() -> None:
    task, outputs = EXAMPLES["reconstruction"].task, EXAMPLES["reconstruction"].outputs(64)
    moved = replace(task, threshold=1.2)
    found = proven(task, outputs, said_by(moved, outputs))
    scores = outputs["score"]
    assert found.label_differences == int(((scores > task.threshold) & (scores <= 1.2)).sum()) > 0


@pytest.mark.parametrize("name", DECIDED)
def test_a_decision_may_differ_only_as_near_as_twice_the_tolerance(name: str) -> None:
    task, (near, other) = EXAMPLES[name].task, border(name, 0.2 * TOLERANCE)
    said = said_by(task, other)
    values = {each: value for each, value in task.values().items() if FORMS[value.form].decision}
    assert any((said[each] != said_by(task, near)[each]).any() for each in values)
    assert proven(task, near, said).passed
    assert proven(without_margins(task), near, said).label_differences == 1
    assert proven(without_margins(task), near, said_by(task, near)).passed
    far, other = border(name, 3 * TOLERANCE)
    assert compare_values(task, far, said_by(task, other), values, TOLERANCE) == (0.0, 1)


@pytest.mark.parametrize(
    ("name", "middle", "may", "may_not"),
    [
        ("classification", [0.45, 0.45, 0.1, 0], ["a;b", "größe 日本"], [" ", "0", "", "a", "a;b;größe 日本"]),
        (
            "multi_label",
            [0.5, 0.1, 0.9, 0.5],
            ["a;b; ;0", "a;b; ", " ;0", " "],
            ["", "0", "a;b", "größe 日本; ", "0; "],
        ),
        ("multi_label", [0.5, 0.1, 0.1, 0.1], ["a;b", ""], [";", " ", "a", "b", "0", "a;b;"]),
        ("reconstruction", None, [True, False], []),
        ("generation", [127.5, 12.5], [[127, 12], [128, 12], [127, 13]], [[126, 12], [129, 12], [127, 14], [0, 0]]),
    ],
)
def test_a_near_decision_may_be_another_near_one_alone(
    name: str, middle: list[float] | None, may: list[Any], may_not: list[Any]
) -> None:
    task, (output, *_) = EXAMPLES[name].task, EXAMPLES[name].shapes
    outputs = {output: np.float32([middle])}
    if name == "reconstruction":
        outputs = {"score": np.float32([task.threshold]), output: np.ones((1, 3, 2), np.float32)}
    if name == "generation":
        outputs = {output: np.float32([middle]).reshape(1, 1, 2, 1)}
    (value,) = (each for each, said in task.values().items() if FORMS[said.form].decision)
    answer = task.answer(outputs, {}, np)
    for said in (*may, *may_not):
        received = np.array([said], object if isinstance(said, str) else None)
        received = received.reshape(1, 1, 2, 1) if name == "generation" else received
        assert count_flips(task, value, answer, received, TOLERANCE) == (said in may_not), said


@EACH
def test_outputs_are_alike_whose_decisions_are_equal(name: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    near = {each: np.nextafter(values, np.float32(1e9)) for each, values in outputs.items()}
    assert alike(task, outputs, outputs, TOLERANCE) and alike(task, outputs, near, TOLERANCE)
    if name in DECIDED:
        assert not alike(task, *border(name, 0.2 * TOLERANCE), TOLERANCE)


@EACH
def test_nothing_to_compare_proves_nothing(name: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    assert compare_values(task, outputs, said_by(task, outputs), {}, TOLERANCE)[0] == float("inf")
    none = compare(task, outputs, ExportAnswers(said_by(task, outputs), np.zeros(0, np.int64), ()), [])
    assert not none.passed


# ---- a task that is not known ----


def test_a_task_that_is_not_known_is_refused_everywhere() -> None:
    known = ".*".join(TASKS)
    outputs = EXAMPLES["classification"].outputs()
    for card in (card_of("classification") | {"task": "detection"}, {"classes": ["a"]}):
        with pytest.raises(InputError, match=f"expected task to be {known}, received"):
            task_of(card)
        with pytest.raises(InputError, match=known):
            asked = GateInputs(np.zeros((COUNT, 1)), None, "made up")
            formats.compare(Expected({}, {"model": outputs}), {"model": outputs}, asked, card, int8=False)
        with pytest.raises(InputError, match=known):
            NumericServable(card, lambda tensors: outputs, "saved_model")


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.supervised])
def test_a_server_says_what_the_export_says(name: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    server = NumericServable(card_of(name), lambda tensors: outputs, "made up")
    size = {"size": np.int32([4, 4])} if task.asks else {}
    rows = server.run("serving_default", [Row({"image": np.zeros((4, 4, 3), np.uint8)}, size)] * COUNT)
    for value in task.values():
        form, said = FORMS[task.values()[value].form], said_by(task, outputs)[value]
        received = [row[value] for row in rows]
        if form.suffix:
            assert all(isinstance(each, bytes) for each in received)
        pairs = zip(form.said(np.array(received, object)) if form.suffix else received, form.said(said), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)
