"""Training autoencoders and adversarial networks: what is learnt and found, resuming, and what is said of failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas
import pytest

import zoo
from zoo.data import Data, arrays
from zoo.errors import InputError
from zoo.evaluation import anomalies, samples
from zoo.evaluation.reconstructions import _log_probability
from zoo.evaluation.samples import GenerationEvaluation
from zoo.tasks import thresholds
from zoo.tasks.thresholds import promised, threshold
from zoo.training.calibration import folds as folds_of
from zoo.training.preparing import prepare


def digits(count: int = 1797) -> Data:
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = np.round(found.images * (255 / 16)).astype(np.uint8)
    return arrays(pixels[:count], found.target[:count].astype(np.int64))


def test_an_autoencoder_beats_as_many_principal_components() -> None:
    trained = zoo.train("dense_autoencoder", digits(), model={"latent_dim": 8}, epochs=40)
    found = trained.evaluation
    assert found.mse < 0.85 * found.baselines["8 principal components"]["mse"]
    assert found.psnr > 15 and found.roc_auc is None
    assert trained.history.epochs[trained.history.best_epoch - 1]["val_loss"] < 0.03
    assert zoo.diagnose(trained) == ()


def test_what_is_not_normal_is_found() -> None:
    normal = [str(label) for label in range(9)]
    trained = zoo.train("conv_autoencoder", digits(), model={"latent_dim": 8}, epochs=30, normal=normal)
    found = trained.evaluation
    assert set(trained.data.classes) == {str(label) for label in range(10)}
    assert not (trained.data.train.targets == 9).any() and (trained.data.held_out.targets == 9).any()
    assert found.anomalies == int((trained.data.held_out.targets == 9).sum())
    assert found.roc_auc > found.baselines["8 principal components"]["roc_auc"] > 0.5
    assert found.baselines["isolation forest"]["average_precision"] > 0.05
    assert trained.card["normal"] == normal
    assert trained.card["threshold_from"].endswith("training examples, not learnt from") and "findings" in trained.card


def test_a_class_that_is_only_held_out_is_for_anomalies_alone() -> None:
    data = digits()
    known, test = data.train, data.held_out
    few = known.targets < 9
    split = arrays(known.inputs[few], known.targets[few], classes=data.classes, held_out=(test.inputs, test.targets))
    normal = [str(label) for label in range(9)]
    trained = zoo.train("dense_autoencoder", split, epochs=3, normal=normal)
    assert trained.evaluation.anomalies > 0
    with pytest.raises(InputError, match="no training example has the class '9'"):
        zoo.train("mlp", split, epochs=1)


def test_normal_and_other_examples_have_to_be_held_out() -> None:
    data = digits(600)
    some, test = data.train, data.held_out
    for digit, message in ((3, "nothing but normal"), (5, "no normal")):
        kept = test.targets == digit
        split = arrays(
            some.inputs, some.targets, classes=data.classes, held_out=(test.inputs[kept], test.targets[kept])
        )
        with pytest.raises(InputError, match=message):
            zoo.train("dense_autoencoder", split, epochs=1, normal=["3"])
    others = some.targets != 3
    split = arrays(
        some.inputs[others], some.targets[others], classes=data.classes, held_out=(test.inputs, test.targets)
    )
    with pytest.raises(InputError, match="no training example is of a normal class, 3"):
        zoo.train("dense_autoencoder", split, epochs=1, normal=["3"])


def test_windows_that_share_steps_with_learnt_ones_are_not_asked_for() -> None:
    series = pandas.DataFrame({"level": np.sin(np.arange(400) / 5)})
    data = zoo.data.sequences(series, target="level", window=20, horizon=1)
    trained = zoo.train("sequence_autoencoder", data, model={"latent_dim": 2, "units": 8}, epochs=2)
    assert trained.evaluation.examples == len(data.held_out) - 20
    assert (trained.data.held_out.inputs[0] == data.held_out.inputs[20]).all()
    with pytest.raises(InputError, match="more than 100 steps held out"):
        zoo.train("sequence_autoencoder", zoo.data.sequences(series, target="level", window=100, horizon=1), epochs=1)


@pytest.mark.parametrize("count", [100, 400, 4000])
@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_the_threshold_holds_its_promise_on_new_examples(count: int, rate: float) -> None:
    rng = np.random.default_rng(0)
    over = [np.exp(-threshold(rng.exponential(size=count), rate)) for _ in range(400)]  # share of all that exceeds it
    error = np.sqrt(rate * (1 - rate) / count)
    assert abs(np.mean(over) - rate) < 2 * error / np.sqrt(400) + 1 / count
    assert np.mean(np.abs(np.array(over) - rate) < 2 * error) > 0.9
    assert promised(count, rate) == rate


def test_few_scores_promise_what_they_can() -> None:
    assert promised(99, 0.01) == 0.01 and promised(98, 0.01) == 1 / 99 and promised(4, 0.01) == 0.2
    assert threshold(np.arange(99.0), 0.01) == 98.0 and threshold(np.arange(5.0), 0.01) == 4.0
    rng = np.random.default_rng(0)
    for count in (5, 40, 98):
        over = [np.exp(-threshold(rng.exponential(size=count), 0.01)) for _ in range(2000)]
        assert np.mean(over) == pytest.approx(promised(count, 0.01), rel=0.1)


@pytest.mark.parametrize(("count", "rate"), [(40, 0.01), (144, 0.01), (400, 0.1)])
def test_the_share_of_false_alarms_lies_where_it_is_told_to(count: int, rate: float) -> None:
    rng = np.random.default_rng(1)
    over = np.array([np.exp(-threshold(rng.exponential(size=count), rate)) for _ in range(2000)])
    low, high = thresholds.between(count, rate)
    assert np.mean(over < low) == pytest.approx(0.025, abs=0.012) == np.mean(over > high)


def normal_rows(count: int, seed: int) -> tuple[Data, np.ndarray]:
    """Rows of six factors in twenty columns, and 5,000 fresh ones."""
    rng, mix = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(6, 20))

    def draw(rows: int) -> np.ndarray:
        found = rng.normal(size=(rows, 6)) @ mix + 0.5 * rng.normal(size=(rows, 20))
        return found.astype(np.float32)

    return arrays(draw(count), np.arange(count) % 2, held_out=(draw(100), np.arange(100) % 2)), draw(5000)


def test_too_few_rows_for_the_share_are_told_with_what_they_promise(tmp_path: Path) -> None:
    trained = zoo.train("dense_autoencoder", normal_rows(40, 0)[0], model={"units": (16,)}, epochs=3)
    assert "each scored by one of 5 networks that did not learn from it" in trained.card["threshold_from"]
    assert trained.card["false_alarms_promised"] == pytest.approx(1 / 41)
    (found,) = (each for each in trained.findings if each.symptom == "few normal examples")
    assert "can promise 0.024 false alarms at best, not 0.01" in found.evidence
    assert "get 99 normal examples" in found.remedy and "--false-alarms 0.02" in found.remedy


@pytest.mark.slow
def test_false_alarms_on_fresh_rows_are_those_asked_for_however_well_it_knows_the_learnt_ones() -> None:
    data, fresh = normal_rows(150, 1)
    trained = zoo.train("dense_autoencoder", data, model={"latent_dim": 4, "units": (64,)}, epochs=100)
    limit, inputs = float(trained.model.threshold), {"numeric": fresh}
    realised = (trained.model.score(inputs) > limit).mean()
    assert realised < 0.01 + 2 * np.sqrt(0.01 * 0.99 / 150)
    learnt = threshold(trained.model.score(trained.data.train.inputs), 0.01)
    assert (trained.model.score(inputs) > learnt).mean() > realised  # as it was set before


def test_folds_of_windows_share_no_step() -> None:
    series = pandas.DataFrame({"level": np.sin(np.arange(200) / 5)})
    data = zoo.data.sequences(series, target="level", window=10, horizon=1)
    folds = folds_of(prepare("sequence_autoencoder", data, {"units": 4}), 0)
    assert sorted(np.concatenate([asked for _, asked in folds])) == list(range(len(data.train)))
    assert all(np.abs(learnt[:, None] - asked).min() >= 10 for learnt, asked in folds)


def test_a_bound_of_bits_is_that_of_a_probability() -> None:
    means = np.array([0.0, 3.2, 128.0, 254.9])
    every = np.arange(256.0)[:, None]
    for deviation in (0.3, 2.0, 60.0):
        total = np.exp(_log_probability(every, means[None], deviation, rounded=True)).sum(axis=0)
        np.testing.assert_allclose(total, 1, rtol=1e-6)
    far = _log_probability(np.array([255.0]), np.array([0.0]), 2.0, rounded=True)
    assert np.isfinite(far).all() and far < -1000


@pytest.mark.slow
def test_a_variational_autoencoder_has_a_bound_and_makes_samples() -> None:
    trained = zoo.train("variational_autoencoder", digits(), model={"latent_dim": 8}, epochs=40)
    found = trained.evaluation
    assert 0 < found.bits < 5.5 and found.active == 8
    assert found.samples.coverage == 10 and found.samples.recall > 0.3
    assert found.samples.baselines and found.samples.judge_accuracy > 0.9


@pytest.mark.slow
def test_codes_that_say_nothing_are_told() -> None:
    flattened = zoo.train("variational_autoencoder", digits(), model={"latent_dim": 8, "beta": 1000.0}, epochs=10)
    assert flattened.evaluation.active == 0
    assert "posterior collapse" in {finding.symptom for finding in zoo.diagnose(flattened)}


def test_noise_is_taken_away() -> None:
    found = zoo.train("denoising_autoencoder", digits(), model={"filters": (16, 32)}, epochs=20).evaluation
    assert found.psnr > found.noisy + 3
    assert found.psnr > max(row["psnr"] for name, row in found.baselines.items() if "median" in name)
    assert found.baselines["shrunk principal components"]["psnr"] > found.noisy + 3


@pytest.mark.slow
def test_sequences_and_tables_are_reconstructed() -> None:
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 6, (300, 1))
    waves = (5 + 3 * np.sin(phase + np.arange(20) / 3))[..., None].astype(np.float32)
    labels = np.arange(300) % 10 == 0
    waves[labels] += rng.normal(0, 2, waves[labels].shape)
    data = arrays(waves, labels.astype(np.int64), classes=["wave", "noise"])
    trained = zoo.train(
        "sequence_autoencoder",
        data,
        model={"latent_dim": 4, "units": 16},
        epochs=60,
        learning_rate=0.01,
        normal=["wave"],
        false_alarms=0.1,  # as many as the examples that are left out promise: one network is trained
    )
    assert trained.evaluation.roc_auc > 0.9 and trained.evaluation.psnr is None
    rows = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6))
    table = arrays(rows.astype(np.float32), rows[:, 0].astype(np.float32))
    found = zoo.train(
        "dense_autoencoder", table, model={"latent_dim": 2, "units": (16,)}, learning_rate=0.01
    ).evaluation
    assert found.mse < 0.1


def made(epochs: int, **given: Any) -> Any:
    return zoo.train("gan", digits(600), epochs=epochs, **given)


@pytest.mark.slow
def test_a_generator_comes_nearer_and_sheets_are_kept(workplace: Path) -> None:
    wide = {"latent_dim": 8, "units": (64,)}
    early, late = made(2, model=wide), made(60, model=wide, learning_rate=5e-3, run="run")
    assert late.evaluation.frechet < 0.7 * early.evaluation.frechet
    assert len(list(Path("run/samples").glob("epoch_*.png"))) == 10
    assert late.outputs.shape[1:] == (8, 8, 1)
    assert {"loss", "generator_loss", "real_right", "fake_right"} <= late.history.epochs[0].keys()
    assert "mode collapse" in {finding.symptom for finding in zoo.diagnose(early)}


@pytest.mark.slow
@pytest.mark.parametrize("builder", ["variational_autoencoder", "wasserstein_gan"])
def test_training_that_was_cut_off_goes_on_to_the_same_networks(
    builder: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.training.checkpoints.Checkpoint.__init__.__defaults__", (0.0,))
    monkeypatch.setattr("zoo.training.judges.has_judge", lambda data: False)  # it takes longer than all else
    arguments = {"model": {"latent_dim": 4, "filters": (4, 8)}, "epochs": 4, "batch_size": 32}

    class Cut(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    whole = zoo.train(builder, digits(400), run="whole", **arguments)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(builder, digits(400), run="cut", callbacks=[Cut()], **arguments)
    assert list(Path("cut").glob(".state-*.npz"))
    again = zoo.train(builder, digits(400), run="cut", **arguments)
    assert again.history.epochs == whole.history.epochs
    for one, other in zip(whole.network.get_weights(), again.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_killed_process_goes_on_with_both_optimizers(workplace: Path) -> None:
    code = (
        "import sys, numpy as np, zoo, zoo.training.checkpoints\n"
        "from zoo.training.checkpoints import Checkpoint; Checkpoint.__init__.__defaults__ = (0.0,)\n"
        "from zoo.training import judges; judges.has_judge = lambda data: False\n"
        "from zoo.data import arrays; from sklearn.datasets import load_digits\n"
        "d = load_digits(); x = (d.images[:400] * 15).astype('uint8'); y = d.target[:400]\n"
        "t = zoo.train('dcgan', arrays(x, y), model={'filters': (8, 16)}, epochs=8, run=sys.argv[1])\n"
        "np.savez(sys.argv[2], *t.network.get_weights())\n"
    )

    def start(run: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", code, run, f"{run}.npz"], stderr=subprocess.DEVNULL)

    assert start("whole").wait(300) == 0
    process = start("killed")
    deadline = time.monotonic() + 120
    while not list(Path("killed").glob(".state-*.npz") if Path("killed").is_dir() else ()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not Path("killed.npz").exists()
    assert start("killed").wait(300) == 0
    with np.load("whole.npz") as one, np.load("killed.npz") as other:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])


def test_images_without_labels_make_a_generator_but_no_conditional_one(folder: Path) -> None:
    data = zoo.data.open(folder, labels=False)
    found = zoo.train("gan", data, model={"units": (8,)}, epochs=2, batch_size=8, input_size=16)
    assert found.evaluation.judge_accuracy is None and found.evaluation.frechet > 0
    assert found.evaluation.classes == 1
    with pytest.raises(InputError, match="conditional_gan needs images with a label"):
        zoo.train("conditional_gan", data, epochs=1, input_size=16)


@pytest.mark.parametrize(
    ("builder", "arguments", "message"),
    [
        ("gan", {"batch_size": 5000}, r"at least 2 images.*batch_size is 5000"),
        ("gan", {"batch_size": 1}, r"at least 2 images"),
        ("wasserstein_gan", {"batch_size": 400}, r"5 of them a step"),
        ("conv_autoencoder", {"model": {"latent_dim": 0}}, r"latent_dim"),
        ("conv_autoencoder", {"model": {"filters": (4, 4, 4, 4)}}, r"multiples of 16"),
        ("conv_autoencoder", {"normal": ["11"]}, r"normal classes out of 0, 1.*received '11'"),
        ("conv_autoencoder", {"normal": [str(each) for each in range(10)]}, r"not normal"),
        ("mlp", {"normal": ["1"]}, r"expected a builder that brings the task reconstruction"),
        ("conv_autoencoder", {"false_alarms": 0.0}, r"false_alarms between 0 and 1"),
        ("gan", {"class_weights": True}, r"class_weights"),
        ("gan", {"precision": "mixed_float16"}, r"float32 or mixed_bfloat16"),
        ("sequence_autoencoder", {}, r"sequences"),
    ],
)
def test_what_does_not_fit_is_named(builder: str, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        zoo.train(builder, digits(), **arguments)


def test_other_data_is_refused() -> None:
    table = arrays(np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32), np.arange(60) % 2)
    with pytest.raises(InputError, match="dcgan takes images"):
        zoo.train("dcgan", table)
    with pytest.raises(InputError, match="normal classes can be named where there are classes"):
        zoo.train("dense_autoencoder", arrays(np.eye(60, 5), np.arange(60.0)), normal=["1"])


def evaluation(**given: Any) -> GenerationEvaluation:
    usual = {
        "part": "test", "samples": 100, "frechet": 3.0, "precision": 0.6, "recall": 0.4, "coverage": 10, "classes": 10,
        "entropy": 1.0, "agreement": None, "judge_accuracy": 0.9, "baselines": {"Gaussian": {"frechet": 9.0}},
    }  # fmt: skip
    return GenerationEvaluation(**(usual | given))


@pytest.mark.parametrize(
    ("given", "real", "fake", "symptoms"),
    [
        ({}, 0.8, 0.8, set()),
        ({"coverage": 4}, 0.8, 0.8, {"mode collapse"}),
        ({"recall": 0.001}, 0.8, 0.8, {"mode collapse"}),
        ({}, 0.999, 0.99, {"saturated critic"}),
        ({"precision": 0.1}, 0.5, 0.5, {"blind critic"}),
        ({"frechet": 10.0}, 0.8, 0.8, {"poor samples"}),
    ],
)
def test_collapse_is_told(given: dict, real: float, fake: float, symptoms: set[str]) -> None:
    rows = [{"loss": 1.0, "real_right": 0.8, "fake_right": 0.8}] * 6
    rows += [{"loss": 1.0, "real_right": real, "fake_right": fake}] * 2
    assert {finding.symptom for finding in samples.findings(evaluation(**given), rows)} == symptoms


def test_a_threshold_that_does_not_hold_is_told() -> None:
    found = zoo.train("dense_autoencoder", digits(400), epochs=2).evaluation
    symptoms = {finding.symptom for finding in anomalies.findings(replace(found, false_alarms=0.2), 0.01, 32, 1000)}
    assert "false alarms" in symptoms
