"""What is said of networks that do not learn, and that nothing is said of those that do."""

from __future__ import annotations

import random
from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn import datasets

import zoo
from zoo.builders import mlp
from zoo.data import Data, arrays
from zoo.errors import InputError
from zoo.training.diagnosis import diagnose
from zoo.training.run import train


def table(count: int = 400, noise: float = 1.0, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 4
    inputs = noise * rng.normal(size=(count, 8)) + 2 * np.eye(8)[targets]
    return arrays(inputs.astype(np.float32), targets.astype(np.int64))


def ring(count: int = 400) -> Data:
    """Two classes, one around the other: no single unit can tell them apart."""
    rng = np.random.default_rng(0)
    angles, targets = rng.uniform(0, 2 * np.pi, count), np.arange(count) % 2
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (1 + 2 * targets[:, None])
    return arrays((points + 0.1 * rng.normal(size=points.shape)).astype(np.float32), targets.astype(np.int64))


def symptoms(*arguments: object, **options: object) -> list[str]:
    found = diagnose(*arguments, **options)
    assert all(finding.evidence and finding.remedy for finding in found)
    return [finding.symptom for finding in found]


def sample(name: str) -> Data:
    """One of scikit-learn's tables; of diabetes' target and measures as they are."""
    inputs, targets = getattr(datasets, f"load_{name}")(return_X_y=True)
    return arrays(inputs.astype(np.float32), targets.astype(np.float32 if name == "diabetes" else np.int64))


@pytest.mark.slow
def test_twenty_layers_of_sigmoid_against_relu_with_he_and_normalization() -> None:
    sigmoid = mlp((8,), 4, units=(32,) * 20, activation="sigmoid", initializer="glorot_uniform")
    relu = mlp((8,), 4, units=(32,) * 20, activation="relu", batch_normalization=True)
    assert symptoms(sigmoid, table()) == ["vanishing gradients"]
    assert symptoms(relu, table()) == []
    data, how = table(1600), {"epochs": 15, "learning_rate": 3e-3}
    hopeless = train("mlp", data, model={"units": (32,) * 20, "activation": "sigmoid"}, **how)
    learns = train("mlp", data, model={"units": (32,) * 20, "batch_normalization": True}, **how)
    assert "vanishing gradients" in symptoms(hopeless)
    assert learns.evaluation.accuracy > hopeless.evaluation.accuracy + 0.2
    assert "vanishing gradients" not in symptoms(learns)


def test_weights_that_are_far_too_large_explode() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 8)).astype(np.float32)
    data = arrays(inputs, inputs[:, [0]], task="regression")
    keras.utils.set_random_seed(0)
    network = mlp((8,), 1, units=(64,) * 10, output="linear")
    assert symptoms(network, data) == []
    network.set_weights([weight * 4 if weight.ndim > 1 else weight for weight in network.get_weights()])
    assert symptoms(network, data) == ["exploding gradients"]


def test_units_that_never_answer_are_dead() -> None:
    network = mlp((8,), 4, units=(32,))
    weights = network.get_weights()
    weights[1] = weights[1] - np.repeat([100.0, 0.0], 16).astype(np.float32)
    network.set_weights(weights)
    found = diagnose(network, table())
    assert [finding.symptom for finding in found] == ["dead units"] and "50%" in found[0].evidence


STILL = {"schedule": "constant", "warm_up": 0.0, "clip_norm": None}
BURIED = {"class_name": "Constant", "config": {"value": -10.0}}


def buried(shape: tuple[int, ...], outputs: int) -> keras.Model:
    """No unit answers, whatever the input."""
    inputs = keras.Input(shape)
    hidden = keras.layers.Dense(32, activation="relu", bias_initializer=BURIED)(inputs)
    return keras.Model(inputs, keras.layers.Dense(outputs, activation="softmax")(hidden))


def shuffled(data: Data) -> Data:
    """Each target beside another's input, in both parts."""
    rng = np.random.default_rng(0)
    parts = {name: replace(part, targets=rng.permutation(part.targets)) for name, part in data.parts.items()}
    return replace(data, **parts)


def constant(data: Data) -> Data:
    ones = {"numeric": np.ones_like(data.train.inputs["numeric"])}
    return replace(data, train=replace(data.train, inputs=data.train.inputs | ones))


def rare(count: int = 600) -> Data:
    """One in ten is of the other class, and the inputs hardly tell it."""
    targets = (np.arange(count) % 10 == 0).astype(np.int64)
    inputs = np.random.default_rng(0).normal(size=(count, 2)) + targets[:, None]
    return arrays(inputs.astype(np.float32), targets)


@pytest.mark.parametrize(
    ("builder", "data", "how", "symptom"),
    [
        ("mlp", table(), {"learning_rate": 1e-6}, "learning rate too low"),
        ("mlp", table(), {"optimizer": "sgd", "learning_rate": 5.0} | STILL, "learning rate too high"),
        ("mlp", sample("diabetes"), {"learning_rate": 0.3, "epochs": 20} | STILL, "learning rate too high"),
        ("mlp", table(80, noise=6.0), {"epochs": 120, "learning_rate": 5e-3, "validation": 0.0}, "overfitting"),
        ("perceptron", ring(), {"learning_rate": 0.03, "epochs": 40}, "underfitting"),
        ("mlp", table(), {"model": {"l2": 10.0}, "epochs": 60}, "underfitting"),
        ("mlp", table(), {"model": {"units": (16,) * 12, "activation": "sigmoid"}}, "vanishing gradients"),
        (buried, table(), {}, "dead units"),
        (
            "mlp",
            shuffled(table()),
            {"epochs": 150, "learning_rate": 0.01, "patience": 150, "model": {"units": (128,)}},
            "inputs that do not tell the target",
        ),
        ("mlp", constant(table()), {}, "constant inputs"),
        ("perceptron", rare(), {"learning_rate": 0.01, "epochs": 60}, "class hardly ever predicted"),
    ],
)
def test_the_cause_is_told_first_and_nothing_beside_it(builder, data: Data, how: dict, symptom: str) -> None:
    model = {"units": (64,)} if builder == "mlp" else {}
    assert symptoms(train(builder, data, **({"epochs": 15, "model": model} | how))) == [symptom]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["diabetes", "breast_cancer", "wine"])
def test_nothing_is_said_of_defaults_on_real_tables(name: str, seed: int) -> None:
    trained = train("mlp", sample(name), epochs=40, seed=seed)
    assert set(symptoms(trained)) <= {"simple model ahead"}


def test_what_was_learnt_by_heart_after_the_best_epoch_is_no_finding() -> None:
    trained = train("mlp", sample("diabetes"), epochs=120, patience=1000, learning_rate=3e-3)
    losses = [row["val_loss"] for row in trained.history.epochs]
    assert losses[-1] > 1.5 * min(losses) and trained.history.best_epoch < 60
    assert set(symptoms(trained)) <= {"simple model ahead"}


def test_a_rough_way_to_a_good_end_is_no_finding() -> None:
    """Dropout makes the training loss go up as often as down."""
    trained = train("mlp", table(noise=0.5), model={"dropout": 0.5}, epochs=60)
    steps = np.diff([row["loss"] for row in trained.history.epochs])
    assert (steps > 0).mean() > 0.3 and symptoms(trained) == []


def test_looking_changes_nothing() -> None:
    trained = train("mlp", table(), model={"units": (16,), "batch_normalization": True}, learning_rate=1e-6, epochs=3)
    before, state = trained.network.get_weights(), random.getstate()
    first = diagnose(trained)
    assert diagnose(trained) == first and random.getstate() == state
    assert all(map(np.array_equal, before, trained.network.get_weights()))


def test_nothing_is_said_of_what_is_well() -> None:
    trained = zoo.train("mlp", table(), model={"units": (16,)})
    assert trained.evaluation.accuracy > 0.75
    assert symptoms(trained) == []


def test_a_network_needs_its_data() -> None:
    with pytest.raises(InputError, match="expected the data"):
        diagnose(mlp((8,), 4))
