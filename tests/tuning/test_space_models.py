"""Our search spaces as models of Keras Tuner: every one by its own tuners, and on to an artifact."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tuning
import zoo
from support import masks
from tuning.spaces import SPACES
from zoo.data import Data, arrays
from zoo.errors import InputError
from zoo.training.inputs import prepared_inputs
from zoo.training.learning import learn

QUICK = ("mlp", "gru")
FIXED = dict.fromkeys(("rnn", "lstm", "gru"), {"layers": 1, "units": 32, "bidirectional": False})  # quick to trace
FIXED |= {"resnet": {"depth": 8, "width": 8}, "unet": {"depth": 2, "filters": 8}, "sequence_autoencoder": {"units": 32}}
FIXED |= {"wasserstein_gan": {"critic_steps": 3, "stages": 1}, "fine_tune": {"units": 128}}


@pytest.fixture
def data_for(pixels: np.ndarray, labels: np.ndarray, folder: Path, tmp_path: Path) -> Callable[[str], Any]:
    """Small data for each space."""

    def data(name: str) -> Any:
        if name == "fine_tune":
            return folder
        if name == "unet":
            return masks.write(tmp_path / "blots", 30)
        if name in ("rnn", "lstm", "gru", "sequence_autoencoder"):
            targets = np.arange(80) % 2
            noise = np.random.default_rng(0).normal(size=(80, 6, 2))
            return arrays(noise.astype(np.float32) + targets[:, None, None], targets)
        count = len(pixels) if name.endswith("gan") else 100
        return blobs() if name in ("mlp", "perceptron") else arrays(pixels[:count], labels[:count])

    return data


@pytest.fixture(autouse=True)
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Principal components judge generated images: to train a classifier takes longer than all else."""
    monkeypatch.setattr("zoo.training.judges.has_judge", lambda data: False)


def blobs() -> Data:
    targets = np.arange(120) % 3
    noise = np.random.default_rng(0).normal(size=(120, 6))
    return arrays((noise + 2 * np.eye(6)[targets]).astype(np.float32), targets)


def rates(hp: Any) -> dict[str, dict[str, Any]]:
    """A space of one's own."""
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    return {"model": {"units": (8,)}, "training": {"learning_rate": rate, "batch_size": 16}}


def fixed(hp: Any, **training: Any) -> dict[str, dict[str, Any]]:
    return {"model": {"units": (hp.Choice("units", [8]),)}, "training": training}


def values(name: str) -> keras_tuner.HyperParameters:
    """Values of a space that are not searched: those of `FIXED`, and large batches, which are few steps."""
    hp = keras_tuner.HyperParameters()
    large = {} if name in (*QUICK, "fine_tune") else {"batch_size": 64}
    for key, value in (large | FIXED.get(name, {})).items():
        hp.Fixed(key, value)
    return hp


def size(name: str) -> dict[str, int]:
    return {"input_size": 64 if name == "fine_tune" else 16} if name in ("fine_tune", "unet") else {}


def random_search(model: Any, folder: Path, trials: int = 2, **options: Any) -> Any:
    given = {"objective": model.objective, "max_trials": trials, "directory": folder, "project_name": "random"}
    return keras_tuner.RandomSearch(model, **given | {"seed": 0} | options)


@pytest.fixture
def frozen() -> Iterator[None]:
    """Keras Tuner collects garbage before each trial, which takes longer the more modules are loaded."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@contextmanager
def eagerly() -> Iterator[None]:
    """Within the block nothing is compiled, which takes longer than the few steps of a test."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize(
    "name", [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in SPACES]
)
def test_tuners_of_keras_tuner_search_every_space(
    name: str, data_for: Callable[[str], Any], tmp_path: Path, recwarn: pytest.WarningsRecorder, frozen: None
) -> None:
    model = tuning.hypermodel(name, data_for(name), epochs=2, **size(name))
    band = keras_tuner.Hyperband(
        *(model, model.objective), max_epochs=2, factor=2, seed=0, directory=tmp_path, hyperparameters=values(name)
    )
    band.oracle.max_trials = 3
    for tuner in (random_search(model, tmp_path, hyperparameters=values(name)), band):
        with eagerly() if tuner is band else nullcontext():
            tuner.search(*model.train, validation_data=model.validation, epochs=1, verbose=0)
        trials = list(tuner.oracle.trials.values())
        assert [trial.status for trial in trials] == ["COMPLETED"] * len(trials), [trial.message for trial in trials]
        best = tuner.get_best_models()[0]
        answer = best.generate(2) if model.validation is None else best(model.train[0][:2])
        assert np.isfinite(answer).all() and len(answer) == 2
        assert int(best.optimizer.iterations) > 0  # it could be trained on
    assert len(trials) == 3 and "tuner/trial_id" in trials[2].hyperparameters.values  # it goes on from another one
    assert not [warning for warning in recwarn if "Skipping variable loading" in str(warning.message)]


def shares(answers: Any, data: Data) -> list[list[float]]:
    return [[each.probabilities[name] for name in data.task.names] for each in answers]


def of_rows(made: Any, data: Data, best: Any, model: Any) -> tuple[Any, Any]:
    rows = data.held_out.inputs["numeric"]
    frame = pd.DataFrame(rows, columns=[f"feature_{number}" for number in range(rows.shape[1])])
    return shares(made.predict(frame), data), best(prepared_inputs(data, data.held_out))


def of_images(made: Any, data: Data, best: Any, model: Any) -> tuple[Any, Any]:
    images = prepared_inputs(data, data.held_out)
    return shares(made.predict(list(images[..., 0])), data), best(images)


def of_scores(made: Any, data: Data, best: Any, model: Any) -> tuple[Any, Any]:
    images = prepared_inputs(data, data.held_out)
    return [each.score for each in made.anomalies(list(images[..., 0]))], best.score(images)


def of_generated(made: Any, data: Data, best: Any, model: Any) -> tuple[Any, Any]:
    return made.generate(3, seed=1), np.clip(np.round(best.generate(3, seed=1)), 0, 255)


def of_photos(made: Any, data: Data, best: Any, model: Any) -> tuple[Any, Any]:
    embeddings = model.trials.features["efficientnet_lite0"][2]
    standardized = (embeddings - model.embedded.mean) / model.embedded.deviation
    return shares(made.predict(list(data.held_out.inputs)), data), best(standardized.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("mlp", of_rows),
        pytest.param("cnn", of_images, marks=pytest.mark.slow),
        pytest.param("conv_autoencoder", of_scores, marks=pytest.mark.slow),
        pytest.param("gan", of_generated, marks=pytest.mark.slow),
        pytest.param("fine_tune", of_photos, marks=pytest.mark.slow),
    ],
)
def test_the_best_model_becomes_an_artifact_that_answers_as_it_does(
    name: str, answers: Callable[..., Any], data_for: Callable[[str], Any], workplace: Path
) -> None:
    model = tuning.hypermodel(name, data_for(name), epochs=2, **size(name))
    tuner = random_search(model, workplace / "tuner", 1)
    tuner.search(*model.train, validation_data=model.validation, epochs=2, verbose=0)
    best = tuner.get_best_models()[0]
    version = model.export(best, "saved_models/best")
    made = zoo.load(version)
    assert made.card["parity"]["passed"] and made.card["metrics"]["baselines"]
    said, wanted = answers(made, model.trials.data, best, model)
    np.testing.assert_allclose(np.array(said), np.array(wanted), atol=1 if name == "gan" else 1e-4)
    assert not [each for each in Path(".runs").iterdir() if each.is_dir()]


@pytest.mark.slow
def test_other_tuners_and_an_artifact_that_knows_how_it_was_trained(workplace: Path) -> None:
    model = tuning.hypermodel("mlp", blobs(), space=rates, epochs=3)
    tuners = [
        keras_tuner.BayesianOptimization(model, "val_accuracy", max_trials=2, num_initial_points=1, directory="a"),
        keras_tuner.GridSearch(model, "val_accuracy", max_trials=1, directory="b"),
    ]
    for tuner in tuners:
        tuner.search(*model.train, validation_data=model.validation, epochs=3, verbose=0)
        best = tuner.get_best_models()[0]
        accuracy = best.evaluate(*model.validation, verbose=0, return_dict=True)["accuracy"]
        assert accuracy == pytest.approx(tuner.oracle.get_best_trials()[0].score)
    card = json.loads((model.export(best, "saved_models/mlp") / "card.json").read_text())
    rate = tuners[1].get_best_hyperparameters()[0]["learning_rate"]
    assert (card["training"]["learning_rate"], card["training"]["batch_size"]) == (rate, 16)
    assert 1 <= card["best_epoch"] <= 3
    assert len((Path("saved_models/mlp/1/run/history.csv")).read_text().splitlines()) == 4


def test_a_search_of_another_process_is_exported_too(workplace: Path) -> None:
    """Its learning curve alone is not known."""
    for _ in range(2):
        model = tuning.hypermodel("mlp", blobs(), space=rates, epochs=3)
        tuner = random_search(model, workplace / "tuner", 1)
        tuner.search(*model.train, validation_data=model.validation, epochs=3, verbose=0)
    version = model.export(tuner.get_best_models()[0], "saved_models/mlp")
    card = json.loads((version / "card.json").read_text())
    assert card["best_epoch"] >= 1 and not (version / "run" / "history.png").exists()


def test_no_held_out_example_is_learnt_from_or_chosen_by() -> None:
    data = blobs()
    model = tuning.hypermodel("mlp", data)
    parts = [model.train[0], model.validation[0], prepared_inputs(data, data.held_out)]
    rows = np.concatenate(parts)
    assert len(np.unique(rows, axis=0)) == len(rows) == 120 and min(map(len, parts)) > 10


def test_equal_values_have_equal_initial_weights_and_trainings() -> None:
    model, hp = tuning.hypermodel("mlp", blobs(), epochs=2), keras_tuner.HyperParameters()
    weights = []
    for _ in range(2):
        network = model.build(hp)
        weights.append([network.get_weights()])
        model.fit(hp, network, *model.train, epochs=2, verbose=0)
        weights[-1].append(network.get_weights())
    for one, other in zip(*map(keras.tree.flatten, weights), strict=True):
        np.testing.assert_array_equal(one, other)


def flat(network: Any) -> np.ndarray:
    return np.concatenate([np.ravel(weight) for weight in network.trainable_variables])


@pytest.mark.parametrize(
    ("name", "steps"),
    [("gan", {}), pytest.param("wasserstein_gan", {"critic_steps": 3}, marks=pytest.mark.slow)],
)
def test_adversarial_networks_learn_as_from_our_own_loop(
    name: str, steps: dict[str, int], data_for: Callable[[str], Any]
) -> None:
    """Batches are whole, in the order of ours, and a trial ends with its score."""

    def slow(hp: Any) -> dict[str, dict[str, Any]]:  # by an optimizer that does not enlarge differences of rounding
        model = {"latent_dim": hp.Choice("latent_dim", [8]), **steps}
        return {"model": model, "training": {"batch_size": 32, "optimizer": "sgd", "learning_rate": 0.05}}

    model, hp = tuning.hypermodel(name, data_for(name), space=slow, epochs=2), keras_tuner.HyperParameters()
    network, again = model.build(hp), model.build(hp)
    initial = flat(network)
    said = model.fit(hp, network, *model.train, validation_data=model.train, epochs=2, verbose=0)
    assert model.validation is None and said["frechet"] > 0 and model.objective.name == "frechet"
    assert int(network.optimizer.iterations) == 2 * (len(model.train[0]) // (32 * network.critic_steps))
    trials, split = model.trials, model.trials.inner_splits[0]._replace(validation=None)
    training = trials.completed(model.settings(hp)["training"], again)
    learn(trials.job, again, split, training, trials.seed)
    way = flat(again) - initial
    assert np.linalg.norm(flat(network) - flat(again)) < 0.02 * np.linalg.norm(way) and np.linalg.norm(way) > 0.1


class Seen(keras.callbacks.Callback):
    """The number of batches, and of epochs."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.batches = self.epochs = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs += 1


def trained(model: Any, *args: Any, **options: Any) -> Seen:
    """A fit of default values."""
    hp, seen = keras_tuner.HyperParameters(), Seen()
    args = args or model.train
    model.fit(hp, model.build(hp), *args, **{"epochs": 1, "verbose": 0, "callbacks": [seen]} | options)
    return seen


def test_batches_are_those_of_the_space_or_of_the_caller() -> None:
    model = tuning.hypermodel("mlp", blobs(), space=rates)
    count = len(model.train[0])
    assert trained(model).batches == -(-count // 16)
    assert trained(model, batch_size=40).batches == -(-count // 40)
    assert trained(model, *model.train, 20).batches == -(-count // 20)
    assert trained(model, tf.data.Dataset.from_tensor_slices(model.train).batch(10)).batches == -(-count // 10)


def test_class_weights_augmentation_and_patience_of_a_space(data_for: Callable[[str], Any]) -> None:
    def weighted(hp: Any) -> dict[str, dict[str, Any]]:
        return fixed(hp, class_weights=True)

    data = blobs()
    rare = data.train.targets != 0
    rare[:30] = True
    data = replace(data, train=data.train.chosen(np.flatnonzero(rare)))
    weights = []
    for space in (fixed, weighted):
        model = tuning.hypermodel("mlp", data, space=space)
        hp = keras_tuner.HyperParameters()
        network = model.build(hp)
        model.fit(hp, network, *model.train, epochs=1, verbose=0)
        weights.append(network.get_weights()[0])
    assert not np.allclose(*weights)

    def patient(hp: Any) -> dict[str, dict[str, Any]]:
        return fixed(hp, patience=1, learning_rate=100.0, clip_norm=None)

    model = tuning.hypermodel("mlp", blobs(), space=patient, epochs=50)
    assert trained(model, validation_data=model.validation, epochs=50).epochs < 50

    def flipped(hp: Any) -> dict[str, dict[str, Any]]:
        filters = {"filters": (hp.Choice("filters", [4]),)}
        return {"model": filters, "training": {"augment": ("flip",), "batch_size": 64, "class_weights": True}}

    model = tuning.hypermodel("cnn", data_for("cnn"), space=flipped)
    assert trained(model, validation_data=model.validation).batches == -(-len(model.train[0]) // 64)


def test_numbers_have_the_metrics_that_users_of_keras_expect(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(100, 4))
    model = tuning.hypermodel("perceptron", arrays(rows, 50 + 10 * rows.sum(axis=1)), epochs=2)
    assert abs(model.train[1].mean()) < 1e-5 and model.train[1].std() == pytest.approx(1, abs=1e-5)
    tuner = random_search(model, tmp_path, objective="val_mae")
    tuner.search(*model.train, validation_data=model.validation, epochs=2, verbose=0)
    assert {"loss", "mse", "mae", "val_loss"} <= tuner.oracle.get_best_trials()[0].metrics.metrics.keys()


def message(call: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_can_not_be_searched_is_refused(folder: Path) -> None:
    data = blobs()
    assert "did you mean mlp?" in message(tuning.hypermodel, "mpl", data)
    assert "expected a model with a search space" in message(tuning.hypermodel, 3, data)
    assert "epochs of at least 1" in message(tuning.hypermodel, "mlp", data, epochs=0)
    wrong = message(tuning.hypermodel, "mlp", "no such file", space=lambda hp: {"model": {"unit": 3}, "training": {}})
    assert "did you mean units?" in wrong
    other = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    assert "tuner.get_best_models()[0]" in message(tuning.hypermodel("mlp", data).export, other, "saved_models/x")

    def blocks(hp: Any) -> dict[str, dict[str, Any]]:
        return SPACES["fine_tune"](hp, blocks=(0, 2))

    model = tuning.hypermodel("fine_tune", folder, space=blocks, input_size=64)
    hp = keras_tuner.HyperParameters()
    hp.Fixed("unfreeze", 2)
    assert "2 trained blocks: take tuning.search" in message(model.build, hp)
