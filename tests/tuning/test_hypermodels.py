"""Searches over models as Keras Tuner takes them."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

import tuning
import zoo
from support.programs import command
from zoo import InputError
from zoo.data import arrays, tables


@pytest.fixture(scope="module")
def cancer() -> zoo.data.Data:
    bunch = load_breast_cancer(as_frame=True)
    return tables(bunch.frame, target="target")


@pytest.fixture(scope="module")
def digits() -> zoo.data.Data:
    bunch = load_digits()
    return arrays((bunch.images[:600] * 15).astype(np.uint8), bunch.target[:600])


def dense(hp: keras_tuner.HyperParameters) -> keras.Model:
    model = keras.Sequential()  # built by the data
    for layer in range(hp.Int("layers", 1, 3)):
        model.add(keras.layers.Dense(hp.Choice(f"units_{layer}", [8, 16]), activation="relu"))
    model.add(keras.layers.Dense(2, activation="softmax"))
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log", default=1e-2)
    model.compile(keras.optimizers.Nadam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def convolutional(hp: keras_tuner.HyperParameters, input_shape: tuple[int, ...], num_outputs: int) -> keras.Model:
    entry = keras.Input(input_shape)
    x = keras.layers.Rescaling(1 / 255)(entry)
    kind = hp.Choice("kind", ["conv", "dense"])
    with hp.conditional_scope("kind", ["conv"]):
        if kind == "conv":
            x = keras.layers.Conv2D(hp.Choice("filters", [4, 8]), 3, activation="relu")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(entry, keras.layers.Dense(num_outputs, activation="softmax")(x))


class Fitted(keras_tuner.HyperModel):
    """The size of the batches is drawn in `fit`."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        if hp.Int("units", 4, 32, step=4) > 24:
            raise keras_tuner.errors.FailedTrialError("too large")
        return dense(hp)

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 64]), **kwargs)


def test_a_function_of_hp_is_searched_and_trained_as_it_is_compiled(cancer: zoo.data.Data, tmp_path: Path) -> None:
    found = tuning.search(cancer, dense, trials=4, epochs=4, out=tmp_path / "out", run=tmp_path / "run")
    assert found.model == "dense" and len(found.trials) == 5
    assert {"layers", "units_0", "rate"} <= set(found.best.values)
    card = json.loads((found.artifact / "card.json").read_text())
    assert card["training"]["optimizer"]["class_name"] == "Nadam"
    assert card["training"]["loss"] == "sparse_categorical_crossentropy"
    model = zoo.load(tmp_path / "out")
    frame = load_breast_cancer(as_frame=True).frame
    answers = model.predict(frame)
    assert np.mean([int(each.label) for each in answers] == frame["target"]) > 0.85
    assert command("verify", tmp_path / "out").returncode == 0

    again = tuning.search(cancer, dense, trials=4, epochs=4, out=tmp_path / "again", run=tmp_path / "run")
    assert [each.score for each in again.trials] == [each.score for each in found.trials]
    assert [each.values for each in again.trials] == [each.values for each in found.trials]


def test_conditional_scopes_shapes_and_models_that_are_not_compiled(digits: zoo.data.Data, tmp_path: Path) -> None:
    found = tuning.search(digits, convolutional, trials=4, epochs=3, out=tmp_path / "out")
    kinds = {each.values.get("kind") for each in found.trials if each.values}
    assert kinds == {"conv", "dense"}
    assert all(("filters" in each.values) == (each.values["kind"] == "conv") for each in found.trials if each.values)
    card = json.loads((found.artifact / "card.json").read_text())
    assert card["training"]["optimizer"] == "adam"
    assert found.held_out is not None


def test_a_hyper_model_draws_in_its_fit_and_may_refuse(cancer: zoo.data.Data, tmp_path: Path) -> None:
    found = tuning.search(cancer, Fitted(), trials=8, epochs=2, seed=3, out=tmp_path / "out")
    failed = [each for each in found.trials if each.status == "failed"]
    assert failed and all("too large" in each.note for each in failed)
    sizes = {each.values["batch_size"] for each in found.trials if each.score is not None and each.values}
    assert sizes == {16, 64}
    card = json.loads((found.artifact / "card.json").read_text())
    assert card["training"]["batch_size"] in (16, 64)


def several(hp: keras_tuner.HyperParameters) -> keras.Model:
    one, other = keras.Input((30,)), keras.Input((30,))
    x = keras.layers.Concatenate()([one, other])
    return keras.Model([one, other], keras.layers.Dense(hp.Choice("n", [2]), activation="softmax")(x))


def nothing(hp: keras_tuner.HyperParameters) -> Any:
    hp.Int("n", 1, 2)


class Augmenting(Fitted):
    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(args[0] * 2, *args[1:], **kwargs)


class Longer(Fitted):
    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, **kwargs | {"epochs": hp.Int("epochs", 2, 4)})


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (several, "expected a model with one of inputs, received 2"),
        (nothing, "expected it to return a Keras model, received None"),
        (Augmenting(), "Augmenting.fit can't be used: TypeError"),
        (Longer(), "expected it to set batch_size alone, received 'epochs'"),
    ],
)
def test_what_can_not_be_searched_is_refused_before_a_trial(
    cancer: zoo.data.Data, tmp_path: Path, model: Any, expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        tuning.search(cancer, model, trials=2, epochs=1, out=tmp_path / "out")
    with pytest.raises(InputError, match="has its own space; leave space out"):
        tuning.search(cancer, model, space=lambda hp: {}, trials=2, epochs=1, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_file_of_ones_own_goes_from_the_command_to_an_artifact(workplace: Path) -> None:
    load_breast_cancer(as_frame=True).frame.to_csv("cancer.csv", index=False)
    Path("mine.py").write_text(
        textwrap.dedent(
            """
            import keras

            def build_model(hp):
                model = keras.Sequential([keras.layers.Dense(hp.Choice("units", [8, 16, 32]), "relu")])
                model.add(keras.layers.Dense(2, "softmax"))
                model.compile("rmsprop", "sparse_categorical_crossentropy")
                return model
            """
        )
    )
    for workers in (1, 2):
        made = command(
            *("tune", "cancer.csv", "--model", "mine.py:build_model", "--trials", 3, "--epochs", 3),
            *("--workers", workers, "--out", f"made{workers}"),
        )
        assert made.returncode == 0, made.stderr
    assert pd.DataFrame(json.loads(command("predict", "made1", "cancer.csv", "--json").stdout))["label"].nunique() == 2
    wrong = command("tune", "cancer.csv", "--model", "mine.py:other", "--trials", 3)
    assert wrong.returncode == 2 and "expected other in mine.py" in wrong.stderr
