"""The training loop: the epochs it runs, the weights it ends with, and going on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from zoo.errors import InputError
from zoo.training import compiling
from zoo.training.batches import Arrays, not_finite
from zoo.training.checkpoints import Checkpoint
from zoo.training.compiling import Reuse
from zoo.training.loop import fit
from zoo.training.optimizers import OPTIMIZERS, SCHEDULES, optimizer

pytestmark = pytest.mark.numerical


def blobs(count: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 3
    return (rng.normal(size=(count, 4)) + targets[:, None]).astype(np.float32), targets.astype(np.int64)


def network(seed: int = 0, dropout: float = 0.0, width: int = 8) -> keras.Model:
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((4,)), keras.layers.Dense(width, "relu"), keras.layers.Dropout(dropout)]
    return keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])


def options(epochs: int = 5) -> dict:
    return {"epochs": epochs, "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}


def test_a_compiled_epoch_is_the_same_as_single_steps() -> None:
    inputs, targets = blobs()

    class OneByOne:
        """Gives what `Arrays` gives, without being one."""

        def __init__(self) -> None:
            self.arrays = Arrays(inputs, targets, batch_size=32, seed=3)

        def __len__(self) -> int:
            return len(self.arrays)

        def epoch(self, number: int):
            return self.arrays.epoch(number)

    results = []
    for batches in (Arrays(inputs, targets, batch_size=32, seed=3), OneByOne()):
        model = network()
        history = fit(model, batches, optimizer=keras.optimizers.Adam(1e-2), **options())
        results.append((model.get_weights(), [row["loss"] for row in history.epochs]))
    for one, other in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(results[0][1], results[1][1], atol=1e-6)


def test_it_learns_what_kerass_own_fit_learns() -> None:
    inputs, targets = blobs(300)
    ours, theirs = network(), network()
    found = fit(ours, Arrays(inputs, targets, batch_size=32), optimizer=keras.optimizers.Adam(1e-2), **options(20))
    theirs.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    wanted = theirs.fit(inputs, targets, batch_size=32, epochs=20, verbose=0).history["loss"][-1]
    assert found.epochs[-1]["loss"] == pytest.approx(wanted, rel=0.15)


def test_every_epoch_sees_every_example_once_in_a_new_order() -> None:
    arrays = Arrays(np.arange(50, dtype=np.float32)[:, None], np.arange(50), batch_size=8, seed=1)
    orders = [np.concatenate([targets for _, targets in arrays.epoch(number)]) for number in (0, 1, 0)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert (orders[0] == orders[2]).all() and (orders[0] != orders[1]).any()
    assert len(arrays) == len(list(arrays.epoch(0))) == 7


def test_it_ends_with_the_weights_of_the_best_epoch_and_stops_in_time() -> None:
    inputs, targets = blobs(40)
    rng = np.random.default_rng(0)
    held = Arrays(rng.normal(size=(60, 4)).astype(np.float32), rng.integers(0, 3, 60))  # noise: nothing generalises
    model = network()
    rule = keras.optimizers.Adam(5e-2)
    history = fit(
        model, Arrays(inputs, targets, batch_size=8), optimizer=rule, validation=held, patience=4, **options(50)
    )
    assert len(history.epochs) == history.best_epoch + 4 < 50
    model.compile(loss="sparse_categorical_crossentropy")
    left = model.evaluate(*held.columns, verbose=0, return_dict=True)["loss"]
    seen = [row["val_loss"] for row in history.epochs]
    if history.best_epoch:
        assert left == pytest.approx(min(seen), rel=1e-5)
    assert left <= min(seen) + 1e-5  # the weights it began with are a candidate too


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e39])
def test_what_is_not_finite_is_refused_before_the_first_step(value: float, held_out: bool) -> None:
    """Whatever ReLU makes of it on this processor."""
    inputs, targets = blobs()
    wrong, numbers = inputs.astype(np.float64), np.zeros(len(inputs))
    wrong[7, 2] = numbers[8] = value
    for columns, place in (((wrong, targets), r"input 7: .* at \(2,\)"), ((inputs, numbers), "target 8: ")):
        good, bad = Arrays(inputs, np.zeros_like(columns[1])), Arrays(*columns)
        model, sides = network(), (good, bad) if held_out else (bad, None)
        before = model.get_weights()
        with pytest.raises(InputError, match=f"{'validation ' * held_out}{place}"):
            fit(model, sides[0], optimizer=keras.optimizers.SGD(0.1), validation=sides[1], **options())
        assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_batches_that_come_one_by_one_are_looked_at_too() -> None:
    class Feed:
        def __len__(self) -> int:
            return 2

        def epoch(self, number: int):
            yield blobs(8)
            yield np.full((8, 4), np.inf, np.float32), blobs(8)[1]

    with pytest.raises(InputError, match="batch input 0: expected finite numbers, received inf"):
        fit(network(), Feed(), optimizer=keras.optimizers.SGD(0.1), **options())


def test_padding_of_sequences_is_no_fault_and_a_gap_in_them_is() -> None:
    sequences = np.ones((4, 5, 2), np.float32)
    sequences[1, 3:] = np.nan
    assert not_finite(sequences) is None
    for step, feature in ((0, 0), (2, 1), (4, 0)):
        broken = sequences.copy()
        broken[2, step, feature] = np.nan
        assert not_finite(broken) == (2, step, feature)
    sequences[3] = np.nan
    assert not_finite(sequences) == (3, 0, 0)


def test_a_loss_that_is_no_longer_finite_ends_training() -> None:
    inputs, targets = blobs()
    with pytest.raises(FloatingPointError, match="in epoch .*; lower the learning rate"):
        fit(network(), Arrays(inputs, targets), optimizer=keras.optimizers.SGD(1e10), **options(50))


def test_weights_that_are_no_longer_finite_end_training_where_no_loss_tells_of_them() -> None:
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4,)), norm, keras.layers.Dense(3, "softmax")])
    norm.moving_mean.assign([0, 0, np.nan, 0])  # has no part in the loss of a batch
    with pytest.raises(FloatingPointError, match="moving_mean are no longer finite in epoch 1; lower"):
        fit(model, Arrays(*blobs()), optimizer=keras.optimizers.SGD(0.1), **options())


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


def test_going_on_gives_the_same_as_never_stopping(tmp_path: Path) -> None:
    inputs, targets = blobs()
    held = Arrays(*blobs(60, seed=1))

    class Killed(Exception):
        pass

    class KillAfter(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            if epoch == 3:
                raise Killed

    def run(checkpoint: Checkpoint | None, callbacks: tuple = ()):
        model = network(dropout=0.5)
        rule = optimizer("adam", 1e-2, steps=6 * 4)
        batches = Arrays(inputs, targets, batch_size=32, seed=5)
        how = {"validation": held, "checkpoint": checkpoint, "callbacks": callbacks}
        return fit(model, batches, optimizer=rule, **how, **options(6)), model.get_weights()

    whole, weights = run(None)
    with pytest.raises(Killed):
        run(Checkpoint(tmp_path / "state.npz", every=0), (KillAfter(),))
    resumed, resumed_weights = run(Checkpoint(tmp_path / "state.npz", every=0))
    assert resumed == whole
    for one, other in zip(weights, resumed_weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_state_that_is_damaged_is_not_used_and_stops_no_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(30, 20)).astype(np.float32), np.arange(5, dtype=np.int32)]
    variables = [keras.Variable(values, dtype=str(values.dtype)) for values in arrays]
    path = tmp_path / "state.npz"
    Checkpoint(path, every=0).keep(variables, [{"loss": 0.5}], 1, 0.5, [arrays[0] + 1])
    kept, whole = ([{"loss": 0.5}], 1, 0.5), path.read_bytes()
    harmed = 0
    for at in [*range(0, len(whole), 61), *(-at for at in range(1, 120))]:
        for content in (whole[:at], whole[:at] + bytes([whole[at] ^ 1 << harmed % 8]) + whole[at:][1:]):
            path.write_bytes(content)
            for variable in variables:
                variable.assign(np.zeros(variable.shape, variable.dtype))
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                rows, epoch, loss, best = Checkpoint(path).restore(variables)
            if told:
                assert f"{path} is damaged" in str(told[0].message) and (rows, epoch, loss, best) == (
                    [],
                    0,
                    np.inf,
                    None,
                )
                assert not np.any(variables[0])
                harmed += 1
            else:  # a byte of the archive that says nothing, as a date
                assert (rows, epoch, loss) == kept and (best[0] == arrays[0] + 1).all()
                assert all((np.array(v) == values).all() for v, values in zip(variables, arrays, strict=True))
    assert harmed > 150


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    inputs, targets = blobs()
    fit(
        network(),
        Arrays(inputs, targets),
        optimizer=keras.optimizers.SGD(0.1),
        checkpoint=Checkpoint(tmp_path / "state.npz", every=0),
        **options(1),
    )
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    with pytest.raises(InputError, match="of another model; remove it"):
        fit(
            other,
            Arrays(inputs, targets),
            optimizer=keras.optimizers.SGD(0.1),
            checkpoint=Checkpoint(tmp_path / "state.npz", every=0),
            **options(1),
        )


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on_to_the_same_model(workplace: Path) -> None:
    code = (
        "import sys, numpy as np, zoo, zoo.training.checkpoints; zoo.training.checkpoints.EVERY = 0\n"
        "from zoo.training.checkpoints import Checkpoint; Checkpoint.__init__.__defaults__ = (0.0,)\n"
        "from zoo.data import arrays\n"
        "from sklearn.datasets import load_digits\n"
        "d = load_digits(); x = d.data.astype('float32'); y = d.target.astype('int64')\n"
        "data = arrays(x[:1400], y[:1400], held_out=(x[1400:], y[1400:]))\n"
        "t = zoo.train('mlp', data, model={'dropout': 0.3}, epochs=60, run=sys.argv[1])\n"
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
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not Path("killed.npz").exists()
    assert start("killed").wait(300) == 0
    with np.load("whole.npz") as one, np.load("killed.npz") as other:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_models_of_one_structure_share_compiled_functions_and_learn_as_they_would_alone(name: str) -> None:
    inputs, targets = blobs(300)
    held = Arrays(*blobs(60, seed=1), batch_size=32)
    reuse = Reuse()

    def trained(rate: float, seed: int, **extra: object) -> tuple[list[np.ndarray], list[dict[str, float]]]:
        model = network(seed, dropout=0.2)
        batches = Arrays(inputs, targets, batch_size=16, seed=seed)
        rule = optimizer(name, rate, steps=3 * len(batches))
        history = fit(model, batches, optimizer=rule, validation=held, **options(3), **extra)
        return model.get_weights(), history.epochs

    trials = [(1e-3, 0), (3e-2, 1), (1e-2, 2)]
    alone = [trained(*trial) for trial in trials]
    traced = []
    real = compiling._train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "_train", lambda *given: traced.append(given) or real(*given))
        together = [trained(*trial, reuse=reuse) for trial in trials]
    assert len(traced) == 1
    for (weights, rows), (shared, shared_rows) in zip(alone, together, strict=True):
        assert rows == shared_rows
        assert all(np.array_equal(a, b) for a, b in zip(weights, shared, strict=True))


def test_another_structure_is_compiled_anew() -> None:
    inputs, targets = blobs(100)
    reuse = Reuse(kept=2)
    for width in (4, 5, 6, 4):
        batches = Arrays(inputs, targets, batch_size=16)
        model = network(width=width)
        history = fit(model, batches, optimizer=optimizer(steps=len(batches)), reuse=reuse, **options(1))
        assert len(history.epochs) == 1 and model.layers[0].kernel.shape[-1] == width


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_patience_ends_training_where_that_of_keras_does(patience: int) -> None:
    lengths = []
    stopping = keras.callbacks.EarlyStopping(patience=patience)
    for how in ({"patience": patience}, {"callbacks": [stopping]}):
        batches, held = Arrays(*blobs(40), batch_size=8), Arrays(*blobs(60, seed=1))
        history = fit(network(), batches, optimizer=keras.optimizers.Adam(0.1), validation=held, **how, **options(100))
        lengths.append(len(history.epochs))
    assert lengths[0] == lengths[1] and 1 < lengths[0] < 100
    rule = keras.optimizers.Adam(0.1)
    assert len(fit(network(), batches, optimizer=rule, patience=patience, **options(3)).epochs) == 3


def test_a_deadline_without_validation_leaves_the_weights_of_the_last_whole_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, kept = SimpleNamespace(now=0.0), []
    monkeypatch.setattr("zoo.training.loop.time", SimpleNamespace(monotonic=lambda: clock.now))

    def late(epoch: int, logs: dict | None = None) -> None:
        clock.now = float(epoch)

    for deadline, epochs in ((-1.0, 0), (0.5, 1), (1.5, 2)):
        model, clock.now = network(), 0.0
        kept[:] = [model.get_weights()]
        ends = keras.callbacks.LambdaCallback(
            on_epoch_begin=late, on_epoch_end=lambda *_, model=model: kept.append(model.get_weights())
        )
        rule = keras.optimizers.SGD(0.1)
        history = fit(model, Arrays(*blobs()), optimizer=rule, deadline=deadline, callbacks=[ends], **options(4))
        assert len(history.epochs) == history.best_epoch == epochs == len(kept) - 1
        assert all((one == other).all() for one, other in zip(model.get_weights(), kept[-1], strict=True))


def test_weights_whose_loss_is_no_number_are_not_the_best() -> None:
    model = network()
    weights = model.get_weights()
    model.set_weights([np.full_like(each, np.nan) for each in weights])
    mend = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: model.set_weights(weights))
    batches, held = Arrays(*blobs()), Arrays(*blobs(60, seed=1))
    history = fit(model, batches, optimizer=keras.optimizers.SGD(0.1), validation=held, callbacks=[mend], **options(2))
    assert history.best_epoch == 2 and np.isfinite(model.get_weights()[0]).all()


def test_adamw_decays_as_that_of_keras_does_and_no_other_optimizer_unless_asked() -> None:
    assert optimizer("adamw", steps=9).weight_decay == keras.optimizers.AdamW().weight_decay == 0.004
    assert optimizer("adamw", steps=9, weight_decay=0.0).weight_decay == 0
    for name in OPTIMIZERS:
        assert optimizer(name, steps=9, weight_decay=0.1).weight_decay == 0.1
        assert bool(optimizer(name, steps=9).weight_decay) == (name == "adamw")


def test_a_deadline_breaks_off_the_epoch_and_keeps_the_best_one() -> None:
    inputs, targets = blobs(3000)
    held = Arrays(*blobs(60, seed=1))
    model = network()
    batches = Arrays(inputs, targets, batch_size=1)
    rule = optimizer(steps=1000 * len(batches))
    started = time.monotonic()
    history = fit(model, batches, optimizer=rule, validation=held, deadline=started + 6, **options(1000))
    assert time.monotonic() - started < 30
    assert 0 < len(history.epochs) < 1000 and history.best_epoch <= len(history.epochs)
    rule = optimizer(steps=1000 * len(batches))
    found = fit(network(), batches, optimizer=rule, deadline=time.monotonic() - 1, **options(3))
    assert found.epochs == []
