"""Layers of a user's own: refused before training where they could not be opened again, else used and asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas
import pytest
import tensorflow as tf

import zoo
from support.programs import command
from support.servers import served
from zoo.data import tables
from zoo.errors import InputError, Notice
from zoo.serving.model_manager import ModelManager
from zoo.training.own_code import answers, import_file

LAYERS = """
import keras
from factor import FACTOR

@keras.saving.register_keras_serializable("mine")
class Scaled(keras.layers.Layer):
    def __init__(self, factor=FACTOR, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return super().get_config() | {"factor": self.factor}

@keras.saving.register_keras_serializable("mine")
def bent(x):
    return keras.ops.maximum(x, 0.1 * x)
"""
REGISTER = r"register_keras_serializable\(\)"


class Doubled(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


class Sevens(keras.initializers.Initializer):
    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.ops.full(shape, 7.0, dtype)


class Shapeless(keras.Model):
    def call(self, x: Any) -> Any:
        return x


@keras.saving.register_keras_serializable("test")
class Forgetful(keras.layers.Layer):
    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return self.factor * x

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


@keras.saving.register_keras_serializable("test")
class InPython(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return tf.ensure_shape(tf.py_function(lambda values: values * 2, [x], tf.float32), x.shape)

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor(x.shape, x.dtype)


@keras.saving.register_keras_serializable("test")
class Hidden(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return x * HELD[0]


HELD = [tf.Variable(2.0)]


def half(x: Any) -> Any:
    return x / 2


def rows() -> pandas.DataFrame:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({name: rng.normal(size=60) for name in "abc"})
    return frame.assign(target=np.where(frame["a"] > 0, "yes", "no"))


def network(*layers: Any, outputs: int = 2) -> keras.Model:
    entry = x = keras.Input((3,))
    for layer in layers:
        x = layer(x)
    return keras.Model(entry, keras.layers.Dense(outputs, activation="softmax")(x), name="own")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda: [Doubled()], rf"Doubled is not registered.*{REGISTER}"),
        (lambda: [keras.Sequential([keras.layers.Dense(4), Doubled()])], "Doubled is not registered"),
        (lambda: [keras.layers.Dense(4, kernel_initializer=Sevens())], "Sevens is not registered"),
        (lambda: [keras.layers.Dense(4, activation=half), Doubled()], "half, Doubled are not registered"),
        (lambda: [keras.layers.Dense(4, kernel_regularizer=lambda w: 0.0)], "lambda"),
        (lambda: [keras.layers.Dense(4, activation=lambda x: x)], "lambda"),
        (lambda: [keras.layers.Lambda(lambda x: 2 * x)], f"lambda.*keras.ops.*{REGISTER}"),
        (lambda: [keras.layers.Lambda(half)], "half is not registered"),
        (lambda: [Forgetful(3.0)], "answers otherwise.*get_config"),
        (lambda: [InPython()], "calls Python"),
        (lambda: [Hidden()], "can't be exported"),
    ],
)
def test_what_could_not_be_opened_again_is_refused_before_the_first_step(
    layers: Callable[[], list[keras.layers.Layer]], message: str
) -> None:
    begun: list[int] = []
    watch = keras.callbacks.LambdaCallback(on_train_begin=lambda logs=None: begun.append(1))
    with pytest.raises(InputError, match=message) as error:
        zoo.train(network(*layers()), tables(rows()), epochs=1, callbacks=[watch])
    assert not begun and "\n" not in str(error.value)


@keras.saving.register_keras_serializable("test")
class Fails(keras.layers.Layer):
    def __init__(self, when: str = "always", **options: Any) -> None:
        super().__init__(**options)
        self.when = when

    def call(self, rows: Any, training: bool = False) -> Any:
        if self.when == "always" or training:
            raise ArithmeticError(f"fails {self.when}")
        return rows

    def compute_output_spec(self, rows: Any, training: bool = False) -> Any:
        return keras.KerasTensor(rows.shape, rows.dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"when": self.when}


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (lambda: network(Fails()), "'own' can't answer: ArithmeticError.*fails always"),
        (lambda: network(Fails("in training")), "'own' can't be trained: ArithmeticError.*fails in training"),
        (lambda: keras.Sequential(network().layers, name="a b"), "'a b' can't answer: .*scope"),
        (lambda: keras.Sequential(network().layers, name="größe"), "'größe' can't answer: .*scope"),
    ],
)
def test_what_fails_of_itself_is_told_before_the_first_step(own: Callable[[], keras.Model], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        zoo.train(own(), tables(rows()), epochs=1)
    assert "\n" not in str(error.value) and "mend the layer or the name" in str(error.value)


def test_a_scope_that_ends_with_the_process_registers_nothing() -> None:
    with keras.saving.custom_object_scope({"Doubled": Doubled}), pytest.raises(InputError, match="Doubled"):
        zoo.train(network(Doubled()), tables(rows()), epochs=1)


def test_what_functions_build_is_looked_at_too(workplace: Path) -> None:
    def build(shape: tuple[int, ...], outputs: int, double: bool = True) -> keras.Model:
        return network(*([Doubled()] if double else []), outputs=outputs)

    with pytest.raises(InputError, match="Doubled is not registered"):
        zoo.train(build, tables(rows()), epochs=1)
    from tuning import search

    def space(hp: Any) -> dict[str, dict[str, Any]]:
        return {"model": {"double": hp.Boolean("double", default=True)}, "training": {}}

    with pytest.raises(InputError, match="Doubled is not registered"):
        search(tables(rows()), build, space=space, trials=1, epochs=1)
    assert not Path("saved_models").exists()


def test_an_autoencoder_of_own_layers_is_refused() -> None:
    from zoo.builders.models import Autoencoder

    encoder = keras.Sequential([keras.Input((3,)), Doubled(), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    with pytest.raises(InputError, match="Doubled is not registered"):
        zoo.train(Autoencoder(encoder, decoder, name="own"), tables(rows()), epochs=1)


def test_a_model_that_does_not_say_what_it_takes_is_refused() -> None:
    with pytest.raises(InputError, match="Shapeless, which does not"):
        zoo.train(Shapeless(name="own"), tables(rows()), epochs=1)
    with pytest.raises(InputError, match=r"keras\.Input first"):
        zoo.train(keras.Sequential([keras.layers.Dense(2, "softmax")]), tables(rows()), epochs=1)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a model with registered layers, which nobody has registered any more; its file is beside it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "factor.py").write_text("FACTOR = 2.0\n")
    (folder / "mine.py").write_text(LAYERS)
    rows().to_csv(folder / "rows.csv", index=False)
    mine = import_file(folder / "mine.py")
    model = network(mine.Scaled(3.0), keras.layers.Dense(4, activation=mine.bent))
    trained = zoo.train(model, zoo.data.open(folder / "rows.csv", target="target"), epochs=3)
    version = trained.export(folder / "own", folder / "run")
    forget()
    return version


def forget() -> None:
    for name in ("mine>Scaled", "mine>bent"):
        keras.saving.get_custom_objects().pop(name, None)


def test_without_its_layers_the_saved_model_answers_and_that_is_told(own: Path) -> None:
    source = str(own.parents[1] / "rows.csv")
    with pytest.warns(Notice, match="mine>Scaled, mine>bent.*--import FILE.*SavedModel answers"):
        answers = zoo.load(own).predict(source)
    told = command("predict", own, source, "--json")
    assert told.returncode == 0 and told.stderr.count("\n") == 1 and "SavedModel answers" in told.stderr
    assert command("evaluate", own, source).returncode == 0
    with served(ModelManager({"own": own}, runtime="saved_model")) as server:
        row = rows().drop(columns="target").iloc[0].to_dict()
        assert server("/v1/models/own:predict", {"instances": [row]})[1]["predictions"][0]["label"] == answers[0].label
    import_file(own.parents[1] / "mine.py")
    known = zoo.load(own).predict(source)
    forget()
    for answer, want in zip(answers, known, strict=True):
        assert answer.label == want.label and answer.probability == pytest.approx(want.probability, abs=1e-5)


@pytest.mark.parametrize("arguments", [("verify",), ("export", "--format", "openvino")])
def test_what_needs_the_layers_takes_the_file_that_defines_them(own: Path, arguments: tuple[str, ...]) -> None:
    name, *options = arguments
    told = command(name, own, *options)
    assert told.returncode == 2 and told.stderr.count("\n") == 1 and "mine>Scaled" in told.stderr
    assert "--import FILE" in told.stderr
    told = command(name, own, *options, "--import", own.parents[1] / "mine.py")
    forget()
    assert told.returncode == 0, told.stderr


def test_a_file_that_fails_is_one_line(own: Path, workplace: Path) -> None:
    Path("bad.py").write_text("1 / 0\n")
    for file, message in (("bad.py", "bad.py can't be imported: ZeroDivisionError"), ("none.py", "none.py, which is")):
        told = command("verify", own, "--import", file)
        assert told.returncode == 2 and message in told.stderr and told.stderr.count("\n") == 1


def test_a_damaged_file_is_no_reason_to_answer_otherwise(own: Path, workplace: Path) -> None:
    import shutil

    shutil.copytree(own, "copy")
    Path("copy/model.keras").write_bytes(b"PK" + bytes(1000))
    Path("copy/SHA256SUMS").unlink(missing_ok=True)
    with pytest.raises(InputError):
        zoo.load("copy").predict(str(own.parents[1] / "rows.csv"))


def test_images_are_answered_by_the_saved_model_too(workplace: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    Path("factor.py").write_text("FACTOR = 2.0\n")
    Path("mine.py").write_text(LAYERS)
    mine = import_file("mine.py")
    model = keras.Sequential([keras.Input((8, 8, 1)), mine.Scaled(0.01), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3, activation="softmax"))
    data = zoo.data.arrays(pixels, labels, classes=["nought", "one", "two"])
    folder = zoo.train(model, data, epochs=2).export("saved_models/own")
    known = zoo.load(folder).predict(list(pixels[:40]))
    forget()
    with pytest.warns(Notice, match="mine>Scaled"):
        found = zoo.load(folder).predict(list(pixels[:40]))
    assert [each.label for each in found] == [each.label for each in known]
    told: list[dict[str, Any]] = []
    with served(ModelManager({"own": folder}, on_event=lambda event, **facts: told.append(facts))) as server:
        assert server("/v1/models/own")[0] == 200
    assert any("mine>Scaled" in str(each.get("reason")) for each in told)


def test_arguments_of_any_kind_are_told_in_the_card(workplace: Path) -> None:
    """They were no JSON: training ended without an artifact."""

    def build(shape: tuple[int, ...], outputs: int, **others: Any) -> keras.Model:
        return network(keras.layers.Dense(int(others["units"])), outputs=outputs)

    given = {"units": np.int64(4), "rates": (np.float32(0.5),), "values": np.arange(2), "file": Path("a.csv")}
    given |= {"names": {"b", "a"}, "function": half, "start": Sevens(), "by": {(1, 2): b"x"}, "plain": [1, None, True]}
    how: dict[str, Any] = {"learning_rate": np.float32(0.5), "batch_size": np.int64(8), "epochs": np.int64(1)}
    trained = zoo.train(build, tables(rows()), model=given, run="run", **how)
    card = zoo.load(trained.export("saved_models/own")).card
    here = half.__module__
    told = {"units": 4, "rates": [0.5], "values": [0, 1], "file": "a.csv", "names": ["a", "b"]}
    told |= {"function": f"{here}.half", "start": f"<{here}.Sevens object>", "by": {"(1, 2)": "b'x'"}}
    assert card["model"] == told | {"plain": [1, None, True]}
    assert (card["training"]["learning_rate"], card["training"]["batch_size"]) == (0.5, 8)


def test_a_model_with_several_outputs_by_name_is_refused() -> None:
    entry = keras.Input((3,))
    model = keras.Model(entry, {"answer": keras.layers.Dense(2, activation="softmax")(entry)})
    with pytest.raises(InputError, match="one output"):
        zoo.train(model, tables(rows()), epochs=1)


def test_a_name_that_no_graph_takes_leaves_nothing_behind() -> None:
    inputs = np.zeros((4, 2), np.float32)
    for name in ("größe", "of a\nline"):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "softmax")], name=name)
        with pytest.raises(InputError, match="can't answer"):
            answers(model, inputs)
        assert keras.layers.Dense(1, name="next").name == "next"
        later = keras.layers.Dense(1, name="later")
        later.build((None, 2))
        assert later.kernel.path == "later/kernel"


@pytest.mark.parametrize("changing", [keras.layers.RandomFlip, lambda: keras.layers.RandomTranslation(0.2, 0.2)])
def test_random_layers_inside_change_nothing_outside_of_training(
    changing: Callable[[], keras.layers.Layer], pixels: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    def augmenting(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
        inside = [changing(), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
        return keras.Sequential([keras.Input(input_shape), *inside, keras.layers.Dense(num_classes, "softmax")])

    trained = zoo.train(augmenting, zoo.data.arrays(pixels, labels), epochs=1)
    trained.export(tmp_path / "made")
    assert zoo.load(tmp_path / "made").card["parity"]["passed"]
