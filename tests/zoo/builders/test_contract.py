"""The contract of builders, over the registry: a new one is taken up by its line there and its docstring.

Those that bring no task, as most do, are held to all of it; autoencoders and adversarial networks, which have no
targets, to what is said of names and docstrings here, and for the rest to test_composites.py.

The shapes come from the docstring's ``Input``: every ``float32 (batch, ...)`` or ``int32 (batch, ...)`` in it is a
form of input that the builder takes.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner

import zoo.builders
from support.builders import SUPERVISED, keywords, wrong
from support.places import ROOT
from zoo.builders import registry
from zoo.builders.checks import OUTPUTS
from zoo.builders.registry import BUILDERS, builder, summary
from zoo.commands.training import show
from zoo.errors import InputError

SIZES = {"height": 12, "width": 10, "channels": 3, "length": 9, "features": 4}  # of the axes that docstrings name
HALVED = SIZES | {"height": 32, "width": 16}  # of builders that return to the size of the image
VOCABULARY, BATCH, CLASSES = 30, 6, 3
FOR_TOKENS = ("token_dropout", "ngrams")
OF_TASKS = {"classification": "softmax", "multi_label": "sigmoid", "regression": "linear", "forecasting": "linear"}


class Form(NamedTuple):
    """One builder with one of the inputs it takes."""

    name: str
    axes: tuple[str, ...]
    tokens: bool

    @property
    def shape(self) -> tuple[int, ...]:
        sizes = HALVED if BUILDERS[self.name].per_pixel else SIZES
        return tuple(sizes[axis] for axis in self.axes)

    @property
    def answer(self) -> tuple[int, ...]:
        """Axes of what it gives for one input, without the classes."""
        return self.shape[:2] if BUILDERS[self.name].per_pixel else ()

    def labels(self) -> np.ndarray:
        """A class for each answer of a batch, all of them there."""
        return np.arange(BATCH * math.prod(self.answer)).reshape(BATCH, *self.answer) % CLASSES

    def build(self, classes: int = CLASSES, **arguments: Any) -> Any:
        return builder(self.name)(self.shape, classes, **self.given(), **arguments)

    def given(self) -> dict[str, Any]:
        return {"vocabulary_size": VOCABULARY} if self.tokens else {}

    def batch(self, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        shape = (BATCH, *self.shape)
        if self.tokens:
            batch = rng.integers(1, VOCABULARY, shape).astype(np.int32)
            batch[0, 5:] = 0
            return batch
        if "channels" in self.axes:
            return rng.uniform(0, 255, shape).astype(np.float32)
        batch = rng.normal(size=shape).astype(np.float32)
        if "length" in self.axes:
            batch[0, 5:] = np.nan
        return batch


def section(name: str, title: str) -> str:
    """A section of the builder's docstring, up to the next one."""
    found = re.search(rf"^{title}: *(.*?)(?=^\w+:|\Z)", inspect.getdoc(builder(name)) or "", re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def forms(names: Iterable[str] | None = None) -> list[Form]:
    return [
        Form(name, tuple(re.split(r",\s*", axes)), dtype == "int32")
        for name in (SUPERVISED if names is None else names)
        for dtype, axes in re.findall(r"(float32|int32) \(batch, ([^)]*)\)", section(name, "Input"))
    ]


def tiny(form: Form) -> dict[str, Any]:
    """Every size small and every switch on."""
    arguments = {}
    for argument, default in keywords(form.name).items():
        if argument in FOR_TOKENS and not form.tokens:
            continue
        if isinstance(default, bool):
            arguments[argument] = True
        elif isinstance(default, int):
            arguments[argument] = min(default, 8) or 2
        elif isinstance(default, tuple):
            arguments[argument] = (4, 6)
        elif isinstance(default, float):
            arguments[argument] = 0.1
    return arguments


def outputs(model: Any, batch: np.ndarray) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(model(batch, training=False))


every_builder = pytest.mark.parametrize("name", BUILDERS)
sizes = pytest.mark.parametrize("size", [pytest.param("default", marks=pytest.mark.slow), "tiny"])
every_form = pytest.mark.parametrize("form", forms(), ids=lambda form: f"{form.name}-{'-'.join(form.axes)}")


@every_builder
def test_shape_and_classes_are_positional_and_the_rest_is_named(name: str) -> None:
    parameters = list(inspect.signature(builder(name)).parameters.values())
    positional = (
        ["input_shape", "num_classes"] if name in SUPERVISED or name.startswith("conditional") else ["input_shape"]
    )
    count = len(positional)
    assert [item.name for item in parameters[:count]] == positional
    assert all(item.kind is item.POSITIONAL_OR_KEYWORD and item.default is item.empty for item in parameters[:count])
    assert all(item.kind is item.KEYWORD_ONLY for item in parameters[count:])
    for item in parameters[count:]:
        immutable = item.default if isinstance(item.default, tuple) else (item.default,)
        assert all(isinstance(value, str | int | float | bool | None) for value in immutable)
    assert keywords(name)["name"] == name
    assert ("output" in keywords(name)) == (name in SUPERVISED)
    assert keywords(name).get("output", "softmax") == "softmax"


@every_builder
def test_the_docstring_tells_input_output_arguments_errors_and_source(name: str) -> None:
    assert summary(name).endswith(".")
    for title in ("Input", "Output", "Args", "Raises", "Source"):
        assert section(name, title), title
    assert re.search(r"\d{4}", section(name, "Source"))
    documented = re.findall(r"^    (\w+):", section(name, "Args"), re.MULTILINE)
    assert documented == list(inspect.signature(builder(name)).parameters)
    assert forms([name])


@every_builder
def test_the_row_says_what_the_builder_takes(name: str) -> None:
    row = BUILDERS[name]
    assert row == registry.row(builder(name))
    assert registry.row(partial(builder(name))) is None and registry.row(forms) is None
    if row.task != "generation":  # whose input is a code
        of_axes = {1: "table", 2: "sequence", 3: "images"}
        kinds = {"text" if form.tokens else of_axes[len(form.axes)] for form in forms([name])}
        assert set(row.kinds) == kinds


@every_builder
def test_it_is_shown_with_its_usual_shape(name: str) -> None:
    shown = CliRunner().invoke(show, [name])
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith(f"{name}(input_shape: ") and "Source:" in shown.output
    networks = 1 if name in SUPERVISED or BUILDERS[name].adapts else 2
    assert shown.output.count("Total params") == networks


@every_form
@pytest.mark.parametrize("output", OUTPUTS)
def test_output_has_the_shape_and_range_of_its_activation(form: Form, output: str) -> None:
    model = form.build(output=output)
    assert model.input_shape == (None, *form.shape)
    assert not model.compiled
    found = outputs(model, form.batch())
    assert found.shape == (BATCH, *form.answer, CLASSES)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    if output == "softmax":
        np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    else:
        assert form.build(1, output=output).output_shape == (None, *form.answer, 1)
    if output in ("softmax", "sigmoid"):
        assert found.max() <= 1
    assert model.layers[-1].activation.__name__ == output
    if output != "linear":
        assert found.min() >= 0


@pytest.mark.parametrize("name", [name for name in SUPERVISED if "task" in keywords(name)])
@pytest.mark.parametrize("task", OF_TASKS)
def test_a_task_stands_for_its_activation_and_warns(name: str, task: str) -> None:
    import keras

    form = forms([name])[-1]
    keras.utils.set_random_seed(0)
    with pytest.warns(DeprecationWarning, match=rf"{task!r} is deprecated.*output='{OF_TASKS[task]}'") as warned:
        model = form.build(task=task)
    assert warned[0].filename == __file__
    keras.utils.set_random_seed(0)
    same = form.build(output=OF_TASKS[task])
    np.testing.assert_array_equal(outputs(model, form.batch()), outputs(same, form.batch()))
    with pytest.raises(ValueError, match="expected output alone.*received output='linear' and task="):
        form.build(output="linear", task=task)


@every_form
@sizes
def test_ten_steps_lower_the_loss_on_a_fixed_batch(form: Form, size: str) -> None:
    import keras

    keras.utils.set_random_seed(0)
    model = form.build(**({} if size == "default" else tiny(form)))
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    batch, labels = form.batch(), form.labels()
    losses = [float(model.train_on_batch(batch, labels)) for _ in range(11)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


@every_form
@pytest.mark.parametrize("size", ["default", "tiny"])
def test_saved_and_loaded_it_gives_the_same(form: Form, size: str, tmp_path: Path) -> None:
    import keras

    model = form.build(**({} if size == "default" else tiny(form)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(outputs(loaded, form.batch()), outputs(model, form.batch()))
    assert loaded.name == form.name


@every_form
@sizes
def test_the_saved_model_gives_the_same_for_any_batch(form: Form, size: str, tmp_path: Path) -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("exporting needs TensorFlow")
    import tensorflow as tf

    model = form.build(**({} if size == "default" else tiny(form)))
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    for batch in (form.batch(), form.batch()[:1]):
        np.testing.assert_allclose(loaded.serve(batch).numpy(), outputs(model, batch), rtol=1e-5, atol=1e-6)


@every_form
def test_one_example_and_one_of_padding_alone_give_numbers(form: Form) -> None:
    model = form.build(**tiny(form))
    batch = form.batch()
    alone = outputs(model, batch[:1])
    np.testing.assert_allclose(alone, outputs(model, batch)[:1], rtol=1e-4, atol=1e-5)
    if "length" in form.axes:
        batch[:] = 0 if form.tokens else np.nan
        assert np.isfinite(outputs(model, batch)).all()


@every_form
def test_padding_changes_nothing(form: Form) -> None:
    if "length" not in form.axes:
        pytest.skip("no sequences")
    model = builder(form.name)((None, *form.shape[1:]), CLASSES, **form.given(), **tiny(form))
    batch = form.batch()[:1]
    np.testing.assert_allclose(outputs(model, batch), outputs(model, batch[:, :5]), rtol=1e-5, atol=1e-6)


@every_form
def test_mixed_precision_keeps_the_output_in_float32(form: Form) -> None:
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = outputs(form.build(**tiny(form)), form.batch())
    finally:
        keras.config.set_dtype_policy(before)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@every_form
def test_the_seed_decides_the_weights(form: Form) -> None:
    import keras

    def weights(seed: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(seed)
        return form.build(**tiny(form)).get_weights()

    first, again, other = weights(3), weights(3), weights(4)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@every_form
@pytest.mark.parametrize("shape", [(), (4, 4, 4, 4), (4, 4, 4, 4, 4), (0,), (4, -1, 3), (2.5,), "rows", None, 7])
def test_a_shape_it_does_not_take_is_refused(form: Form, shape: Any) -> None:
    with pytest.raises(ValueError, match=rf"{form.name}.*takes.*received") as caught:
        builder(form.name)(shape, CLASSES, **form.given())
    assert repr(shape) in str(caught.value)


@every_form
def test_wrong_arguments_are_refused_by_name(form: Form) -> None:
    for classes in (0, 1, -1, 2.5, "3", None, True):
        with pytest.raises(ValueError, match="num_classes"):
            form.build(classes)
    with pytest.raises(ValueError, match="num_classes"):
        form.build(0, output="linear")
    for argument, default in keywords(form.name).items():
        for value in wrong(argument, default):
            with pytest.raises(ValueError, match=rf"{argument}.*received {re.escape(repr(value))}"):
                form.build(**{argument: value})


def test_names_are_found_and_suggested() -> None:
    assert set(BUILDERS) <= set(dir(zoo.builders))
    for name in dir(zoo.builders):
        assert getattr(zoo.builders, name) is not None
    with pytest.raises(InputError, match=r"cnn.*lstm.*received 'lstn'; did you mean lstm\?"):
        builder("lstn")
    with pytest.raises(AttributeError, match="no attribute 'lstn'"):
        zoo.builders.lstn  # noqa: B018


def test_listing_loads_neither_keras_nor_tensorflow() -> None:
    code = (
        "import zoo.builders, sys; from zoo.builders.registry import BUILDERS, summary; dir(zoo.builders);"
        "[summary(name) for name in BUILDERS]; print({'keras', 'tensorflow'} & sys.modules.keys())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "set()"


@pytest.mark.slow
def test_it_learns_masks_and_generates_under_jax() -> None:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("needs jax, which the extra `test` brings")
    if os.environ.get("KERAS_BACKEND") == "jax":
        pytest.skip("this is the run under jax")
    files = [__file__, str(Path(__file__).with_name("test_composites.py"))]
    learns = "(ten_steps and tiny and (gru or perceptron)) or test_steps_lower"
    chosen = f"{learns} or padding_changes_nothing or images_from_a_seed"
    command = [sys.executable, "-m", "pytest", "-x", "-m", "not slow", "-k", chosen, "-p", "no:cacheprovider", *files]
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True, timeout=1800
    )
    assert result.returncode == 0, result.stdout[-4000:]
    assert " passed" in result.stdout
