"""The contract of autoencoders and adversarial networks, over the registry."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.builders import SUPERVISED, keywords, wrong
from zoo.builders.registry import BUILDERS, builder

ADVERSARIAL = [name for name in BUILDERS if BUILDERS[name].task == "generation"]
AUTOENCODERS = [name for name in BUILDERS if BUILDERS[name].task == "reconstruction"]
SHAPES = {"rows": (10,), "images": (12, 8, 3), "sequences": (9, 4)}
TAKES = {"dense_autoencoder": ("rows", "images"), "variational_autoencoder": ("rows", "images")}
TAKES |= {"sequence_autoencoder": ("sequences",)}
TINY = {"latent_dim": 3, "units": (6,), "filters": (4, 6), "critic_steps": 2}
BATCH, CLASSES = 8, 3


def arguments(name: str) -> dict[str, Any]:
    tiny = {key: value for key, value in TINY.items() if key in keywords(name)}
    return tiny | ({"units": 6} if name == "sequence_autoencoder" else {})


def make(name: str, kind: str = "images", **given: Any) -> Any:
    positional = [CLASSES] if "num_classes" in inspect.signature(builder(name)).parameters else []
    return builder(name)(SHAPES[kind], *positional, **(arguments(name) | given))


def batch(kind: str = "images") -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "images":
        return rng.integers(0, 256, (BATCH, *SHAPES[kind])).astype(np.uint8)
    values = rng.normal(size=(BATCH, *SHAPES[kind])).astype(np.float32)
    if kind == "sequences":
        values[0, 6:] = np.nan
    return values


def numpy(tensor: Any) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(tensor)


every_autoencoder = pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in AUTOENCODERS for kind in TAKES.get(name, ("images",))]
)
every_adversarial = pytest.mark.parametrize("name", ADVERSARIAL)


def test_all_builders_are_held_to_a_contract() -> None:
    assert len(AUTOENCODERS) >= 5 and len(ADVERSARIAL) >= 4
    detectors = {name for name, row in BUILDERS.items() if row.adapts}  # test_patch_memory.py
    assert {*SUPERVISED, *AUTOENCODERS, *ADVERSARIAL, *detectors} == set(BUILDERS)


@every_autoencoder
def test_it_gives_back_the_shape_and_range_of_its_input(name: str, kind: str) -> None:
    model, inputs = make(name, kind), batch(kind)
    assert not model.compiled and model.name == name
    codes, found = model.encode(inputs), model.reconstruct(inputs)
    assert codes.shape[1:] == model.code_shape and codes.dtype == found.dtype == np.float32
    assert found.shape == inputs.shape and np.isfinite(found).all()
    if kind == "images":
        assert found.min() >= 0 and found.max() <= 255 and found.max() > 1
    np.testing.assert_allclose(model.decode(codes), found, rtol=1e-4, atol=1e-3)
    there = np.nan_to_num(inputs.astype(np.float64))
    difference = np.where(np.isnan(inputs), 0, there - found) / (255 if kind == "images" else 1)
    count = np.isfinite(inputs).reshape(BATCH, -1).sum(axis=1)
    wanted = (difference**2).reshape(BATCH, -1).sum(axis=1) / count
    np.testing.assert_allclose(model.score(inputs), wanted, rtol=1e-4)
    model.threshold.assign(float(np.median(wanted)))
    assert model.is_anomaly(inputs).sum() == BATCH // 2


@every_autoencoder
def test_steps_lower_the_loss_on_a_fixed_batch(name: str, kind: str) -> None:
    import keras

    keras.utils.set_random_seed(0)
    model = make(name, kind)
    model.compile(keras.optimizers.Adam(1e-2))
    inputs, targets = batch(kind), np.zeros(BATCH)
    losses = [float(model.train_on_batch(inputs, targets, return_dict=True)["loss"]) for _ in range(20)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert np.isfinite(model.evaluate(inputs, targets, verbose=0, return_dict=True)["loss"])


@every_autoencoder
def test_whole_and_parts_save_and_load(name: str, kind: str, tmp_path: Path) -> None:
    import keras

    model, inputs = make(name, kind), batch(kind)
    model.threshold.assign(0.25)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.reconstruct(inputs), model.reconstruct(inputs))
    assert type(loaded) is type(model) and loaded.name == name and float(loaded.threshold) == 0.25
    for part in ("encoder", "decoder"):
        getattr(model, part).save(tmp_path / f"{part}.keras")
    parts = [keras.saving.load_model(tmp_path / f"{part}.keras", safe_mode=True) for part in ("encoder", "decoder")]
    again = type(model)(*parts)
    np.testing.assert_array_equal(again.encode(inputs), model.encode(inputs))
    np.testing.assert_array_equal(again.reconstruct(inputs), model.reconstruct(inputs))


@every_autoencoder
def test_its_parts_export(name: str, kind: str, tmp_path: Path) -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("exporting needs TensorFlow")
    import tensorflow as tf

    model, inputs = make(name, kind), batch(kind).astype(np.float32)
    for part, asked in (("encoder", inputs), ("decoder", model.encode(inputs))):
        getattr(model, part).export(tmp_path / part, verbose=False)
        served = tf.saved_model.load(tmp_path / part)  # kept: its function has its variables only as long
        for few in (asked, asked[:1]):
            wanted = getattr(model, part)(few, training=False)
            for found, each in zip(tf.nest.flatten(served.serve(few)), tf.nest.flatten(wanted), strict=True):
                np.testing.assert_allclose(found.numpy(), numpy(each), rtol=1e-4, atol=1e-4)


@every_autoencoder
def test_mixed_precision_keeps_the_reconstruction_in_float32(name: str, kind: str) -> None:
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make(name, kind)
        found = model.reconstruct(batch(kind))
    finally:
        keras.config.set_dtype_policy(before)
    assert found.dtype == np.float32 and np.isfinite(found).all()


def test_padding_is_neither_read_nor_compared() -> None:
    model, inputs = make("sequence_autoencoder", "sequences"), batch("sequences")
    whole = inputs.copy()
    whole[0, 6:] = 7.0
    assert np.abs(model.encode(inputs)[1:] - model.encode(whole)[1:]).max() < 1e-6
    assert np.abs(model.encode(inputs)[0] - model.encode(whole)[0]).max() > 1e-4
    assert model.score(whole)[0] > model.score(inputs)[0]


def test_noise_is_for_training_alone() -> None:
    model, inputs = make("denoising_autoencoder"), batch()
    np.testing.assert_array_equal(model.reconstruct(inputs), model.reconstruct(inputs))
    drawn = [numpy(model.encoder(inputs, training=True)) for _ in range(2)]
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-3


def test_the_divergence_is_the_closed_form() -> None:
    model = make("variational_autoencoder")
    mean = np.array([[1.0, 0.0, -2.0]], np.float32)
    log_variance = np.log(np.array([[0.5, 1.0, 3.0]], np.float32))
    wanted = 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance)
    np.testing.assert_allclose(numpy(model.divergences(mean, log_variance)), [wanted], rtol=1e-5)
    drawn = numpy(model.drawn(np.repeat(mean, 4000, axis=0), np.repeat(log_variance, 4000, axis=0)))
    np.testing.assert_allclose(drawn.mean(axis=0), mean[0], atol=0.1)
    np.testing.assert_allclose(drawn.var(axis=0), np.exp(log_variance[0]), rtol=0.12)


def test_more_beta_means_codes_that_say_less() -> None:
    import keras

    found = []
    for beta in (0.0, 50.0):
        keras.utils.set_random_seed(0)
        model = make("variational_autoencoder", "rows", beta=beta)
        model.compile(keras.optimizers.Adam(1e-2))
        rows = [model.train_on_batch(batch("rows"), np.zeros(BATCH), return_dict=True) for _ in range(60)]
        found.append(float(rows[-1]["divergence"]))
    assert found[0] > 5 * found[1]


@every_adversarial
def test_it_makes_images_from_a_seed(name: str) -> None:
    model = make(name)
    found = model.generate(5, seed=3)
    assert found.shape == (5, *SHAPES["images"]) and found.dtype == np.float32
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 255
    np.testing.assert_array_equal(found, model.generate(5, seed=3))
    assert np.abs(found - model.generate(5, seed=4)).max() > 1e-3
    assert model.generate(0).shape == (0, *SHAPES["images"])


def test_a_conditional_model_is_told_its_class() -> None:
    model = make("conditional_gan")
    first, second = model.generate(4, label=0), model.generate(4, label=2)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(model.generate(4, label=np.array([0, 2, 0, 2]))[::2], first[::2])
    in_turns = model.generate(4)
    np.testing.assert_allclose(in_turns[[0, 3]], first[[0, 3]], atol=1e-4)
    for label in (3, -1, 0.5, "1"):
        with pytest.raises(ValueError, match=r"label from 0 to 2, received"):
            model.generate(4, label=label)
    with pytest.raises(ValueError, match=r"no classes to ask for"):
        make("gan").generate(4, label=0)


def trained(name: str, steps: int) -> tuple[Any, list[dict[str, float]]]:
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("adversarial training needs TensorFlow")
    keras.utils.set_random_seed(0)
    model = make(name)
    model.compile(keras.optimizers.Adam(1e-3, beta_1=0.5))
    labels = np.arange(BATCH) % CLASSES
    return model, [model.train_on_batch(batch(), labels, return_dict=True) for _ in range(steps)]


@every_adversarial
def test_steps_are_finite_and_move_both_networks(name: str) -> None:
    model, rows = trained(name, 0)
    before = [[weight.copy() for weight in net.get_weights()] for net in (model.generator, model.critic, model.average)]
    model, rows = trained(name, 10)
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert {"loss", "generator_loss"} <= rows[0].keys()
    for net, old in zip((model.generator, model.critic, model.average), before, strict=True):
        moved = [np.abs(now - was).max() > 0 for now, was in zip(net.get_weights(), old, strict=True)]
        assert sum(moved) >= len(moved) / 2
    steps = int(model.optimizer.iterations), int(model.critic_optimizer.iterations)
    assert steps == (10, 10 * model.critic_steps)


@every_adversarial
def test_the_images_are_of_the_running_mean_of_the_generator(name: str) -> None:
    model, _ = trained(name, 5)
    codes = np.random.default_rng(0).standard_normal((4, 3), np.float32)
    asked = [codes, np.arange(4) % CLASSES] if model.num_classes else codes
    np.testing.assert_allclose(model.generate(4), numpy(model.average(asked, training=False)), atol=1e-4)
    now, mean = model.generator.get_weights(), model.average.get_weights()
    assert any(np.abs(a - b).max() > 1e-6 for a, b in zip(now, mean, strict=True))


@every_adversarial
def test_whole_and_generator_save_and_load(name: str, tmp_path: Path) -> None:
    import keras

    model = make(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.generate(3), model.generate(3))
    settings = {name: getattr(model, name) for name in model.SETTINGS}
    assert {name: getattr(loaded, name) for name in model.SETTINGS} == settings
    model.average.save(tmp_path / "generator.keras")
    generator = keras.saving.load_model(tmp_path / "generator.keras", safe_mode=True)
    codes = np.random.default_rng(0).standard_normal((4, 3), np.float32)
    asked = [codes, np.arange(4) % CLASSES] if model.num_classes else codes
    np.testing.assert_array_equal(numpy(generator(asked)), numpy(model.average(asked)))


def test_normalization_is_where_the_papers_have_it() -> None:
    def kinds(model: Any) -> set[str]:
        return {type(layer).__name__ for layer in model.layers if "Normalization" in type(layer).__name__}

    for name in ("dcgan", "conditional_gan"):
        assert kinds(make(name).generator) == kinds(make(name).critic) == {"BatchNormalization"}
    assert kinds(make("wasserstein_gan").critic) == {"LayerNormalization"}
    assert kinds(make("gan").critic) == set()


@pytest.mark.slow
def test_the_penalty_holds_the_critics_slope_near_one() -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("adversarial training needs TensorFlow")
    import tensorflow as tf

    slopes = []
    for weight in (0.0, 100.0):
        keras.utils.set_random_seed(0)
        model = make("wasserstein_gan", gradient_penalty=weight)
        model.compile(keras.optimizers.Adam(1e-3))
        for _ in range(60):
            model.train_on_batch(batch(), np.zeros(BATCH))
        images = tf.constant(batch().astype(np.float32))
        with tf.GradientTape() as tape:
            tape.watch(images)
            score = model.critic(images)
        slope = tape.gradient(score, images).numpy() * 127.5
        slopes.append(np.sqrt((slope**2).sum(axis=(1, 2, 3))).mean())
    assert abs(slopes[1] - 1) < 0.5 and abs(slopes[1] - 1) < abs(slopes[0] - 1)


@pytest.mark.parametrize("name", [*AUTOENCODERS, *ADVERSARIAL])
@pytest.mark.parametrize("shape", [(), (4, 4, 4, 4), (0,), (4, -1, 3), (2.5,), "rows", None, 7])
def test_a_shape_it_does_not_take_is_refused(name: str, shape: Any) -> None:
    positional = [CLASSES] if name == "conditional_gan" else []
    with pytest.raises(ValueError, match=rf"{name}.*takes.*received") as caught:
        builder(name)(shape, *positional)
    assert repr(shape) in str(caught.value)


@pytest.mark.parametrize("name", [n for n in [*AUTOENCODERS, *ADVERSARIAL] if "filters" in keywords(n)])
def test_a_size_that_a_decoder_cannot_return_to_is_refused(name: str) -> None:
    positional = [CLASSES] if name == "conditional_gan" else []
    with pytest.raises(ValueError, match=r"multiples of 4 .*received 28 x 30: .*resize to 28 x 32"):
        builder(name)((28, 30, 1), *positional)
    assert builder(name)((28, 30, 1), *positional, filters=(4,)) is not None


@pytest.mark.parametrize("name", [*AUTOENCODERS, *ADVERSARIAL])
def test_wrong_arguments_are_refused_by_name(name: str) -> None:
    kind = TAKES.get(name, ("images",))[-1]
    for argument, default in keywords(name).items():
        for value in wrong(argument, default):
            if argument in ("noise", "beta", "l2", "gradient_penalty", "critic_rate") and value == 1.0:
                continue
            with pytest.raises(ValueError, match=rf"{argument}.*received {re.escape(repr(value))}"):
                make(name, kind, **{argument: value})
    if name == "conditional_gan":
        for classes in (0, 1, -1, 2.5, "3", None):
            with pytest.raises(ValueError, match="num_classes"):
                builder(name)(SHAPES["images"], classes)


@pytest.mark.parametrize("name", [*AUTOENCODERS, *ADVERSARIAL])
def test_the_seed_decides_the_weights(name: str) -> None:
    import keras

    def weights(seed: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(seed)
        return make(name, TAKES.get(name, ("images",))[-1]).get_weights()

    first, again, other = weights(3), weights(3), weights(4)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_what_was_saved_loads_in_a_new_process(tmp_path: Path) -> None:
    make("gan").save(tmp_path / "model.keras")
    code = "import sys, pathlib; from zoo.artifacts.predictor import loaded\n"
    code += "print(loaded(pathlib.Path(sys.argv[1])).name)"
    command = [sys.executable, "-c", code, str(tmp_path / "model.keras")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout.strip().endswith("gan"), result.stderr[-500:]
