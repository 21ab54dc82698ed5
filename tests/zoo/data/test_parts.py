"""Inputs of every form are chosen, counted and joined alike."""

from pathlib import Path

import numpy as np
import pytest

from zoo.data.parts import Files, Inputs, Part, chosen_inputs, count, in_files, joined

ARRAY = np.arange(12).reshape(4, 3)
FORMS: dict[str, Inputs] = {
    "array": ARRAY,
    "columns": {"numeric": ARRAY * 0.5, "categorical": np.array([["a"], ["b"], ["c"], ["d"]], object)},
    "files": Files(Path(f"{at}.png") for at in range(4)),
}


@pytest.mark.parametrize("form", FORMS)
def test_examples_are_chosen_and_counted_in_every_form(form: str) -> None:
    inputs = FORMS[form]
    part = Part(inputs, np.arange(4), tuple("abcd"), tuple("abcd")).chosen(np.array([3, 1]))
    assert count(inputs) == 4 and count(part.inputs) == 2 and type(part.inputs) is type(inputs)
    assert part.names == ("d", "b") and part.targets.tolist() == [3, 1]
    again = chosen_inputs(part.inputs, np.array([1, 0, 0]))
    assert repr(again) == repr(chosen_inputs(inputs, np.array([1, 3, 3])))
    assert count(chosen_inputs(inputs, np.zeros(0, np.int64))) == 0


@pytest.mark.parametrize("form", ["array", "columns"])
def test_arrays_are_joined_in_order(form: str) -> None:
    inputs = FORMS[form]
    halves = [chosen_inputs(inputs, np.array(at)) for at in ([0, 1], [2, 3])]
    assert repr(joined(halves)) == repr(inputs) and joined([inputs]) is inputs
    if isinstance(inputs, dict):
        assert list(joined(halves)) == list(inputs)  # in their order, not in that of the alphabet


def test_files_are_a_value_that_is_read_when_needed() -> None:
    files = FORMS["files"]
    assert in_files(files) and not in_files(ARRAY)
    assert files[2] == Path("2.png") and list(files[1:]) == [Path("1.png"), Path("2.png"), Path("3.png")]
    assert files == Files(list(files)) and hash(files) == hash(Files(files)) and files != list(files)
