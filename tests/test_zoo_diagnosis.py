"""What is said of networks that do not learn, and that nothing is said of those that do."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from zoo.builders import mlp
from zoo.data import Data, arrays
from zoo.diagnosis import diagnose
from zoo.errors import InputError
from zoo.training import train


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


def symptoms(*arguments: object, **options: object) -> set[str]:
    found = diagnose(*arguments, **options)
    assert all(finding.evidence and finding.remedy for finding in found)
    return {finding.symptom for finding in found}


@pytest.mark.slow
def test_twenty_layers_of_sigmoid_against_relu_with_he_and_normalization() -> None:
    sigmoid = mlp((8,), 4, units=(32,) * 20, activation="sigmoid", initializer="glorot_uniform")
    relu = mlp((8,), 4, units=(32,) * 20, activation="relu", batch_normalization=True)
    assert symptoms(sigmoid, table()) == {"vanishing gradients"}
    assert symptoms(relu, table()) == set()
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
    network = mlp((8,), 1, units=(64,) * 10, task="regression")
    assert symptoms(network, data) == set()
    network.set_weights([weight * 4 if weight.ndim > 1 else weight for weight in network.get_weights()])
    assert symptoms(network, data) == {"exploding gradients"}


def test_units_that_never_answer_are_dead() -> None:
    network = mlp((8,), 4, units=(32,))
    weights = network.get_weights()
    weights[1] = weights[1] - np.repeat([100.0, 0.0], 16).astype(np.float32)
    network.set_weights(weights)
    found = diagnose(network, table())
    assert [finding.symptom for finding in found] == ["dead units"] and "50%" in found[0].evidence


@pytest.mark.parametrize(
    ("data", "how", "symptom"),
    [
        (table(), {"optimizer": "adam", "learning_rate": 1e-6, "schedule": "constant"}, "learning rate too low"),
        (
            table(),
            {"optimizer": "sgd", "learning_rate": 5.0, "clip_norm": None, "schedule": "constant", "warm_up": 0.0},
            "learning rate too high",
        ),
        (table(80, noise=6.0), {"epochs": 120, "learning_rate": 5e-3, "patience": 1000}, "overfitting"),
        (ring(), {"model": {"units": (1,)}, "epochs": 60}, "underfitting"),
    ],
)
def test_losses_tell(data: Data, how: dict, symptom: str) -> None:
    trained = train("mlp", data, **({"epochs": 15, "model": {"units": (64,)}} | how))
    assert symptom in symptoms(trained)


def test_nothing_is_said_of_what_is_well() -> None:
    trained = zoo.train("mlp", table(), model={"units": (16,)})
    assert trained.evaluation.accuracy > 0.75
    assert symptoms(trained) == set()


def test_a_network_needs_its_data() -> None:
    with pytest.raises(InputError, match="expected the data"):
        diagnose(mlp((8,), 4))
