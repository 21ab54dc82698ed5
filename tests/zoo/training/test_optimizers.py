"""Optimizers and schedules."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from support.training import blobs, network, options
from zoo.errors import InputError
from zoo.training.batches import Arrays
from zoo.training.loop import fit
from zoo.training.optimizers import OPTIMIZERS, SCHEDULES, optimizer

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns_at_its_default_rate(name: str) -> None:
    inputs, targets = blobs(300)
    batches = Arrays(inputs, targets, batch_size=16)
    rule = optimizer(name, steps=80 * len(batches))
    history = fit(network(), batches, optimizer=rule, **options(80))
    assert history.epochs[-1]["accuracy"] > 0.7 and history.epochs[-1]["loss"] < history.epochs[0]["loss"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_rise_and_fall_as_they_say(schedule: str) -> None:
    rule = optimizer("sgd", 0.1, steps=1000, schedule=schedule, warm_up=0.1)
    rates = np.array([float(rule._learning_rate(step)) for step in (0, 50, 99, 101, 549, 551, 774, 776, 999)])
    assert rates[0] == pytest.approx(0.001) and rates[1] == pytest.approx(0.051)
    assert rates.max() <= 0.1 + 1e-7
    last = {"constant": 0.1, "cosine": 0.0, "exponential": 0.001, "step": 0.001}[schedule]
    assert rates[-1] == pytest.approx(last, abs=2e-5)
    if schedule == "step":
        assert rates[4:8] == pytest.approx([0.1, 0.01, 0.01, 0.001])


def test_a_schedule_with_warm_up_is_saved_and_loaded() -> None:
    rule = optimizer("adam", 1e-2, steps=100)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(rule))
    for step in (0, 3, 50, 99):
        assert float(again._learning_rate(step)) == pytest.approx(float(rule._learning_rate(step)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "adan"}, "expected an optimizer out of sgd"),
        ({"schedule": "cosin"}, "expected a schedule out of constant"),
        ({"learning_rate": 0.0}, "learning_rate over 0, received 0"),
        ({"warm_up": 1.0}, "warm_up in"),
        ({"momentum": 1.0}, "momentum in"),
        ({"weight_decay": -1.0}, "weight_decay of 0 or more"),
        ({"clip_norm": 0.0}, "clip_norm over 0"),
    ],
)
def test_wrong_arguments_of_optimizers_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        optimizer(**({"steps": 10} | arguments))


def test_adamw_decays_as_that_of_keras_does_and_no_other_optimizer_unless_asked() -> None:
    assert optimizer("adamw", steps=9).weight_decay == keras.optimizers.AdamW().weight_decay == 0.004
    assert optimizer("adamw", steps=9, weight_decay=0.0).weight_decay == 0
    for name in OPTIMIZERS:
        assert optimizer(name, steps=9, weight_decay=0.1).weight_decay == 0.1
        assert bool(optimizer(name, steps=9).weight_decay) == (name == "adamw")
