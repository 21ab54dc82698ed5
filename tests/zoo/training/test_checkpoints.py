"""Training goes on after a kill to the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from support.training import blobs, network, options
from zoo.errors import InputError
from zoo.training.batches import Arrays
from zoo.training.checkpoints import Checkpoint
from zoo.training.loop import fit
from zoo.training.optimizers import optimizer

pytestmark = pytest.mark.numerical


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
