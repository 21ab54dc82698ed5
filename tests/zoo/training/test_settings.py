"""How a network is trained, as one value: what it refuses, what it completes, and what the card holds of it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import numpy as np
import pytest

from zoo.data import Data, arrays
from zoo.errors import InputError
from zoo.training.preparing import prepare
from zoo.training.run import _checkpoint, train
from zoo.training.settings import Settings


def table(count: int = 60) -> Data:
    targets = np.arange(count) % 3
    inputs = np.random.default_rng(0).normal(size=(count, 5)) + 2 * np.eye(5)[targets]
    return arrays(inputs.astype(np.float32), targets.astype(np.int64))


def images(count: int = 200) -> Data:
    pixels = np.random.default_rng(0).integers(0, 255, (count, 8, 8, 1)).astype(np.uint8)
    return arrays(pixels, np.arange(count) % 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs and batch_size of at least 1, received epochs=0, batch_size=None"),
        ({"epochs": 3, "batch_size": -1}, "epochs and batch_size of at least 1, received epochs=3, batch_size=-1"),
        ({"patience": -1}, "a patience of 0 or more, received -1"),
        (
            {"optimizer": "adan"},
            r"an optimizer out of sgd, momentum, rmsprop, adam, adamw, received 'adan'; did you mean adam\?",
        ),
        ({"learning_rate": 0.0}, "learning_rate over 0, received 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate over 0, received nan"),
        (
            {"schedule": "cosin"},
            r"a schedule out of constant, cosine, exponential, step, received 'cosin'; did you mean cosine\?",
        ),
        ({"warm_up": 1.0}, r"warm_up in \[0, 1\), received 1.0"),
        ({"momentum": -0.1}, r"momentum in \[0, 1\), received -0.1"),
        ({"weight_decay": -1.0}, "weight_decay of 0 or more, received -1.0"),
        ({"clip_norm": 0.0}, "clip_norm over 0, or None, received 0.0"),
        (
            {"augment": ("flip", "turn")},
            "augmentations out of flip, vflip, crop, zoom, color, hue, randaugment, received 'turn'",
        ),
        (
            {"precision": "float8"},
            r"a precision out of float32, mixed_float16, mixed_bfloat16, received 'float8'; did you mean float32\?",
        ),
    ],
)
def test_what_is_out_of_its_range_is_refused_before_the_data_are_read(wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=f"^expected {message}$"):
        Settings(**wrong)
    with pytest.raises(InputError, match=f"^expected {message}$"):
        train("mlp", "no such folder", **wrong)


@pytest.mark.parametrize(
    "edge",
    [
        {"epochs": 1, "batch_size": 1, "patience": 0},
        {"warm_up": 0.0, "momentum": 0.0, "weight_decay": 0.0, "clip_norm": None},
        {"precision": "mixed_bfloat16", "augment": ["randaugment"], "schedule": "step", "optimizer": "momentum"},
    ],
)
def test_the_ends_of_ranges_are_in_them(edge: dict) -> None:
    assert Settings(**edge).to_dict().items() >= edge.items()


def test_they_are_a_value_with_the_defaults_of_training() -> None:
    known = inspect.signature(train).parameters
    assert {field.name: field.default for field in fields(Settings)} == {
        field.name: known[field.name].default for field in fields(Settings)
    }
    assert Settings(augment=["flip"]) == Settings(augment=("flip",)) != Settings()
    assert len({Settings(), Settings(epochs=None), Settings(epochs=3)}) == 2
    with pytest.raises(FrozenInstanceError):
        Settings().epochs = 3


@pytest.mark.parametrize(
    ("count", "given", "completed"),
    [
        (100, {}, {"epochs": 200, "batch_size": 32, "patience": 66, "weight_decay": 0.0}),
        (1_000, {"optimizer": "adamw"}, {"epochs": 48, "batch_size": 32, "patience": 16, "weight_decay": 0.004}),
        (10_000, {}, {"epochs": 20, "batch_size": 128, "patience": 6, "weight_decay": 0.0}),
        (1_000, {"epochs": 6, "patience": 0}, {"epochs": 6, "batch_size": 32, "patience": 0, "weight_decay": 0.0}),
    ],
)
def test_the_data_decide_what_is_left_open(count: int, given: dict, completed: dict) -> None:
    task, settings = prepare("mlp", table(), {}), Settings(**given)
    found = settings.completed(task, count)
    assert found.to_dict() == settings.to_dict() | completed
    assert found.completed(task, 7) == found


def test_adversarial_networks_have_lengths_of_their_own_and_no_classes_to_weight() -> None:
    task = prepare("gan", images(), {})
    assert Settings().completed(task, 160).to_dict().items() >= {"epochs": 400, "batch_size": 64}.items()
    with pytest.raises(InputError, match="160 to learn from, and batch_size is 161"):
        Settings(batch_size=161).completed(task, 160)
    with pytest.raises(InputError, match="class_weights are for one class an example; leave them out for generation"):
        Settings(class_weights=True).completed(task, 160)


PLAIN = {
    "epochs": 2,
    "batch_size": 32,
    "patience": 5,
    "optimizer": "adam",
    "learning_rate": None,
    "schedule": "cosine",
    "warm_up": 0.05,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "clip_norm": 1.0,
    "precision": "float32",
    "class_weights": False,
    "augment": [],
    "validation": 0.1,
}
OTHER = {"optimizer": "adamw", "learning_rate": 3e-3, "class_weights": True, "patience": 1, "clip_norm": None}
CARDS = [
    ("mlp", table, {}, PLAIN, ".state-cd5a1f1b9f.npz"),
    ("mlp", table, OTHER, PLAIN | OTHER | {"weight_decay": 0.004}, ".state-27a9e9c83a.npz"),
    ("cnn", images, {"augment": ("flip",)}, PLAIN | {"augment": ["flip"]}, ".state-d3a38d9644.npz"),
    ("dense_autoencoder", images, {}, PLAIN, ".state-b31bf187ba.npz"),
]


@pytest.mark.numerical
@pytest.mark.parametrize(("builder", "data", "given", "training", "state"), CARDS)
def test_the_card_and_the_name_of_the_state_stay_those_that_runs_have(
    builder: str, data: Callable[[], Data], given: dict, training: dict, state: str
) -> None:
    """A run that was killed is gone on with by a later version: its state is named by the card."""
    read = data()
    card = train(builder, read, epochs=2, **given).card
    assert json.dumps(card["training"]) == json.dumps(training)
    names = ("builder", "kind", "model", "seed", "training", "normal", "false_alarms")
    begun = {name: card[name] for name in names if name in card}
    job = prepare(builder, replace(read, fingerprint="of the data"), {})
    assert _checkpoint(Path("run"), begun, job).path.name == state


def test_a_run_of_a_version_whose_builders_took_a_task_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    job = prepare("mlp", arrays(np.eye(30), np.arange(30.0)), {})
    now, before = ({"model": {"units": (4,)} | said} for said in ({"output": "linear"}, {"task": "regression"}))
    assert _checkpoint(Path("run"), now, job).path == _checkpoint(Path("run"), before, job).path
