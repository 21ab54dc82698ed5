"""The training loop held to Keras' own `fit`: after ten steps the weights are the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from zoo.training.batches import Arrays
from zoo.training.compiling import unoptimized
from zoo.training.loop import fit
from zoo.training.optimizers import OPTIMIZERS, optimizer

pytestmark = pytest.mark.numerical

COUNT, BATCH, EPOCHS = 76, 16, 2  # five steps an epoch, the last of twelve examples
RNG = np.random.default_rng(0)
TARGETS = (np.arange(COUNT) % 3).astype(np.int64)
INPUTS = (RNG.normal(size=(COUNT, 4)) + TARGETS[:, None]).astype(np.float32)
WEIGHTS = RNG.uniform(0.2, 3, COUNT).astype(np.float32)


@keras.saving.register_keras_serializable("tests")
class Idle(keras.layers.Layer):
    """Has a weight that no output depends on, and so no gradient."""

    def build(self, shape: Any) -> None:
        self.idle = self.add_weight(shape=(3,), initializer="ones", name="idle")

    def call(self, inputs: Any) -> Any:
        return inputs


def network(*between: keras.layers.Layer, regularizer: Any = None, tokens: bool = False) -> keras.Model:
    first = keras.layers.Dense(8, "tanh", kernel_regularizer=regularizer)
    layers = [keras.Input((4,)), first, *between, keras.layers.Dense(3, "softmax")]
    if tokens:
        layers[1:1] = [keras.layers.Embedding(7, 5), keras.layers.Flatten()]
    return keras.Sequential(layers)


PLAIN = {"network": network, "rule": {"name": "adam"}, "parameters": 10**9, "data": {}, "policy": "float32"}
CASES: dict[str, dict[str, Any]] = {
    **{name: {"rule": {"name": name, "weight_decay": 0.1}} for name in OPTIMIZERS},
    "no decay, no clipping": {"rule": {"clip_norm": None}},
    "clipping": {"rule": {"name": "sgd", "clip_norm": 0.01}},
    "one update for each variable": {"parameters": 0, "rule": {"weight_decay": 0.1}},
    "regularizer": {"network": lambda: network(regularizer=keras.regularizers.L1L2(0.01, 0.02))},
    "sample weights": {"data": {"sample_weight": WEIGHTS}},
    "class weights": {"data": {"class_weight": {0: 0.3, 1: 2.0, 2: 0.7}}},
    "mixed_bfloat16": {"policy": "mixed_bfloat16"},
    "mixed_float16": {"policy": "mixed_float16"},
    "dropout": {"network": lambda: network(keras.layers.Dropout(0.4, seed=3))},
    "batch statistics": {"network": lambda: network(keras.layers.BatchNormalization())},
    "a weight without gradient": {"network": lambda: network(Idle()), "rule": {"weight_decay": 0.1}},
    "tokens": {"network": lambda: network(tokens=True), "rule": {"name": "sgd", "clip_norm": None}},
}
RULES: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
    "each gradient clipped": lambda: keras.optimizers.Adam(1e-2, clipnorm=0.01),
    "values clipped": lambda: keras.optimizers.RMSprop(1e-2, momentum=0.5, centered=True, clipvalue=0.01),
    "gathered gradients": lambda: keras.optimizers.Adam(1e-2, gradient_accumulation_steps=3),
    "amsgrad": lambda: keras.optimizers.AdamW(1e-2, amsgrad=True),
    "biases without decay": lambda: without_decay(keras.optimizers.AdamW(1e-2, weight_decay=0.5)),
}


def without_decay(rule: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    rule.exclude_from_weight_decay(var_names=["bias"])
    return rule


QUICK = ("adam", "rmsprop", "momentum", "mixed_float16", "class weights", "a weight without gradient", *list(RULES)[:1])


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in (*CASES, *RULES)]
)
def test_ten_steps_are_those_of_keras(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = PLAIN | CASES.get(name, {})
    monkeypatch.setattr("zoo.training.fused.PARAMETERS", case["parameters"])
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(case["policy"])
    try:
        ours = case["network"]()
        theirs = keras.models.clone_model(ours)
    finally:
        keras.config.set_dtype_policy(before)
    theirs.set_weights(ours.get_weights())
    inputs = RNG.integers(0, 7, (COUNT, 4)) if name == "tokens" else INPUTS
    rules = [RULES[name]() if name in RULES else optimizer(steps=10, **case["rule"]) for _ in range(2)]
    weights = case["data"].get("sample_weight")
    if "class_weight" in case["data"]:
        weights = np.array([case["data"]["class_weight"][each] for each in TARGETS], np.float32)
    batches = Arrays(inputs, TARGETS, weights, batch_size=BATCH, seed=3)
    with unoptimized():
        found = fit(ours, batches, epochs=EPOCHS, optimizer=rules[0], loss="sparse_categorical_crossentropy")
    theirs.compile(rules[1], "sparse_categorical_crossentropy", run_eagerly=True)  # which saves a graph
    for epoch in range(EPOCHS):
        order = batches.order(epoch)
        data = {key: each[order] if key == "sample_weight" else each for key, each in case["data"].items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a weight without gradient
            fitted = theirs.fit(inputs[order], TARGETS[order], batch_size=BATCH, shuffle=False, verbose=0, **data)
    assert int(rules[0].iterations) == int(rules[1].iterations) > 0
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6, rtol=0)
    assert found.epochs[-1]["loss"] == pytest.approx(fitted.history["loss"][-1], abs=1e-5)
    for one, other in zip(rules[0].variables, rules[1].variables, strict=True):  # what a saved model goes on from
        np.testing.assert_allclose(one, other, atol=1e-6, rtol=1e-5)
