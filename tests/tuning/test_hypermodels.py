"""Searches over models as Keras Tuner takes them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pandas as pd
import pytest
from keras import layers
from sklearn.datasets import load_breast_cancer

import tuning
import zoo
from support import hypermodels as models
from support.pictures import b64, encoded
from support.programs import command
from support.searches import cut, trial_rows
from support.servers import served
from tuning.builder_trials import BuilderTrials
from tuning.hypermodels import HyperModelBuilder
from tuning.output_layers import answering
from zoo import InputError
from zoo.errors import JobError, Notice
from zoo.serving.model_manager import ModelManager


@pytest.fixture(scope="module")
def cancer() -> zoo.data.Data:
    return models.cancer()


@pytest.fixture(scope="module")
def digits() -> zoo.data.Data:
    return models.digits()


@pytest.fixture
def unexported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches without the export and its proof, which take most of the time."""
    monkeypatch.setattr("zoo.training.run.Trained.export", lambda trained, out, run: Path(out))


def card(found: tuning.SearchResult) -> dict[str, Any]:
    return json.loads((found.artifact / "card.json").read_text())


def test_a_function_of_hp_is_searched_and_trained_as_it_is_compiled(cancer: zoo.data.Data, tmp_path: Path) -> None:
    found = tuning.search(cancer, models.dense, trials=4, epochs=4, out=tmp_path / "out", run=tmp_path / "run")
    assert found.model == "dense" and len(found.trials) == 5
    assert {"num_layers", "units_0", "lr"} <= set(found.best.values)
    assert card(found)["training"]["optimizer"]["class_name"] == "Adam"
    assert card(found)["training"]["optimizer"]["config"]["learning_rate"] == pytest.approx(found.best.values["lr"])
    assert card(found)["training"]["loss"] == "binary_crossentropy"
    frame = load_breast_cancer(as_frame=True).frame
    model = zoo.load(tmp_path / "out")
    answers = model.predict(frame)  # one probability became two, in the right order
    assert np.mean([int(each.label) for each in answers] == frame["target"]) > 0.9


@pytest.mark.usefixtures("unexported")
def test_conditional_scopes_shapes_and_logits(digits: zoo.data.Data, tmp_path: Path) -> None:
    found = tuning.search(digits, models.scoped, trials=4, epochs=3, out=tmp_path / "out")
    trials = [each for each in found.trials if each.values]
    assert {each.values["kind"] for each in trials} == {"conv", "dense"}
    assert all(("filters" in each.values) == (each.values["kind"] == "conv") for each in trials)
    assert found.best.score > 0.3 and found.held_out is not None


def test_a_model_that_is_not_compiled_is_trained_as_ours(digits: zoo.data.Data, tmp_path: Path) -> None:
    def plain(hp: keras_tuner.HyperParameters) -> keras.Model:
        scaled = [layers.Rescaling(1 / 255), layers.Flatten()]
        return keras.Sequential([*scaled, layers.Dense(hp.Choice("n", [10]), "softmax")])

    problem = BuilderTrials(HyperModelBuilder(plain), digits, epochs=2)
    settings = problem.build.space(keras_tuner.HyperParameters())
    assert settings["training"] == {} and problem.completed(settings["training"]).optimizer == "adam"
    assert problem.run(settings, states=tmp_path / "states").score > 0.2


@pytest.mark.usefixtures("unexported")
def test_a_fit_that_sets_sizes_goes_through_the_loop_and_one_that_does_more_is_called(
    digits: zoo.data.Data, tmp_path: Path
) -> None:
    with pytest.warns(Notice, match="Tuned: trials are trained by their own fit"):
        found = tuning.search(digits, models.Tuned(), trials=5, epochs=2, out=tmp_path / "out", run=tmp_path / "run")
    trials = [each for each in found.trials if "shuffle" in each.values]
    assert {each.values["shuffle"] for each in trials} == {True, False}
    for trial in trials:  # rows of Keras' own fit have its metrics
        assert ("val_accuracy" in trial.curve[0]) == (not trial.values["shuffle"])
    assert found.best.score > 0.4


@pytest.mark.usefixtures("unexported")
def test_an_own_fit_is_the_one_that_keras_tuner_calls(digits: zoo.data.Data, tmp_path: Path) -> None:
    """Same initial weights, same order: the same losses as by hand."""
    with pytest.warns(Notice):
        found = tuning.search(digits, models.Noisy(), trials=1, epochs=2, out=tmp_path / "out", seed=3)
    problem = BuilderTrials(HyperModelBuilder(models.Noisy(), 3), digits, epochs=2, seed=3)
    (x, y), (x_held, y_held) = problem.inner_splits[0][:2]
    y, y_held = (np.eye(10, dtype=np.float32)[each] for each in (y, y_held))
    import random

    random.seed(3)
    hp = keras_tuner.HyperParameters()
    model = models.Noisy().build(hp)
    model.build((None, 8, 8, 1))
    keras.utils.set_random_seed(3)
    held = (x_held.astype("float32"), y_held)
    history = models.Noisy().fit(hp, model, x.astype("float32"), y, validation_data=held, epochs=2, verbose=0)
    assert found.default.values["noise"] is True
    np.testing.assert_allclose([row["val_loss"] for row in found.default.curve], history.history["val_loss"], rtol=1e-4)


class Longer(models.Tuned):
    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, **kwargs | {"epochs": hp.Int("epochs", 2, 4)})


@keras.saving.register_keras_serializable("mine")
class Stepping(keras.Model):
    """A step of its own, which counts its calls in a weight."""

    def train_step(self, data: Any) -> dict[str, Any]:
        self.layers[-1].steps.assign_add(1.0)
        return super().train_step(data)


@keras.saving.register_keras_serializable("mine")
class Counting(layers.Layer):
    def build(self, shape: Any) -> None:
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x: Any) -> Any:
        return x


@pytest.mark.usefixtures("unexported")
def test_epochs_may_be_tuned_and_a_step_of_ones_own_is_used(digits: zoo.data.Data, tmp_path: Path) -> None:
    found = tuning.search(digits, Longer(), trials=4, epochs=9, out=tmp_path / "out")
    trials = [each for each in found.trials if "epochs" in each.values]
    assert len({each.values["epochs"] for each in trials}) > 1
    assert all(len(each.curve) == each.values["epochs"] for each in trials if each.curve)

    def stepping(hp: keras_tuner.HyperParameters) -> keras.Model:
        entry = keras.Input((8, 8, 1))
        x = layers.Dense(hp.Choice("units", [10]), "softmax")(layers.Flatten()(entry))
        model = Stepping(entry, Counting()(x))
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    problem = BuilderTrials(HyperModelBuilder(stepping), digits, epochs=2)
    settings = problem.build.space(keras_tuner.HyperParameters())
    network, _ = problem._train(settings, 0, tmp_path / "states", None, None, lambda *_: None)
    assert float(network.layers[-1].steps) > 0


def weighted(hp: keras_tuner.HyperParameters) -> keras.Model:
    model = keras.Sequential([layers.Dense(hp.Choice("n", [4, 8]), "relu"), layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", loss_weights=[0.5])
    return model


def averaging(hp: keras_tuner.HyperParameters) -> keras.Model:
    model = keras.Sequential([layers.Dense(hp.Choice("n", [4, 8]), "relu"), layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.Adam(use_ema=True), "categorical_crossentropy")
    return model


def functional(hp: keras_tuner.HyperParameters) -> keras.Model:
    def squared(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

    model = keras.Sequential([layers.Dense(hp.Choice("n", [4, 8]), "relu"), layers.Dense(2, "softmax")])
    model.compile("adam", squared, metrics=[lambda y_true, y_pred: keras.ops.mean(y_pred)])
    return model


@pytest.mark.usefixtures("unexported")
@pytest.mark.parametrize("model", [weighted, averaging, functional])
def test_what_the_loop_has_not_is_trained_by_keras(
    model: Callable[..., Any], cancer: zoo.data.Data, tmp_path: Path
) -> None:
    with pytest.warns(Notice, match="trained by their own fit"):
        found = tuning.search(cancer, model, trials=1, epochs=3, out=tmp_path / "out")
    assert found.default.score > 0.6 and "val_loss" in found.default.curve[0]


@pytest.mark.usefixtures("unexported")
def test_a_custom_loop_in_fit_trains_too(cancer: zoo.data.Data, tmp_path: Path) -> None:
    class Looped(keras_tuner.HyperModel):
        def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
            model = keras.Sequential([layers.Dense(2, "softmax")])
            model.compile(keras.optimizers.Adam(hp.Choice("rate", [1e-2, 1e-1])), "sparse_categorical_crossentropy")
            return model

        def fit(self, hp: Any, model: Any, x: Any, y: Any, validation_data: Any, callbacks: Any, **_: Any) -> float:
            for callback in callbacks:
                callback.set_model(model)
            for epoch in range(3):
                for start in range(0, len(x), 64):
                    model.train_on_batch(x[start : start + 64], y[start : start + 64])
                loss = model.evaluate(*validation_data, verbose=0)
                for callback in callbacks:
                    callback.on_epoch_end(epoch, {"val_loss": loss})
            return loss

    with pytest.warns(Notice):
        found = tuning.search(cancer, Looped(), trials=1, epochs=3, out=tmp_path / "out")
    assert found.best.score > 0.85 and len(found.best.curve) == 3


@pytest.mark.usefixtures("unexported")
def test_a_space_may_refuse(cancer: zoo.data.Data, tmp_path: Path) -> None:
    found = tuning.search(cancer, models.refusing, trials=8, epochs=2, seed=3, out=tmp_path / "out")
    failed = [each for each in found.trials if each.status == "failed"]
    assert failed and all("too large" in each.note and each.values["units"] > 128 for each in failed)
    assert all(each.values["units"] <= 128 for each in found.trials if each.score is not None and each.values)


@pytest.mark.usefixtures("unexported")
def test_texts_tell_the_size_of_their_vocabulary(tmp_path: Path) -> None:
    def bag(hp: keras_tuner.HyperParameters, vocabulary_size: int, num_outputs: int) -> keras.Model:
        entry = keras.Input((None,), dtype="int32")
        x = layers.GlobalAveragePooling1D()(layers.Embedding(vocabulary_size, hp.Choice("width", [4, 8]))(entry))
        model = keras.Model(entry, layers.Dense(num_outputs, "softmax")(x))
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    rows = [(f"{word} day number {at}", label) for at in range(30) for word, label in (("good", "+"), ("bad", "-"))]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / "texts.csv", index=False)
    found = tuning.search(tmp_path / "texts.csv", bag, trials=1, epochs=2, out=tmp_path / "out")
    assert found.best.score is not None


def several_inputs(hp: keras_tuner.HyperParameters) -> keras.Model:
    one, other = keras.Input((30,)), keras.Input((30,))
    x = layers.Concatenate()([one, other])
    return keras.Model([one, other], layers.Dense(hp.Choice("n", [2]), activation="softmax")(x))


def nothing(hp: keras_tuner.HyperParameters) -> Any:
    hp.Int("n", 1, 2)


def numbers(hp: keras_tuner.HyperParameters) -> keras.Model:
    model = keras.Sequential([layers.Dense(hp.Choice("units", [8, 16]), "relu"), layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def labels(hp: keras_tuner.HyperParameters) -> keras.Model:
    model = keras.Sequential([layers.Dense(hp.Choice("units", [8, 16]), "relu"), layers.Dense(3)])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


@pytest.mark.usefixtures("unexported")
@pytest.mark.filterwarnings("ignore::zoo.errors.Notice")
@pytest.mark.parametrize(
    ("build", "loss", "scores"), [(numbers, "mse", {"val_loss", "val_mae"}), (labels, "log_loss", {"val_accuracy"})]
)
def test_numbers_and_several_labels_are_targets_too(
    build: Callable[..., Any], loss: str, scores: set[str], tmp_path: Path
) -> None:
    class InOrder(keras_tuner.HyperModel):
        def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
            return build(hp)

        def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            return model.fit(*args, shuffle=False, **kwargs)

    x = np.random.default_rng(0).normal(size=(200, 6)).astype("float32")
    given = {"task": "multi_label"} if build is labels else {}
    data = zoo.data.arrays(x, (x[:, :3] > 0).astype("int64") if given else x[:, :2] * 30 + 100, **given)
    found = {}
    for name, model in (("loop", build), ("own", InOrder())):
        what = {"trials": 1, "epochs": 8, "objective": "val_loss", "out": tmp_path / name}
        found[name] = tuning.search(data, model, **what)
        assert found[name].objective == loss
        assert found[name].default.curve[-1]["val_loss"] < found[name].default.curve[0]["val_loss"]
    assert scores <= set(found["own"].default.curve[0])


class Failing(models.Tuned):
    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
        return model.fit(x, y[:, :3] if len(y) > 32 else y, shuffle=False, **kwargs)


def test_a_fit_that_fails_in_training_is_told_in_one_line(digits: zoo.data.Data, tmp_path: Path) -> None:
    with pytest.warns(Notice), pytest.raises(JobError, match="the model's own fit fails: ValueError: Arguments"):
        tuning.search(digits, Failing(), trials=2, epochs=1, out=tmp_path / "out")


class Broken(models.Tuned):
    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(args[7], **kwargs)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (several_inputs, "expected a model with one of inputs, received 2"),
        (models.two_outputs, "expected a model with one of outputs, received 2; the data have one target"),
        (nothing, "expected it to return a Keras model, received None"),
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


def test_a_fit_that_fails_is_refused_before_a_trial(digits: zoo.data.Data, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Broken.fit can't be used: IndexError.*expected what Keras Tuner takes"):
        tuning.search(digits, Broken(), trials=2, epochs=1, out=tmp_path / "out")


@pytest.mark.parametrize("last", ["dense", "activation", "single"])
def test_outputs_become_probabilities_with_the_same_weights(last: str) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")

    made = {
        "dense": lambda: keras.Sequential([keras.Input((3,)), layers.Dense(4)]),
        "activation": lambda: keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Identity()]),
        "single": lambda: keras.Sequential([keras.Input((3,)), layers.Dense(1)]),
    }[last]()
    before = np.asarray(made(rows)).astype(np.float64)
    single = last == "single"
    loss = keras.losses.BinaryCrossentropy if single else keras.losses.CategoricalCrossentropy
    made.compile("adam", loss(from_logits=True))
    answer = answering(made, 2 if single else 4, "softmax")
    after = np.asarray(answer(rows))
    if single:
        expected = np.concatenate([1 - 1 / (1 + np.exp(-before)), 1 / (1 + np.exp(-before))], axis=1)
    else:
        expected = np.exp(before) / np.exp(before).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(after, expected, rtol=1e-5)
    assert [id(weight) for weight in answer.weights] == [id(weight) for weight in made.weights]


PEOPLE = {
    "dense": (models.dense, lambda _: models.cancer()),
    "scoped": (models.scoped, lambda _: models.fashion()),
    "tuned": (models.Tuned(), lambda _: models.digits()),
    "noisy": (models.Noisy(), lambda _: models.digits()),
    "residual": (models.residual, lambda _: models.digits_in_colour()),
    "recurrent": (models.recurrent, models.vowels),
    "recurrent fit": (models.RecurrentFit(), models.vowels),
    "refusing": (models.refusing, lambda _: models.cancer()),
    "preprocessing": (models.preprocessing, lambda _: models.fashion()),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::zoo.errors.Notice")
@pytest.mark.parametrize("name", PEOPLE)
def test_each_that_people_write_becomes_a_served_artifact(name: str, workplace: Path) -> None:
    model, data = PEOPLE[name][0], PEOPLE[name][1](workplace)
    trials = 1 if name == "residual" else 3
    found = tuning.search(data, model, trials=trials, epochs=1 if name == "residual" else 3, out="made")
    assert found.best.score is not None
    if data.kind.name == "images":
        example = {"instances": [b64(encoded(data.held_out.inputs[0].squeeze()))]}
    else:
        example = json.loads((found.artifact / "example.json").read_text())
    with served(ModelManager({"made": found.artifact}, runtime="saved_model")) as ask:
        status, answer = ask("/v1/models/made:predict", example)
    assert status == 200 and answer["predictions"], answer
    assert command("verify", found.artifact).returncode == 0


@pytest.mark.slow
@pytest.mark.usefixtures("unexported")
@pytest.mark.filterwarnings("ignore::zoo.errors.Notice")
@pytest.mark.parametrize("name", ["dense", "tuned", "noisy", "refusing"])
@pytest.mark.parametrize("method", ["random", "hyperband"])
def test_each_goes_on_after_a_cut_to_what_it_finds_without(name: str, method: str, workplace: Path) -> None:
    model, data = PEOPLE[name]
    given = {"trials": 4, "epochs": 3, "method": method, "out": "made"}
    uncut = tuning.search(data(workplace), model, run="uncut", **given)
    with cut(BuilderTrials):
        tuning.search(data(workplace), model, run="cut", **given)
    again = tuning.search(data(workplace), model, run="cut", **given)
    assert trial_rows(again) == trial_rows(uncut)
    assert again.held_out == uncut.held_out


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
            *("--workers", workers, "--objective", "val_accuracy", "--out", f"made{workers}"),
        )
        assert made.returncode == 0, made.stderr
    assert pd.DataFrame(json.loads(command("predict", "made1", "cancer.csv", "--json").stdout))["label"].nunique() == 2
    wrong = command("tune", "cancer.csv", "--model", "mine.py:other", "--trials", 3)
    assert wrong.returncode == 2 and "expected other in mine.py" in wrong.stderr
