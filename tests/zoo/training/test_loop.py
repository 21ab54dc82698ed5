"""The training loop: the epochs it runs, and the weights it ends with."""

from __future__ import annotations

import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from support.training import blobs, network, options
from zoo.errors import InputError
from zoo.training import compiling
from zoo.training.batches import Arrays, not_finite
from zoo.training.compiling import SessionCache
from zoo.training.loop import fit
from zoo.training.optimizers import optimizer

pytestmark = pytest.mark.numerical


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


@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_models_of_one_structure_share_compiled_functions_and_learn_as_they_would_alone(name: str) -> None:
    inputs, targets = blobs(300)
    held = Arrays(*blobs(60, seed=1), batch_size=32)
    reuse = SessionCache()

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
    reuse = SessionCache(capacity=2)
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
