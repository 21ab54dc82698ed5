"""Training on data of every kind: what is learnt, what is checked before, and what the export answers."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.builders import mlp
from zoo.data import Data, arrays, sequences
from zoo.data.parts import Part
from zoo.errors import InputError, JobError
from zoo.kinds import Tables
from zoo.tasks.classification import Classification
from zoo.training.augmentation import AUGMENTATIONS, augmentation
from zoo.training.diagnosis import diagnose
from zoo.training.learning_rates import find_learning_rate
from zoo.training.run import train

pytestmark = pytest.mark.numerical
XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


def table(count: int = 200, seed: int = 0, classes: int = 3) -> Data:
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    inputs = rng.normal(size=(count, 5)) + 2 * np.eye(5)[targets]
    return arrays(inputs.astype(np.float32), targets.astype(np.int64), seed=seed)


def xor() -> Data:
    """The four points, both learnt and asked for: there are no others."""
    part = Part({"numeric": XOR}, np.array([0, 1, 1, 0]), tuple("abcd"), tuple("abcd"))
    inputs = keras.Input((2,), name="numeric")
    same = keras.Model({"numeric": inputs}, keras.layers.Identity()(inputs))
    return Data(
        part, None, part, Classification(("0", "1")), same, "xor", Path("xor"), (), Tables(("left", "right"), ())
    )


def test_a_single_layer_can_not_learn_xor_and_a_hidden_layer_can() -> None:
    arguments = {"epochs": 300, "learning_rate": 0.05, "validation": 0}
    single = train("perceptron", xor(), **arguments)
    hidden = train("mlp", xor(), model={"units": (8,), "activation": "tanh"}, **arguments)
    assert single.evaluation.correct <= 3
    assert hidden.evaluation.correct == 4


def test_classes_are_learnt_and_stand_beside_simple_models() -> None:
    trained = train("mlp", table(), model={"units": (16,)})
    assert trained.evaluation.accuracy > 0.7 > trained.evaluation.baseline
    assert trained.evaluation.baselines["logistic regression"] > 0.8
    assert trained.card["builder"] == "mlp" and trained.card["model"]["units"] == (16,)
    assert trained.history.best_epoch >= 1
    json.dumps(trained.card)


def test_a_seed_is_a_whole_number_of_any_type() -> None:
    weights = [train("mlp", table(), epochs=1, seed=s).network.get_weights() for s in (3, np.int64(3), np.uint8(3))]
    assert all(np.array_equal(a, b) for other in weights[1:] for a, b in zip(weights[0], other, strict=True))
    for wrong in (0.5, -1, 2**40, "3", None):
        with pytest.raises(InputError, match="seed"):
            train("mlp", table(), epochs=1, seed=wrong)


def test_the_same_seed_gives_the_same_weights_and_another_another() -> None:
    weights = [train("mlp", table(), model={"dropout": 0.2}, epochs=3, seed=s).network.get_weights() for s in (1, 1, 2)]
    assert all((a == b).all() for a, b in zip(*weights[:2], strict=True))
    assert any((a != b).any() for a, b in zip(weights[0], weights[2], strict=True))


@pytest.mark.parametrize("unit", [1.0, 1e-12])
def test_numbers_are_answered_in_their_own_unit(unit: float) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(400, 3)).astype(np.float32)
    targets = (unit * (1000 + 50 * inputs[:, [0]] - 20 * inputs[:, [1]] ** 2)).astype(np.float32)
    trained = train("mlp", arrays(inputs, targets, task="regression"), epochs=60, learning_rate=5e-3)
    assert trained.evaluation.r2 > 0.9 > trained.evaluation.baselines["ridge"]["r2"] > 0.5
    assert trained.evaluation.baselines["mean"]["r2"] < 0.05
    assert 900 < trained.outputs.mean() / unit < 1050


def test_several_labels() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(300, 4)).astype(np.float32)
    targets = (inputs[:, :3] > 0).astype(np.int64)
    trained = train("mlp", arrays(inputs, targets, task="multi_label", classes=("a", "b", "c")), epochs=30)
    assert trained.evaluation.accuracy > 0.7 > trained.evaluation.baseline
    assert trained.network.layers[-1].activation.__name__ == "sigmoid"


def test_ones_own_function_and_ones_own_model_are_trained() -> None:
    def tiny(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
        """One layer."""
        inputs = keras.Input(input_shape)
        return keras.Model(inputs, keras.layers.Dense(num_classes, "softmax")(inputs))

    assert train(tiny, table(), learning_rate=0.05).evaluation.accuracy > 0.7
    own = mlp((5,), 3, units=(8,))
    before = own.get_weights()
    trained = train(own, table(), epochs=5)
    assert trained.card["builder"] == "mlp" and any(
        (a != b).any() for a, b in zip(before, own.get_weights(), strict=True)
    )


def test_ones_own_function_receives_the_activation_of_the_task() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    data, received = arrays(rows, rows[:, [0]], task="regression"), []

    def plain(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
        return mlp(input_shape, num_classes, output="linear")

    def knows(input_shape: tuple[int, ...], num_classes: int, output: str = "softmax") -> keras.Model:
        received.append(output)
        return mlp(input_shape, num_classes, output=output)

    def of_any(input_shape: tuple[int, ...], num_classes: int, **others: str) -> keras.Model:
        return knows(input_shape, num_classes, **others)

    def older(input_shape: tuple[int, ...], num_classes: int, task: str = "classification") -> keras.Model:
        received.append(task)
        return plain(input_shape, num_classes)

    for build in (plain, knows, of_any):
        assert train(build, data, epochs=1).network.layers[-1].activation.__name__ == "linear"
    assert train(knows, data, model={"output": "exponential"}, epochs=1).evaluation is not None
    for build in (older, partial(mlp, task="regression")):
        with pytest.warns(DeprecationWarning, match="argument task of .* is deprecated.*output.*'linear'") as warned:
            train(build, data, epochs=1)
        assert warned[0].filename == __file__
    assert received == ["linear", "linear", "exponential", "regression"]
    with pytest.warns(DeprecationWarning, match="give output='linear'"):
        assert train("mlp", data, model={"task": "regression"}, epochs=1).card["model"] == {"task": "regression"}


def test_rare_classes_count_more_with_class_weights() -> None:
    rng = np.random.default_rng(0)
    targets = (np.arange(600) % 20 == 0).astype(np.int64)
    inputs = (rng.normal(size=(600, 2)) + targets[:, None]).astype(np.float32)
    data = arrays(inputs[:300], targets[:300], held_out=(inputs[300:], targets[300:]))
    recalls = [
        train("perceptron", data, epochs=60, learning_rate=0.02, class_weights=weighted).evaluation.classes["1"][
            "recall"
        ]
        for weighted in (False, True)
    ]
    assert recalls[1] > recalls[0] + 0.2


@pytest.mark.slow
def test_augmented_images_are_learnt_and_exported(workplace: Path) -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(120) % 2
    images = rng.integers(0, 100, (120, 12, 12, 1)).astype(np.uint8)
    images[targets == 1, 3:9, 3:9] += 120
    data = arrays(images, targets.astype(np.int64), classes=("dark", "light"))
    settings = {"epochs": 60, "augment": ("flip", "crop"), "learning_rate": 3e-3}
    trained = train("cnn", data, model={"filters": (8,), "dropout": 0.0}, **settings)
    assert trained.evaluation.accuracy > 0.9
    folder = trained.export("saved_models/spots")
    found = zoo.load("spots").predict(images[0])[0]
    assert found.label == "dark"
    card = json.loads((folder / "card.json").read_text())
    assert card["parity"]["passed"] and card["parity"]["files"] == len(data.held_out)
    assert card["input"]["channels"] == 1


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_learnt_and_leaves_the_policy_alone(precision: str) -> None:
    trained = train("mlp", table(), precision=precision)
    assert trained.evaluation.accuracy > 0.6
    assert trained.network.layers[1].compute_dtype == precision.removeprefix("mixed_")
    assert keras.config.dtype_policy().name == "float32"


def test_callbacks_and_tensorboard_see_the_epochs(workplace: Path) -> None:
    seen = []
    watcher = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["val_loss"]))
    trained = train("mlp", table(), epochs=3, callbacks=[watcher], tensorboard="logs", run="run")
    assert seen == [row["val_loss"] for row in trained.history.epochs]
    assert list(Path("logs").rglob("events.out.tfevents*"))
    assert Path("run/history.csv").read_text().count("\n") == 4
    assert not list(Path("run").glob(".state-*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"builder": "mpl"}, "did you mean mlp"),
        ({"builder": "cnn"}, "cnn"),
        ({"builder": mlp((4,), 3)}, r"takes inputs of shape \(4,\)"),
        ({"builder": mlp((5,), 7)}, "has 7 outputs"),
        ({"builder": keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])}, "expected a softmax"),
        ({"model": {"unit": 3}}, "unit"),
        ({"model": {"dropout": 2.0}}, "dropout"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"validation": 0.9}, "validation=0.9"),
        ({"precision": "float8"}, "expected a precision out of float32"),
        ({"augment": ("turn",)}, "expected augmentations out of flip"),
        ({"augment": ("flip",)}, r"augment changes images; received inputs of shape \(5,\)"),
        ({"optimizer": "sgdd"}, "expected an optimizer"),
    ],
)
def test_what_does_not_fit_is_named_before_the_first_step(change: dict, message: str) -> None:
    arguments = {"builder": "mlp", "data": table()} | change
    with pytest.raises(InputError, match=message):
        train(arguments.pop("builder"), arguments.pop("data"), **arguments)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_augmentation_changes_images_and_keeps_their_range(name: str) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (16, 4, 4, 3))
    images = np.kron(coarse, np.ones((1, 8, 8, 1))).astype(np.float32)
    changed = np.asarray(augmentation([name], 0)(images, training=True))
    assert changed.shape == images.shape and changed.min() >= -0.5 and changed.max() <= 255.5
    assert np.mean([not np.allclose(one, other, atol=1) for one, other in zip(changed, images, strict=True)]) > 0
    np.testing.assert_array_equal(changed, augmentation([name], 0)(images, training=True))


def test_colours_of_grey_images_are_not_changed() -> None:
    data = arrays(np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8), np.arange(20) % 2)
    with pytest.raises(InputError, match=r"hue is for colour images; received 1 channel"):
        train("cnn", data, augment=("hue",))


def test_labels_that_do_not_fit_are_named() -> None:
    data = table()
    data.train.targets[7] = 9
    with pytest.raises(InputError, match="expected labels from 0 to 2"):
        train("mlp", data)


def broken(kind: str) -> Data:
    """Data with one number, or one column, that can't be learnt."""
    values, targets = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32), np.arange(40) % 2
    if kind == "column":
        values[:, 4] = np.where(np.arange(40) == 7, 1e-42, 0)  # whose deviation float32 takes for 0
        return arrays(values, targets)
    if kind == "targets":
        return arrays(values, np.linspace(0, 1e38, 40), task="regression")
    data = arrays(values, values[:, 0] if kind == "target" else targets)
    if kind == "sequence":
        data = arrays(values.reshape(40, 3, 2), targets)
    if kind == "image":
        data = arrays((100 + 10 * values).reshape(40, 2, 3, 1).astype(np.uint8), targets)
        data = replace(data, train=replace(data.train, inputs=data.train.inputs.astype(np.float32)))
    if kind == "series":
        data = sequences(pd.DataFrame({"value": values[:, 0]}), target="value", window=4, horizon=2)
        data = replace(data, train=replace(data.train, inputs=data.train.inputs.copy()))
    part = data.held_out if kind in ("held out", "target") else data.train
    column = part.targets if kind == "target" else part.inputs
    column = column["numeric"] if isinstance(column, dict) else column
    column[(2, *(-1 for _ in column.shape[1:]))] = np.inf  # as one's own reader may give it
    return data


@pytest.mark.parametrize(
    ("builder", "kind", "message"),
    [
        ("mlp", "column", "input .*, column 'feature_4': .* is not finite once the column is scaled"),
        ("mlp", "table", "input .*, column 'feature_5': expected a finite number, received inf"),
        ("mlp", "held out", "input .*, column 'feature_5': expected a finite number, received inf"),
        ("gru", "sequence", "input .*, column 'feature_1', step 3: expected a finite number, received inf"),
        ("gru", "series", "row .*, column 'value', step 4: expected a finite number, received inf"),
        ("cnn", "image", r"input .*, at \(1, 2, 0\): expected a finite number, received inf"),
        ("mlp", "target", "the target of input .* is not finite"),
        ("mlp", "targets", "the target 'target' has mean 4.97.* and deviation .*; give it another unit"),
    ],
)
def test_numbers_that_are_not_finite_are_named_before_the_first_step(builder: str, kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(builder, broken(kind), epochs=1)


def test_a_rate_that_is_far_too_high_is_a_failed_job() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(100, 3)).astype(np.float32)
    data = arrays(inputs, inputs[:, [0]] * 3, task="regression")
    with pytest.raises(JobError, match="lower the learning rate"):
        train("mlp", data, optimizer="sgd", learning_rate=1e6, clip_norm=None, schedule="constant", epochs=20)


@pytest.mark.slow
def test_the_range_test_finds_rates_that_learn(tmp_path: Path) -> None:
    found = find_learning_rate("mlp", table(400), steps=120)
    assert 1e-5 < found.suggestion < found.ceiling <= 10
    assert len(found.rates) == len(found.losses) <= 120
    found.plot(tmp_path / "lr.png")
    assert (tmp_path / "lr.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(InputError, match="end in .pdf"):
        found.plot(tmp_path / "lr.doc")
    assert not list(tmp_path.glob("*.doc"))
    learnt = train("mlp", table(400), epochs=8, learning_rate=found.suggestion).history.epochs[-1]["loss"]
    lost = train("mlp", table(400), epochs=8, learning_rate=found.suggestion / 1000).history.epochs[-1]["loss"]
    assert learnt < lost


def test_the_range_test_looks_at_the_weights_too() -> None:
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((2,)), norm, keras.layers.Dense(3, "softmax")])
    norm.moving_mean.assign([0, np.nan])  # has no part in the loss of a batch
    targets = np.arange(40) % 3
    data = arrays(np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32), targets)
    with pytest.raises(InputError, match="moving_mean are no longer finite after 1 steps"):
        find_learning_rate(model, data)


@pytest.mark.slow
def test_many_trainings_in_one_process_write_nothing(caplog: pytest.LogCaptureFixture) -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8)).astype(np.uint8)
    data, logger = arrays(images, np.arange(60) % 3), logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        for number in range(6):
            diagnose(train("mlp", table(600), model={"units": (4 + number,)}, epochs=1))
            train("variational_autoencoder", data, model={"latent_dim": 2, "filters": (4,)}, epochs=1)
    finally:
        logger.removeHandler(caplog.handler)
    assert not [record.getMessage() for record in caplog.records if record.name.startswith("tensorflow")]


def test_a_negative_patience_is_named() -> None:
    with pytest.raises(InputError, match="patience of 0 or more, received -1"):
        train("mlp", table(), patience=-1)


@pytest.mark.parametrize("wrong", [{"lowest": 0.0}, {"steps": 3}, {"highest": 1e-9}])
def test_wrong_ranges_are_named(wrong: dict) -> None:
    with pytest.raises(InputError, match="expected 0 < lowest < highest"):
        find_learning_rate("mlp", table(), **wrong)


def test_what_is_in_memory_is_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.artifacts import artifact

    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(80, 3))
    frame = pd.DataFrame(rows, columns=["a", "b", "c"]).assign(kind=np.where(rows[:, 0] > 0, "high", "low"))
    trained = train("mlp", (frame, "kind"), epochs=10, learning_rate=0.01)
    assert trained.data.classes == ("high", "low") and trained.evaluation.accuracy > 0.8
    assert artifact.folder_for(trained.data.source, None) == Path("saved_models/data_frame")
    hot = np.eye(2)[(rows[:, 0] > 0).astype(int)]
    trained = train("mlp", ((rows[:60], hot[:60]), (rows[60:], hot[60:])), epochs=10, learning_rate=0.01)
    assert trained.evaluation.part == "test" and trained.evaluation.accuracy > 0.8
    assert artifact.folder_for(trained.data.source, None) == Path("saved_models/arrays")
