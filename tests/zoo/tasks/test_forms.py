"""An answer is the same in NumPy and in an exported graph, in each form, for each task."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as any_array

from support.tasks import CHANGES, NAMES
from support.tasks import TASKS as EXAMPLES
from zoo.tasks import forms
from zoo.tasks.classification import Classification
from zoo.tasks.forms import FORMS
from zoo.tasks.multi_label import MultiLabel
from zoo.tasks.reconstruction import Reconstruction
from zoo.tasks.registry import TASKS
from zoo.tasks.task import Task
from zoo.tasks.terms import Value

EACH = pytest.mark.parametrize("name", TASKS)
TIES = st.sampled_from([0.0, 1.0, 0.5, 0.25, 0.9, float(np.float32(0.9))])


def every(task: Task) -> dict[str, Value]:
    """All that is said, to everybody or not."""
    return task.values() | task.raw_values()


def graph(task: Task, shapes: dict[str, tuple[int, ...]]) -> Any:
    """What an export says of outputs: a traced function of tensors."""
    specs = {name: tf.TensorSpec([None, *shape], tf.float32, name=name) for name, shape in shapes.items()}

    def said(**outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        answer = task.answer(outputs, {}, keras.ops)
        return {n: FORMS[v.form].graph(task.names, answer.values[n]) for n, v in every(task).items()}

    return tf.function(said).get_concrete_function(**specs)


@pytest.fixture(scope="module")
def graphs() -> dict[str, Any]:
    return {name: graph(example.task, example.shapes) for name, example in EXAMPLES.items()}


def check(task: Task, function: Any, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Hold what `function` says of `outputs` to what NumPy says of them; gives that."""
    answer = task.answer(outputs, {}, np)
    here = {name: FORMS[value.form].array(task.names, answer.values[name]) for name, value in every(task).items()}
    there = {name: value.numpy() for name, value in function(**{n: tf.constant(v) for n, v in outputs.items()}).items()}
    assert set(here) == set(there) == set(every(task)) and set(forms.in_numpy(task, answer)) == set(task.values())
    for name, value in every(task).items():
        form = FORMS[value.form]
        assert there[name].dtype == (object if form.dtype == "string" else np.dtype(form.dtype)), name
        if value.form == "image" and not len(there[name]):  # of no file no size is known
            assert len(here[name]) == 0
            continue
        said = form.said(there[name])
        for one, other in zip(said, here[name], strict=True):  # masks may differ in size
            np.testing.assert_array_equal(normal(one), normal(other), err_msg=name)
        assert said.dtype == here[name].dtype and said.shape == here[name].shape, name
    return here


def normal(value: Any) -> np.ndarray:
    """Numbers below the smallest normal float32 as 0, which TensorFlow makes of them."""
    values = np.asarray(value)
    return np.where(np.abs(values) < np.finfo(np.float32).tiny, 0, values) if values.dtype.kind == "f" else values


def outputs_of(name: str, elements: st.SearchStrategy[float], count: int) -> st.SearchStrategy[dict[str, np.ndarray]]:
    shapes = EXAMPLES[name].shapes
    given = {each: any_array(np.float32, (count, *shape), elements=elements) for each, shape in shapes.items()}
    return st.fixed_dictionaries(given)


def test_the_examples_have_every_task_and_every_form() -> None:
    assert set(EXAMPLES) == set(TASKS)
    assert all(type(EXAMPLES[name].task) is TASKS[name] for name in TASKS)
    assert set(CHANGES) == set(FORMS)
    assert {value.form for example in EXAMPLES.values() for value in every(example.task).values()} == set(FORMS)


@EACH
@pytest.mark.parametrize("count", [0, 1, 33])
def test_batches_of_any_size(name: str, count: int, graphs: dict[str, Any]) -> None:
    said = check(EXAMPLES[name].task, graphs[name], EXAMPLES[name].outputs(count))
    assert all(len(value) == count for value in said.values())


@EACH
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_outputs(name: str, graphs: dict[str, Any], data: st.DataObject) -> None:
    low, high = EXAMPLES[name].range
    number = st.floats(low, float(np.float32(high)), width=32, allow_subnormal=False)
    check(EXAMPLES[name].task, graphs[name], data.draw(outputs_of(name, number, 3)))


@EACH
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_exact_ties_and_what_is_saturated(name: str, graphs: dict[str, Any], data: st.DataObject) -> None:
    ties = TIES.map(lambda share: share * EXAMPLES[name].range[1]).map(lambda each: float(np.float32(each)))
    check(EXAMPLES[name].task, graphs[name], data.draw(outputs_of(name, ties, 4)))


def test_of_equal_probabilities_the_first_class_is_said() -> None:
    task = Classification(NAMES)
    rows = np.array([[0.25] * 4, [0, 0.5, 0.5, 0], [0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], np.float32)
    said = check(task, graph(task, {"probabilities": (4,)}), {"probabilities": rows})
    assert said["label"].tolist() == ["a;b", "größe 日本", "0", "a;b", "a;b"]


def test_a_probability_of_just_one_half_is_enough_for_a_label() -> None:
    task = MultiLabel(NAMES)
    below = np.nextafter(np.float32(0.5), np.float32(0))
    rows = np.array([[0.5] * 4, [below] * 4, [0.5, below, 0.5, below], [1, 0, 0, 1]], np.float32)
    said = check(task, graph(task, {"probabilities": (4,)}), {"probabilities": rows})
    assert said["label"].tolist() == [";".join(NAMES), "", "a;b; ", "a;b;0"]


@pytest.mark.parametrize("limit", [0.0, 0.1, float(np.float32(0.1)), 1e-30, -1.0])
def test_a_score_of_just_the_threshold_is_no_anomaly(limit: float) -> None:
    task = Reconstruction(threshold=limit)
    at = np.float32(limit)
    scores = np.array([at, np.nextafter(at, np.float32(9)), np.nextafter(at, np.float32(-9)), 1e30, 0], np.float32)
    scores[np.abs(scores) < np.finfo(np.float32).tiny] = 0  # TensorFlow takes numbers so small for 0
    outputs = {"score": scores, "reconstruction": np.zeros((5, 2), np.float32)}
    said = check(task, graph(task, {"score": (), "reconstruction": (2,)}), outputs)
    assert not said["is_anomaly"][0] and said["is_anomaly"][3]


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_between_two_whole_ones_and_outside_of_them(channels: int) -> None:
    task, some = TASKS["generation"](), np.array([0.5, 1.5, 2.5, -3, -0.5, 254.5, 255.5, 300, 127.49999], np.float32)
    pixels = np.tile(some[:, None, None, None], (1, 2, 1, channels))
    said = check(task, graph(task, {"pixels": pixels.shape[1:]}), {"pixels": pixels})
    assert said["image_bytes"][:, 0, 0, 0].tolist() == [0, 2, 2, 0, 0, 254, 255, 255, 127]


def test_a_single_class_or_number_has_answers_too() -> None:
    for task, output in ((Classification(("only",)), "probabilities"), (TASKS["regression"](("only",)), "prediction")):
        check(task, graph(task, {output: (1,)}), {output: np.array([[0.3], [1.0]], np.float32)})


@EACH
def test_answers_are_float32_that_json_holds_and_cells_show(name: str) -> None:
    task, outputs = EXAMPLES[name].task, EXAMPLES[name].outputs()
    answer = task.answer(outputs, {}, np)
    assert set(answer.margins) <= {each for each, value in every(task).items() if FORMS[value.form].decision}
    for value in (*answer.values.values(), *answer.margins.values()):
        assert value.dtype in (np.float32, np.int64, bool) and len(value) == len(next(iter(outputs.values())))
    told, written = list(forms.as_json(task, outputs, {})), forms.in_numpy(task, answer)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert [list(each) for each in told] == [list(task.values())] * len(told)
    for each, value in task.values().items():
        form = FORMS[value.form]
        if form.dtype == "string" and not form.suffix:
            assert [row[each] for row in told] == written[each].tolist()
        assert all(isinstance(form.cell(task.names, row[each], 2), str) for row in told)


@EACH
def test_each_output_of_the_network_is_a_value_so_that_formats_are_held_to_it(name: str) -> None:
    task = EXAMPLES[name].task
    assert set(task.outputs) == set(EXAMPLES[name].shapes) and set(task.outputs) <= set(forms.portable(task))
    assert set(forms.by_name(task)) == {n for n, v in task.values().items() if v.form in ("name", "names")}
