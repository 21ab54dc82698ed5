"""A format holds each value of each task to the model, and what it leaves to those who ask it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.tasks import COUNT, border, card_of, said_by, without_margins
from support.tasks import TASKS as EXAMPLES
from zoo.formats import parity
from zoo.formats.gate_inputs import GateInputs
from zoo.formats.parity import Expected
from zoo.tasks import forms
from zoo.tasks.registry import TASKS
from zoo.tasks.terms import Outputs

EACH = pytest.mark.parametrize("name", TASKS)
VALUES = [(name, value) for name, example in EXAMPLES.items() for value in example.task.values()]
PORTABLE = [(name, value) for name, example in EXAMPLES.items() for value in forms.portable(example.task)]


def in_format(name: str, outputs: Outputs, change: str | None = None) -> dict[str, np.ndarray]:
    """What a format says that is a network with such outputs."""
    said = said_by(EXAMPLES[name].task, outputs, change, raw=True)
    return {value: said[value] for value in forms.portable(EXAMPLES[name].task)}


def verdict(name: str, said: dict[str, Any], *, labelled: bool = False, **how: Any) -> parity.Verdict:
    example = EXAMPLES[name]
    asked = GateInputs(np.zeros((COUNT, 1)), example.targets if labelled else None, "made up")
    wanted = Expected({}, {"model": example.outputs(), "encoder": {"code": np.ones((COUNT, 2), np.float32)}})
    found = {"model": said, "encoder": {"code": np.ones((COUNT, 2), np.float32)}} | how.pop("parts", {})
    return parity.compare(wanted, found, asked, card_of(name), **{"int8": False} | how)


@EACH
def test_a_format_that_says_the_same_passes(name: str) -> None:
    found = verdict(name, in_format(name, EXAMPLES[name].outputs()))
    assert found.passed and found.parity.largest_difference == 0 and found.labels_agree in (1.0, None)
    noisy = {each: values * np.float32(1 + 1e-6) for each, values in EXAMPLES[name].outputs().items()}
    assert verdict(name, in_format(name, noisy)).passed


@pytest.mark.parametrize(("name", "value"), PORTABLE)
def test_a_format_that_says_something_else_is_refused(name: str, value: str) -> None:
    outputs = EXAMPLES[name].outputs()
    said = in_format(name, outputs)
    assert not verdict(name, in_format(name, outputs, value)).passed
    for wrong in (np.roll(said[value], 1, axis=0), said[value][:-1], said[value][:, None], np.nan * said[value]):
        assert not verdict(name, said | {value: wrong}).passed
    assert not verdict(name, {each: said[each] for each in said if each != value}).passed


@EACH
def test_a_part_of_a_format_that_is_not_there_or_says_something_else_is_refused(name: str) -> None:
    said = in_format(name, EXAMPLES[name].outputs())
    for code in (
        {},
        {"code": np.zeros((COUNT, 2))},
        {"code": np.ones((COUNT, 3))},
        {"code": np.full((COUNT, 2), np.nan)},
    ):
        assert not verdict(name, said, parts={"encoder": code}).passed
    wanted, card = Expected({}, {"model": EXAMPLES[name].outputs()}), card_of(name)
    assert not parity.compare(wanted, {}, GateInputs(np.zeros((COUNT, 1)), None, ""), card, int8=False).passed


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_an_export_with_strings_has_to_say_every_value(name: str, value: str) -> None:
    outputs = EXAMPLES[name].outputs()
    said = said_by(EXAMPLES[name].task, outputs)
    assert verdict(name, said, strings=True).passed
    assert not verdict(name, {each: said[each] for each in said if each != value}, strings=True).passed
    assert not verdict(name, said_by(EXAMPLES[name].task, outputs, value), strings=True).passed


@pytest.mark.parametrize("name", ["classification", "multi_label"])
def test_labels_that_those_who_ask_decide_are_held_by_their_margin(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def labels(distance: float, tolerance: float) -> parity.Verdict:
        one, other = border(name, distance)
        asked, parts = GateInputs(np.zeros((1, 1)), None, "made up"), ({"model": one}, {"model": other})
        return parity.compare(Expected({}, parts[0]), parts[1], asked, card_of(name), int8=False, tolerance=tolerance)

    assert labels(4e-5, 1e-4).passed and labels(4e-5, 1e-4).labels_agree == 0
    monkeypatch.setitem(TASKS, name, type(without_margins(EXAMPLES[name].task)))
    assert labels(4e-5, 1e-4).parity.label_differences == 1


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.quality and not task.pixelwise])
def test_an_int8_model_is_held_to_its_score(name: str) -> None:
    outputs = EXAMPLES[name].outputs()
    right = {"probabilities": np.eye(4, dtype=np.float32)[np.arange(COUNT) % 4], "prediction": EXAMPLES[name].targets}
    wrong = {each: np.roll(values, 1, axis=0) for each, values in right.items()}
    (output,) = outputs
    wanted = Expected({}, {"model": {output: right[output]}})
    asked = GateInputs(np.zeros((COUNT, 1)), EXAMPLES[name].targets, "labelled")
    for said, passed in ((right, True), (wrong, False), ({output: np.nan * right[output]}, False), ({}, False)):
        found = {"model": {output: said[output]} if said else {}}
        if said:
            assert parity.compare(wanted, found, asked, card_of(name), int8=True).passed == passed
