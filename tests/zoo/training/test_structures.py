"""Compiled trainings that are used again: what is told from what, and every training as it is alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from zoo.training import compiling
from zoo.training.batches import Arrays
from zoo.training.checkpoints import Checkpoint
from zoo.training.compiling import SessionCache, unoptimized
from zoo.training.loop import fit
from zoo.training.optimizers import optimizer
from zoo.training.structures import structure

pytestmark = pytest.mark.numerical

layers = keras.layers
RNG = np.random.default_rng(0)
TARGETS = (np.arange(60) % 3).astype(np.int64)
INPUTS = (RNG.normal(size=(60, 4)) + TARGETS[:, None]).astype(np.float32)
HELD = Arrays(INPUTS[:20], TARGETS[:20], batch_size=20)


def sequential(*between: layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), layers.Dense(6), *between, layers.Dense(3, "softmax")])


def branched(*merged: str) -> keras.Model:
    """Branches of the same names in another order."""
    inputs = keras.Input((4,), name="in")
    made = {"one": layers.Dense(6, "tanh", name="one")(inputs), "two": layers.Dense(6, name="two")(inputs)}
    joined = layers.Subtract(name="minus")([made[each] for each in merged])
    return keras.Model(inputs, layers.Dense(3, "softmax", name="out")(joined))


def nested(act: str) -> keras.Model:
    return sequential(keras.Sequential([layers.Activation(act, name=act)], name=act), layers.Activation("linear"))


def within(cell: str, merge: str) -> keras.Model:
    cells = {"lstm": layers.LSTM, "gru": layers.GRU}
    rows = [keras.Input((4,)), layers.Reshape((2, 2)), layers.Bidirectional(cells[cell](2, name="r"), merge, name="b")]
    return keras.Sequential([*rows, layers.Dense(3, "softmax")])


def scaled(by: float) -> Callable[[Any], Any]:
    def scale(x: Any) -> Any:
        return by * x

    return scale


class Times(layers.Layer):
    """Whose configuration does not tell by what."""

    def __init__(self, by: float) -> None:
        super().__init__(name="times")
        self.by = by

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def call(self, inputs: Any) -> Any:
        return self.by * inputs


def policy(name: str) -> keras.Model:
    return sequential(layers.Dense(6, "tanh", name=name, dtype=name))


def frozen(which: int) -> keras.Model:
    model = sequential(layers.Dense(6, "tanh"))
    model.layers[which].trainable = False
    return model


def part_frozen(name: str) -> keras.Model:
    model = sequential(layers.Dense(6, "tanh"))
    getattr(model.layers[1], name).trainable = False
    return model


OTHERS: dict[str, Callable[[], keras.Model]] = {
    **{f"activation {act}": lambda act=act: sequential(layers.Activation(act, name=act)) for act in ("tanh", "relu")},
    **{f"nested {act}": lambda act=act: nested(act) for act in ("tanh", "relu")},
    **{f"bias {bias}": lambda bias=bias: sequential(layers.Dense(6, bias, name="d")) for bias in ("elu", "selu")},
    **{f"merge {''.join(m)}": lambda m=m: branched(*m) for m in (("one", "two"), ("two", "one"))},
    **{f"{c} {m}": lambda c=c, m=m: within(c, m) for c in ("lstm", "gru") for m in ("sum", "mul")},
    **{f"policy {name}": lambda name=name: policy(name) for name in ("float32", "mixed_bfloat16")},
    **{f"frozen {which}": lambda which=which: frozen(which) for which in (0, 1)},
    **{f"frozen {name}": lambda name=name: part_frozen(name) for name in ("kernel", "bias")},
    **{f"dropout {rate}": lambda rate=rate: sequential(layers.Dropout(rate, name="a")) for rate in (0.1, 0.5)},
    **{f"l2 {by}": lambda by=by: sequential(layers.Dense(6, kernel_regularizer=keras.regularizers.L2(by)))
       for by in (0.1, 1.0)},
    **{f"times {by}": lambda by=by: sequential(Times(by)) for by in (1.0, 5.0)},
    **{f"function {by}": lambda by=by: sequential(layers.Activation(scaled(by), name="a")) for by in (1.0, 5.0)},
}  # fmt: skip


def key(model: keras.Model, **changes: Any) -> str | None:
    batches, rule, loss = Arrays(INPUTS, TARGETS), optimizer(steps=4), "sparse_categorical_crossentropy"
    how = {"batches": batches, "optimizer": rule, "loss": loss, "metrics": [], "validation": None} | changes
    return structure(model, *(how[name] for name in ("batches", "optimizer", "loss", "metrics", "validation")))


def test_other_networks_have_other_structures_and_the_same_ones_the_same() -> None:
    made = {name: make() for name, make in OTHERS.items()}
    names = {name: [layer.name for layer in model._flatten_layers()] for name, model in made.items()}
    keys = {name: key(model) for name, model in made.items()}
    for (one, a), (other, b) in itertools.combinations(keys.items(), 2):
        assert a != b, f"{one} and {other}"
    for name, make in OTHERS.items():
        assert key(made[name]) == keys[name]
        assert (key(make()) == keys[name]) != name.startswith(("times", "function")), name  # which are as they are
        assert [layer.name for layer in made[name]._flatten_layers()] == names[name]
    assert key(sequential(layers.Activation("tanh", name="relu"))) == keys["activation tanh"]


def test_losses_rules_and_names_of_inputs_are_told_apart() -> None:
    model = sequential()
    losses = [keras.losses.MeanSquaredError(name="loss"), keras.losses.MeanAbsoluteError(name="loss"), "mse", None]
    rules = [optimizer(name, steps=4) for name in ("sgd", "momentum", "adam", "adamw")]
    rules += [optimizer(steps=5), optimizer(steps=4, clip_norm=2.0), optimizer(steps=4, weight_decay=0.1)]
    keys = [key(model, loss=loss) for loss in losses] + [key(model, optimizer=rule) for rule in rules]
    assert len(set(keys)) == len(keys)
    assert key(model) == key(model, optimizer=optimizer(learning_rate=0.1, schedule="step", steps=4))

    def joined(*names: str) -> keras.Model:
        first, second = (keras.Input((4,), name=name) for name in names)
        return keras.Model([first, second], layers.Dense(3)(layers.Subtract()([first, second])))

    batches = Arrays({"a": INPUTS, "b": INPUTS[::-1]}, TARGETS)
    assert key(joined("a", "b"), batches=batches) != key(joined("b", "a"), batches=batches)


def trained(model: keras.Model, reuse: SessionCache | None, rate: float = 3e-2, size: int = 20, **extra: Any) -> tuple:
    batches = Arrays(INPUTS, TARGETS, batch_size=size, seed=1)
    rule = optimizer(extra.pop("name", "adam"), rate, steps=extra.get("epochs", 2) * len(batches))
    with unoptimized():
        how = {"epochs": 2, "loss": "sparse_categorical_crossentropy", "validation": HELD, "reuse": reuse}
        history = fit(model, batches, optimizer=rule, **how | extra)
    return history, [np.array(each) for each in model.get_weights()]


@pytest.mark.parametrize("names", [("activation tanh", "activation relu"), ("nested tanh", "nested relu"),
                                   ("times 1.0", "times 5.0")])  # fmt: skip
def test_networks_learn_together_what_they_learn_alone(names: tuple[str, str]) -> None:
    reuse, ends = SessionCache(), []
    for shared in (None, reuse):
        for name in (*names, names[0]):
            keras.utils.set_random_seed(0)
            ends.append(trained(OTHERS[name](), shared))
    for (history, weights), (same, others) in zip(ends[:3], ends[3:], strict=True):
        assert history == same
        assert all(np.array_equal(one, other) for one, other in zip(weights, others, strict=True))
    assert ends[0][0] != ends[1][0]


def test_one_network_in_turns_with_other_settings_is_scored_each_time() -> None:
    model = sequential(layers.Dropout(0.3, seed=1))
    first = [np.array(each) for each in compiling.states(model)]
    turns = [{"size": 20}, {"size": 30}, {"name": "momentum"}, {"size": 20, "rate": 1e-3}, {"size": 30}, {"size": 20}]

    def all_turns(reuse: SessionCache | None) -> list[tuple]:
        found = []
        for turn in turns:
            for variable, value in zip(compiling.states(model), first, strict=True):
                variable.assign(value)
            found.append(trained(model, reuse, **turn))
        return found

    for (history, weights), (same, others) in zip(all_turns(None), all_turns(SessionCache()), strict=True):
        assert history == same and history.epochs[-1]["val_loss"] > 0
        assert all(np.array_equal(one, other) for one, other in zip(weights, others, strict=True))


@pytest.mark.parametrize(
    "precision",
    [*(pytest.param(name, marks=pytest.mark.slow) for name in ("float32", "mixed_bfloat16")), "mixed_float16"],
)
def test_repeated_and_resumed_trainings_are_the_same_to_the_bit(precision: str, tmp_path: Any) -> None:
    """Past two thousand steps, after which the scale that float16 needs grows."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        keras.utils.set_random_seed(0)
        model = sequential(layers.Dropout(0.3, seed=1))
    finally:
        keras.config.set_dtype_policy(before)
    first = [np.array(each) for each in compiling.states(model)]
    reuse, epochs = SessionCache(), 90

    class Killed(Exception):
        pass

    scales: list[list[float]] = []

    def run(state: str | None = None, kill: int | None = None) -> tuple:
        for variable, value in zip(compiling.states(model), first, strict=True):
            variable.assign(value)
        scales.append([])

        def begin(epoch: int, logs: Any = None) -> None:
            scales[-1].append(float(getattr(model.optimizer, "dynamic_scale", 1.0)))
            if epoch == kill:
                raise Killed

        killer = keras.callbacks.LambdaCallback(on_epoch_begin=begin)
        checkpoint = None if state is None else Checkpoint(tmp_path / f"{state}.npz", every=0)
        return trained(model, reuse, 1e-3, size=2, checkpoint=checkpoint, callbacks=[killer], epochs=epochs)

    (whole, weights), results = run(), [run()]
    for kill in (3, 80):
        with pytest.raises(Killed):
            run(f"at_{kill}", kill)
        results.append(run(f"at_{kill}"))
    for again, others in results:
        assert again == whole
        assert all(np.array_equal(one, other) for one, other in zip(weights, others, strict=True))
    assert scales[1] == scales[0] and scales[3] == scales[0][3:] and scales[5] == scales[0][80:]
    if precision == "mixed_float16":
        assert scales[0][0] > scales[0][-1] > scales[0][60]
