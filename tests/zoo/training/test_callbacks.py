"""Every callback that Keras offers: it works as with Keras' `fit`, or is refused with the name of what does it here."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from zoo.errors import InputError
from zoo.training.batches import Arrays
from zoo.training.callbacks import INSTEAD
from zoo.training.loop import fit
from zoo.training.optimizers import optimizer

pytestmark = pytest.mark.numerical

known = keras.callbacks
RNG = np.random.default_rng(0)
TARGETS = (np.arange(40) % 3).astype(np.int64)
INPUTS = (RNG.normal(size=(40, 4)) + TARGETS[:, None]).astype(np.float32)
HELD = Arrays(INPUTS[:20], TARGETS[:20], batch_size=20)
LOSS = "sparse_categorical_crossentropy"


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(3, "softmax")])


def ours(callbacks: list[Any], rule: Any = None, epochs: int = 3, validation: Any = HELD, **extra: Any) -> tuple:
    model, batches = network(), Arrays(INPUTS, TARGETS, batch_size=16)
    rule = optimizer("adam", 1e-2, steps=epochs * len(batches)) if rule is None else rule
    how = {"epochs": epochs, "loss": LOSS, "metrics": ["accuracy"], "validation": validation, "callbacks": callbacks}
    return model, fit(model, batches, optimizer=rule, **how | extra)


class Log(known.Callback):
    """What is called, and with which keys."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Any, tuple[str, ...]]] = []


def _noting(event: str) -> Any:
    def call(self: Log, *given: Any, logs: Any = None) -> None:
        *first, last = (*given, logs)
        if event in ("on_epoch_end", "on_train_batch_end", "on_epoch_begin", "on_train_batch_begin"):
            first, last = list(given[:1]), given[1] if len(given) > 1 else logs
        else:
            first, last = [], given[0] if given else logs
        keys = tuple(sorted(set(last or {}) - {"learning_rate"}))
        self.calls.append((event, *first, keys))

    return call


BATCHES = ("on_train_batch_begin", "on_train_batch_end")
EVENTS = ("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_test_begin", "on_test_end")


@pytest.mark.parametrize("events", [EVENTS, EVENTS + BATCHES])
def test_events_come_as_with_keras(events: tuple[str, ...]) -> None:
    one, other = (type("Noting", (Log,), {event: _noting(event) for event in events})() for _ in range(2))
    _, history = ours([one], epochs=2)
    model = network()
    model.compile(keras.optimizers.Adam(1e-2), LOSS, metrics=["accuracy"], run_eagerly=True)
    data = HELD.columns
    model.fit(INPUTS, TARGETS, batch_size=16, epochs=2, validation_data=data, callbacks=[other], verbose=0)
    assert one.calls == other.calls and len(one.calls) > 5
    assert one.params["epochs"] == other.params["epochs"] and one.params["steps"] == other.params["steps"] == 3
    _, plain = ours([], epochs=2)
    for row, same in zip(history.epochs, plain.epochs, strict=True):
        assert row == pytest.approx(same, abs=1e-6)


def test_tensorboard_logs_the_rate_that_is_learnt_at(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorflow import make_ndarray

    _, history = ours([known.TensorBoard(tmp_path, write_graph=False)])
    logged = EventAccumulator(str(tmp_path / "train")).Reload()
    rates = [float(make_ndarray(event.tensor_proto)) for event in logged.Tensors("epoch_learning_rate")]
    assert rates == pytest.approx([row["learning_rate"] for row in history.epochs], abs=1e-9) and max(rates) > 1e-4


@pytest.mark.parametrize("name", ["adam", *(pytest.param(n, marks=pytest.mark.slow) for n in ("momentum", "rmsprop"))])
def test_a_file_of_a_checkpoint_is_loaded_and_goes_on_as_the_run_does(name: str, tmp_path: Path) -> None:
    path = tmp_path / "{epoch}.keras"
    rules = [optimizer(name, 1e-2, steps=9, weight_decay=0.01) for _ in range(2)]
    saving = known.ModelCheckpoint(path)
    model, _ = ours([saving], rules[0], validation=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = keras.models.load_model(tmp_path / "1.keras")
    batches = Arrays(INPUTS, TARGETS, batch_size=16)
    for epoch in (1, 2):
        order = batches.order(epoch)
        kept.fit(INPUTS[order], TARGETS[order], batch_size=16, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), kept.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_checkpoint_of_weights_every_few_steps_is_written(tmp_path: Path) -> None:
    path = tmp_path / "{epoch}_{batch}.weights.h5"
    model, _ = ours([known.ModelCheckpoint(path, save_weights_only=True, save_freq=2)], validation=None)
    assert sorted(each.name for each in tmp_path.iterdir()) == [f"{n}.weights.h5" for n in ("1_2", "2_1", "2_3", "3_2")]
    network().load_weights(tmp_path / "3_2.weights.h5")


@pytest.mark.slow
def test_a_trained_network_is_loaded_by_a_process_that_knows_its_layers(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zoo

    data = zoo.data.arrays(RNG.integers(0, 255, (60, 8, 8)).astype(np.uint8), np.arange(60) % 3)
    monkeypatch.setattr("zoo.training.judges.has_judge", lambda data: False)  # which takes longer than all else
    small = {"latent_dim": 2, "filters": (4,)}
    code = "import keras, zoo.training.schedules, zoo.builders.adversarial_model\n"
    for name, model in {"mlp": {"units": (8,)}, "variational_autoencoder": small, "dcgan": small}.items():
        how = {"epochs": 1, "batch_size": 16, "optimizer": "adamw"}
        network = zoo.train(name, data, model=model, **how).network
        network.save(f"{name}.keras")
        steps = int(network.optimizer.iterations)
        code += f"assert int(keras.models.load_model('{name}.keras').optimizer.iterations) == {steps} > 0\n"
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True)
    assert loaded.returncode == 0, loaded.stderr


def test_early_stopping_ends_training_and_history_and_csv_have_the_rows(tmp_path: Path) -> None:
    told = known.History()
    stopping = known.EarlyStopping("loss", min_delta=10, patience=2)
    _, history = ours([stopping, told, known.CSVLogger(tmp_path / "log.csv")], epochs=9)
    assert len(history.epochs) == 3 and stopping.stopped_epoch == 2
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    for number, row in enumerate(history.epochs):
        assert {name: float(rows[number][name]) for name in row} == pytest.approx(row)
        assert {name: told.history[name][number] for name in row} == pytest.approx(row)


def test_early_stopping_that_restores_the_best_weights_ends_with_them() -> None:
    model, history = ours([known.EarlyStopping(patience=9, restore_best_weights=True)])
    model.compile(loss=LOSS, run_eagerly=True)
    least = min(row["val_loss"] for row in history.epochs)
    assert model.evaluate(*HELD.columns, verbose=0)[0] == pytest.approx(least, 1e-5)


def test_a_remote_monitor_is_told_of_each_epoch() -> None:
    bodies: list[dict[str, float]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        root = f"http://127.0.0.1:{server.server_port}"
        _, history = ours([known.RemoteMonitor(root, path="/", send_as_json=True)])
    finally:
        server.shutdown()
    assert [body["loss"] for body in bodies] == pytest.approx([row["loss"] for row in history.epochs])


@pytest.mark.parametrize("large", [False, True])
def test_callbacks_that_set_the_rate_do_so_where_no_schedule_does(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.training.fused.PARAMETERS", 0 if large else 10**6)
    falling = known.LearningRateScheduler(lambda epoch, rate: rate / 2)
    _, history = ours([falling], keras.optimizers.SGD(0.8))
    assert [row["learning_rate"] for row in history.epochs] == pytest.approx([0.4, 0.2, 0.1])
    plateau = known.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=10)
    model, history = ours([plateau], keras.optimizers.SGD(0.8), epochs=4, validation=None)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
    theirs, batches = network(), Arrays(INPUTS, TARGETS, batch_size=16)
    theirs.compile(keras.optimizers.SGD(0.8), LOSS, run_eagerly=True)
    for epoch, rate in enumerate((0.8, 0.8, 0.4, 0.2)):
        order, theirs.optimizer.learning_rate = batches.order(epoch), rate
        theirs.fit(INPUTS[order], TARGETS[order], batch_size=16, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


class TestBatches(known.Callback):
    __test__ = False

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (lambda: known.LearningRateScheduler(lambda epoch: 0.1), "LearningRateScheduler .* by schedule, learning_rate"),
        (lambda: known.ReduceLROnPlateau(), "ReduceLROnPlateau .* schedule, learning_rate and warm_up"),
        (lambda: known.BackupAndRestore("state"), "BackupAndRestore .* run=FOLDER"),
        (lambda: known.TerminateOnNaN(), "TerminateOnNaN .* training ends by itself"),
        (lambda: known.ProgbarLogger(), "ProgbarLogger .* a progress bar is shown"),
        (lambda: known.SwapEMAWeights(), "SwapEMAWeights .* the epoch of least validation loss"),
        (lambda: known.EarlyStopping("accuracy", restore_best_weights=True), "best by accuracy: .* least validation"),
        (lambda: TestBatches(), "TestBatches waits for batches of the validation part.*on_test_end"),
        (lambda: [known.History(), "adam"], "expected callbacks of Keras, received 'adam'"),
    ],
)
def test_what_can_not_work_is_refused_before_the_first_step(callback: Any, message: str) -> None:
    model, batches = network(), Arrays(INPUTS, TARGETS, batch_size=16)
    before = model.get_weights()
    with pytest.raises(InputError, match=message) as error:
        fit(model, batches, epochs=1, optimizer=optimizer(steps=3), loss=LOSS, validation=HELD, callbacks=[callback()])
    assert "\n" not in str(error.value)
    assert all((one == other).all() for one, other in zip(before, model.get_weights(), strict=True))


def test_no_callback_of_keras_is_forgotten() -> None:
    here = {name for name in dir(known) if isinstance(getattr(known, name), type)}
    works = {"Callback", "CallbackList", "CSVLogger", "EarlyStopping", "History", "LambdaCallback", "ModelCheckpoint"}
    works |= {"RemoteMonitor", "TensorBoard", "LearningRateScheduler", "ReduceLROnPlateau"}
    assert here == works | set(INSTEAD) | {"OrbaxCheckpoint"}  # which needs a package that is not here
