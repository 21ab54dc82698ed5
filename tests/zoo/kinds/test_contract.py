"""What every kind of input keeps: the ways from an input to a network give the same numbers, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas
import pytest
from PIL import Image

import zoo
from zoo.artifacts.card import requested_kind
from zoo.data.dataset import Data
from zoo.data.kind import Kind
from zoo.data.parts import chosen_inputs, count
from zoo.kinds.registry import KINDS, kind_class, kind_of
from zoo.serving.servables import Tensor, checked
from zoo.training.preparing import prepare

MOST = 1_000_000
COUNT = 12


class Example(NamedTuple):
    """An untrained model of one kind, raw inputs to outputs."""

    data: Data
    kind: Kind
    model: Any


def folder_of_images(folder: Path, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    for name, form in (("dark", "PNG"), ("light", "JPEG")):
        (folder / name).mkdir(parents=True)
        for at in range(6):
            low = 0 if name == "dark" else 128
            pixels = rng.integers(low, low + 100, (20 + at, 24, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{at}.{form.lower()}", form)
    return folder


def rows(count: int = 40) -> pandas.DataFrame:
    rng = np.random.default_rng(1)
    frame = pandas.DataFrame({"width": rng.normal(5, 2, count), "height of it": rng.normal(-3, 0.1, count)})
    frame.loc[::7, "width"] = np.nan
    frame["colour"] = rng.choice(["red", "green", "blue, dark", ""], count)
    frame["kind"] = np.where(frame["height of it"] > -3, "tall", "flat")
    return frame


def rows_of_all_groups(count: int = 60) -> pandas.DataFrame:
    rng = np.random.default_rng(3)
    days = np.datetime64("2023-12-20") + rng.integers(0, 90, count).astype("timedelta64[D]")
    frame = rows(count)
    frame["price"] = [f"1.{at:03d},{at % 90 + 10} kg" if at % 9 else "unknown" for at in range(count)]
    frame["day"] = [str(day) if at % 8 else "" for at, day in enumerate(days)]
    frame["at"] = [f"{at % 12 + 1}/{at % 28 + 1}/2024 {at % 24:02d}:15" for at in range(count)]
    frame["said"] = [f"{word} a film of them all, {at}" for at, word in enumerate(rng.choice(["good", "bad"], count))]
    return frame


def several_series(lengths: tuple[int, ...]) -> pandas.DataFrame:
    rng = np.random.default_rng(2)
    frames = [
        pandas.DataFrame({"who": f"s{at}", "x": rng.normal(at % 2, 1, length), "y": rng.normal(size=length)})
        for at, length in enumerate(lengths)
    ]
    return pandas.concat(
        [frame.assign(target=("calm", "wild")[at % 2]) for at, frame in enumerate(frames)], ignore_index=True
    )


def read(name: str, folder: Path) -> tuple[str, Data]:
    """A builder, and data of the kind of that name."""
    match name:
        case "images":
            return "cnn", zoo.data.images(folder_of_images(folder / "images"))
        case "table":
            return "mlp", zoo.data.tables(rows(), target="kind")
        case "table of all groups":
            return "mlp", zoo.data.tables(rows_of_all_groups(), target="kind")
        case "text":
            texts = [f"{'good' if at % 2 else 'bad'} film number {at}!" for at in range(20)]
            frame = pandas.DataFrame({"text": texts, "label": [("no", "yes")[at % 2] for at in range(20)]})
            return "lstm", zoo.data.text(frame, column="text", target="label")
        case "sequence":
            return "gru", zoo.data.sequences(several_series((9, 7, 9, 5, 8, 9, 6, 9)), series="who", target="target")
        case "window":
            frame = several_series((80,)).drop(columns=["who", "target"])
            return "gru", zoo.data.sequences(frame, target="x", window=6, horizon=2)
        case "windows of several series":
            frame = several_series((40, 55, 40)).drop(columns=["target"])
            return "gru", zoo.data.sequences(frame, series="who", target="x", window=6, horizon=2)
    raise AssertionError(f"give an example of the kind {name}")


NAMES = [*KINDS, "table of all groups", "window", "windows of several series"]
EACH = pytest.mark.parametrize("example", NAMES, indirect=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Example]:
    return {}


@pytest.fixture
def example(request: pytest.FixtureRequest, made: dict[str, Example], tmp_path: Path) -> Iterator[Example]:
    name = request.param
    if name not in made:
        builder, data = read(name, tmp_path)
        job = prepare(builder, data, {})
        model = job.task.inference_model(job.network, job.data.preprocess, job.scale)
        card = job.task.to_card() | {"input": job.data.input}
        made[name] = Example(job.data, requested_kind(card, model), model)
    yield made[name]


def same(one: Any, other: Any) -> None:
    """Whether two inputs are equal, bit for bit, strings being equal as bytes or str."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            same(one[name], other[name])
        return
    one, other = np.asarray(one), np.asarray(other)
    if one.dtype == object or other.dtype.kind in "SUO":
        texts = [
            [each.decode() if isinstance(each, bytes) else str(each) for each in values.ravel()]
            for values in (one, other)
        ]
        assert one.shape == other.shape and texts[0] == texts[1]
    else:
        np.testing.assert_array_equal(one, other)


def tensors(kind: Kind, inputs: Any) -> dict[str, Any]:
    """A batch as the exported model is given it."""
    import tensorflow as tf

    specs, fed = kind.specification()[0], kind.feeds(inputs)
    assert fed.keys() == specs.keys()
    return {name: tf.constant(list(fed[name]), specs[name].dtype) for name in specs}


def some(example: Example) -> Any:
    return chosen_inputs(example.data.train.inputs, np.arange(min(COUNT, len(example.data.train))))


@EACH
def test_the_card_says_all_of_it(example: Example) -> None:
    kind = example.data.kind
    said = json.loads(json.dumps(kind.to_card()))
    assert kind_of(said) == kind and kind_of(said).to_card() == said
    checks = type(kind).card_checks(said, True)
    for field, right in checks.items():
        plain = field.removesuffix("?")
        assert plain in said or field.endswith("?"), field
        assert plain not in said or right(said[plain]), field


@EACH
@pytest.mark.parametrize("made_up", [False, True])
def test_an_assembled_request_is_the_input_in_memory(example: Example, made_up: bool) -> None:
    kind = example.kind
    inputs = kind.made_up(example.model, COUNT, np.random.default_rng(0)) if made_up else some(example)
    _, assemble = kind.specification()
    assembled = assemble(**tensors(kind, inputs))
    import keras

    same(keras.tree.map_structure(lambda value: value.numpy(), assembled), kind.in_memory(inputs))


@EACH
@pytest.mark.parametrize("unseen", [False, True])
def test_numbers_without_strings_are_prepared_as_the_input_is(example: Example, unseen: bool) -> None:
    import tensorflow as tf

    kind, model = example.kind, example.model
    inputs = kind.in_memory(kind.made_up(model, COUNT, np.random.default_rng(1)))
    inputs = kind.with_unseen(inputs) if unseen else inputs
    numbers = kind.numbers(model, inputs)
    specs = kind.tensors(model)
    assert numbers.keys() == specs.keys() <= kind.meanings().keys()
    for name, (dtype, shape) in specs.items():
        assert numbers[name].dtype == dtype and len(numbers[name].shape) == len(shape) + 1
    preprocess = kind.preprocess_of(model)
    ready = kind.prepare(preprocess, {name: tf.constant(value) for name, value in numbers.items()})
    ready = ready[0] if isinstance(ready, list | tuple) else ready  # beside the unit of each, which the answer takes
    wanted = kind.prepared(inputs, preprocess, "made up")
    np.testing.assert_array_equal(np.asarray(ready, np.float32), np.asarray(wanted, np.float32))


@EACH
def test_a_made_up_input_passes_the_check_of_a_request(example: Example) -> None:
    kind = example.kind
    inputs = kind.made_up(example.model, COUNT, np.random.default_rng(2))
    assert count(inputs) == COUNT
    fed = kind.feeds(inputs)
    specs = kind.specification()[0]
    taken = {name: Tensor(spec.dtype.name, tuple(spec.shape.as_list())) for name, spec in specs.items()}
    for at in range(COUNT):
        fields = {name: values[at] for name, values in fed.items()}
        fields = {n: v.tolist() if isinstance(v, np.ndarray | np.generic) else v for n, v in fields.items()}
        checked(fields, taken, kind, MOST)


@EACH
def test_made_up_inputs_differ_and_are_the_same_each_time(example: Example) -> None:
    kind = example.kind
    first = kind.in_memory(kind.made_up(example.model, COUNT, np.random.default_rng(3)))
    same(first, kind.in_memory(kind.made_up(example.model, COUNT, np.random.default_rng(3))))
    one, other = chosen_inputs(first, np.arange(1)), chosen_inputs(first, np.arange(1, 2))
    with pytest.raises(AssertionError):
        same(one, other)


@EACH
def test_what_is_decoded_piece_by_piece_is_what_is_decoded_at_once(example: Example) -> None:
    kind, inputs = example.kind, some(example)
    pieces = list(kind.decoded(inputs))
    assert not any(piece.errors for piece in pieces)
    assert [int(at) for piece in pieces for at in piece.positions] == list(range(count(inputs)))
    same(pieces[0].inputs, kind.in_memory(inputs))


@EACH
def test_a_page_has_a_field_for_each_tensor_and_an_example_that_passes(example: Example) -> None:
    kind = example.kind
    specs = kind.specification()[0]
    shapes = {name: tuple(spec.shape.as_list()[1:]) for name, spec in specs.items()}
    fields = kind.form(shapes, {})
    assert sorted(field["name"] for field in fields) == sorted(specs)
    assert all(isinstance(field["type"], str) for field in fields)
    one = kind.example(example.data.train)
    assert one is None or one.keys() == specs.keys()


def test_each_kind_in_the_registry_says_what_it_is() -> None:
    for name in KINDS:
        kind = kind_class(name)
        assert kind.name == name and kind.plural and kind.title and kind.placeholder
