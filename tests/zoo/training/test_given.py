"""Optimizers and losses of Keras that a caller brings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from support.masks import write
from zoo import InputError
from zoo.data import arrays
from zoo.training import given
from zoo.training.checkpoints import Checkpoint
from zoo.training.run import Trained, train
from zoo.training.settings import Settings

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(120, 4)).astype("float32")
CLASSES = arrays(ROWS, (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int) + (ROWS[:, 2] > 1))
NUMBERS = arrays(ROWS, 100 + 9 * ROWS[:, :1] + RNG.normal(size=(120, 1)))
LABELS = arrays(ROWS, (ROWS[:, :2] > 0).astype(int), task="multi_label")
SMALL = {"model": {"units": (8,)}, "epochs": 4, "batch_size": 32}
EVERY = {
    "SGD": {"learning_rate": 0.05, "momentum": 0.9, "clipnorm": 0.5},
    "RMSprop": {"centered": True},
    "Adam": {"learning_rate": keras.optimizers.schedules.CosineDecay(0.01, 12), "amsgrad": True, "clipvalue": 0.1},
    "AdamW": {"gradient_accumulation_steps": 2},
    "Adadelta": {},
    "Adagrad": {},
    "Adamax": {},
    "Adafactor": {},
    "Nadam": {},
    "Ftrl": {},
    "Lion": {},
    "Lamb": {},
    "Muon": {},
}


def same(one: Trained, other: Trained) -> None:
    assert one.history == other.history
    for left, right in zip(one.network.get_weights(), other.network.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_given_optimizer_trains_as_one_by_name() -> None:
    by_name = train("mlp", CLASSES, optimizer="sgd", learning_rate=0.1, schedule="constant", warm_up=0, **SMALL)
    optimizer = keras.optimizers.SGD(0.1, global_clipnorm=1.0)
    trained = train("mlp", CLASSES, optimizer=optimizer, **SMALL)
    assert [row["loss"] for row in trained.history.epochs] == [row["loss"] for row in by_name.history.epochs]
    same(train("mlp", CLASSES, optimizer=optimizer, **SMALL), trained)  # it was not changed
    assert int(optimizer.iterations) == 0 and not optimizer.built


def test_a_schedule_of_its_own_is_followed() -> None:
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5, staircase=True)
    trained = train("mlp", CLASSES, optimizer=keras.optimizers.Adam(rate), **SMALL)  # 3 steps an epoch
    rates = [row["learning_rate"] for row in trained.history.epochs]
    np.testing.assert_allclose(rates, [0.05, 0.025, 0.0125, 0.00625], rtol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_a_training_with_any_optimizer_goes_on_after_a_kill(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            if epoch == 2:
                raise Killed

    def run(run: Path | None, *callbacks: Any) -> Trained:
        optimizer = getattr(keras.optimizers, name)(**EVERY[name])
        return train(
            "mlp",
            CLASSES,
            optimizer=optimizer,
            loss="categorical_focal_crossentropy",
            run=run,
            callbacks=callbacks,
            **SMALL,
        )

    monkeypatch.setattr(Checkpoint.__init__, "__defaults__", (0.0,))
    whole = run(None)
    with pytest.raises(Killed):
        run(tmp_path / "run", Kill())
    assert len(list((tmp_path / "run").glob(".state-*.npz"))) == 1
    same(run(tmp_path / "run"), whole)


def test_another_optimizer_or_loss_is_another_run(tmp_path: Path) -> None:
    def key(**how: Any) -> str:
        from hashlib import sha256

        said = Settings(**how).to_dict()
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    sgd, huber = keras.optimizers.SGD, keras.losses.Huber
    assert key(optimizer=sgd(0.1)) == key(optimizer=sgd(0.1))  # whatever their names are
    different = [{}, {"optimizer": "sgd"}, {"optimizer": sgd(0.1)}, {"optimizer": sgd(0.2)}, {"loss": "huber"}]
    different += [{"loss": huber(1.0)}, {"loss": huber(2.0)}]
    assert len({key(**how) for how in different}) == len(different)
    assert "loss" not in Settings().to_dict()  # cards, and so runs, of earlier versions have none


def test_the_card_says_both(tmp_path: Path) -> None:
    optimizer, loss = keras.optimizers.SGD(0.01, nesterov=True, momentum=0.5), keras.losses.Huber(2.0)
    trained = train("mlp", NUMBERS, optimizer=optimizer, loss=loss, **SMALL)
    said = json.loads(json.dumps(trained.card["training"]))
    assert said["optimizer"]["class_name"] == "SGD" and said["optimizer"]["config"]["learning_rate"] == 0.01
    assert said["loss"]["class_name"].endswith("Huber") and said["loss"]["config"]["delta"] == 2.0
    assert not {"learning_rate", "schedule", "clip_norm"} & said.keys()  # of optimizers by name
    version = trained.export(tmp_path / "numbers")
    assert zoo.load(version).card["training"] == said


class Own(keras.losses.Loss):
    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(self.weight * keras.ops.square(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(
    ("data", "loss", "reference"),
    [
        (CLASSES, "sparse_categorical_crossentropy", None),
        (CLASSES, keras.losses.SparseCategoricalCrossentropy(), None),
        (CLASSES, "categorical_crossentropy", None),
        (CLASSES, keras.losses.CategoricalCrossentropy(label_smoothing=0.0), None),
        (NUMBERS, "mean_squared_error", None),
        (LABELS, keras.losses.BinaryCrossentropy(), None),
        (NUMBERS, Own(1.0), None),
        (CLASSES, Own(2.0), lambda loss: loss != pytest.approx(1.0)),
        (CLASSES, keras.losses.CategoricalFocalCrossentropy(), lambda loss: loss < 0.5),
        (NUMBERS, keras.losses.LogCosh(), lambda loss: loss < 1),
        (LABELS, "binary_focal_crossentropy", lambda loss: loss < 0.5),
    ],
)
def test_a_given_loss_replaces_that_of_the_task(data: Any, loss: Any, reference: Any) -> None:
    trained = train("mlp", data, loss=loss, class_weights=data is CLASSES, **SMALL)
    first = trained.history.epochs[0]["loss"]
    if reference is None:
        usual = train("mlp", data, class_weights=data is CLASSES, **SMALL)
        assert first == pytest.approx(usual.history.epochs[0]["loss"], rel=1e-5)
        assert trained.history.best_epoch == usual.history.best_epoch
    else:
        assert reference(first)


def test_a_model_with_a_loss_of_ones_own_opens_without_it(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
    trained = train("cnn", (pixels, np.arange(60) % 2), model={"filters": (4,)}, epochs=1, loss=Own(1.0))
    version = trained.export(tmp_path / "own")
    assert len(list(zoo.load(version).predict(pixels[:2, ..., None]))) == 2
    keras.models.load_model(version / "model.keras")


@pytest.mark.parametrize("loss", [keras.losses.CategoricalFocalCrossentropy(gamma=1.5), "kl_divergence"])
def test_a_network_is_saved_with_both(tmp_path: Path, loss: Any) -> None:
    trained = train("mlp", CLASSES, optimizer=keras.optimizers.Nadam(0.01), loss=loss, **SMALL)
    trained.network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras")
    targets = CLASSES.train.targets
    inputs = trained.data.train.inputs["numeric"]
    assert type(again.optimizer).__name__ == "Nadam"
    assert again.evaluate(inputs, targets, verbose=0)[0] == pytest.approx(
        trained.network.evaluate(inputs, targets, verbose=0)[0], rel=1e-5
    )


def used() -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.apply([np.ones(2, "float32")], [keras.Variable(np.ones(2, "float32"))])
    return optimizer


def apart() -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


class Unregistered(keras.optimizers.SGD):
    pass


SGD = keras.optimizers.SGD


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"optimizer": SGD}, r"received the class SGD; call it: SGD\(\)"),
        ({"optimizer": 0.1}, r"or one of Keras, as keras.optimizers.Adam\(1e-3\); received 0.1"),
        ({"optimizer": used()}, r"SGD has made 1 steps already; give a new one: SGD.from_config\(optimizer.get_config"),
        ({"optimizer": SGD(use_ema=True)}, "SGD can't be used here: use_ema"),
        ({"optimizer": apart()}, "AdamW can't be used here: weights that are excluded from decay"),
        ({"optimizer": keras.optimizers.LossScaleOptimizer(SGD())}, "precision='mixed_float16' scales the loss"),
        ({"optimizer": Unregistered()}, "Unregistered can't be made anew.*register_keras_serializable"),
        ({"optimizer": SGD(lambda: 0.1)}, "SGD can't be made anew from its configuration: .*rates as numbers"),
        (
            {"optimizer": SGD(), "learning_rate": 0.1},
            r"learning_rate=0.1 is for optimizers by name.*SGD\(learning_rate",
        ),
        ({"optimizer": SGD(), "schedule": "step"}, "schedule='step' is for optimizers by name.*CosineDecay"),
        ({"optimizer": SGD(), "clip_norm": None}, r"clip_norm=None is for optimizers by name.*global_clipnorm="),
        ({"loss": "hubber"}, "expected loss to be a loss of Keras or the name of one, .*received 'hubber'"),
        ({"loss": lambda y, p: p}, "make a function a class"),
        ({"loss": keras.losses.CategoricalCrossentropy(from_logits=True)}, "expects logits.*leave out from_logits"),
        ({"loss": keras.losses.MeanSquaredError(reduction=None)}, "expected one finite number.*sum_over_batch_size"),
        ({"loss": keras.losses.CTC()}, "the loss CTC fails on targets"),
        ({"data": NUMBERS, "loss": "poisson"}, "the loss poisson is of shares or of numbers over 0.*deviations from"),
        ({"data": NUMBERS, "loss": "binary_crossentropy"}, "is of shares or of numbers over 0 .entropy."),
        ({"data": LABELS, "loss": "sparse_categorical_crossentropy"}, "expects classes.*take 'binary_crossentropy'"),
        ({"builder": "dense_autoencoder", "loss": "huber"}, "dense_autoencoder has a loss of its own; leave out loss"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_step(how: dict[str, Any], expected: str) -> None:
    how = dict(how)
    builder, data = how.pop("builder", "mlp"), how.pop("data", CLASSES)
    with pytest.raises(InputError, match=expected) as caught:
        train(builder, data, **how)
    assert "\n" not in str(caught.value)


def test_two_networks_take_no_optimizer() -> None:
    pixels = RNG.integers(0, 256, (64, 8, 8), dtype=np.uint8)
    with pytest.raises(InputError, match="dcgan trains two networks with an optimizer each; give a name: sgd"):
        train("dcgan", (pixels, np.arange(64) % 2), optimizer=SGD(), batch_size=8, model={"filters": (8, 16)})


def test_an_autoencoder_takes_an_optimizer() -> None:
    trained = train("dense_autoencoder", CLASSES, optimizer=keras.optimizers.Lion(1e-3), epochs=2)
    assert trained.card["training"]["optimizer"]["class_name"] == "Lion"


def test_rates_are_written_as_they_were_given() -> None:
    assert given.optimizer_config(SGD(0.01))["config"]["learning_rate"] == 0.01


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", keras.losses.Dice(axis=(1, 2))])
def test_masks_take_a_loss(tmp_path: Path, loss: Any) -> None:
    data = zoo.data.masks(write(tmp_path / "photos", 16))
    trained = train("unet", data, loss=loss, optimizer=keras.optimizers.AdamW(0.01), epochs=2, input_size=32)
    assert np.isfinite(trained.history.epochs[-1]["val_loss" if "val_loss" in trained.history.epochs[0] else "loss"])
