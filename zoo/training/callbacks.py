"""Keras callbacks in the training loop: they work as with Keras, or are refused before the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError
from zoo.keras_internals import learning_rate, traces_batches
from zoo.pictures.sheets import sheet
from zoo.training.compiling import CHUNK, Logs, Session

if TYPE_CHECKING:
    import keras

# Callbacks that are not supported -> what replaces them.
INSTEAD = {
    "BackupAndRestore": "zoo.train(..., run=FOLDER) keeps the state of a run and continues from it",
    "ProgbarLogger": "a progress bar is shown anyway",
    "SwapEMAWeights": "the weights of the epoch of least validation loss are kept; no optimizer here averages them",
    "TerminateOnNaN": "training ends by itself, and says why, once its loss or a weight is no longer finite",
}
SHEETS = 10  # pictures of samples in a training run
SHEET = 64  # images in one
OF_BATCHES = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def check(
    callbacks: Sequence[Any], optimizers: Sequence[keras.optimizers.Optimizer], chooses: bool
) -> list[keras.callbacks.Callback]:
    """The callbacks as a flat list, after a check that the loop supports them.

    Args:
        callbacks: as `zoo.training.loop.fit` takes them.
        optimizers: of the model.
        chooses: whether the best epoch is chosen by a validation part.

    Raises:
        InputError: one is no callback, or the loop does not support it; the message says what to use instead.
    """
    import keras

    classes = keras.callbacks
    rule = any(isinstance(learning_rate(each), keras.optimizers.schedules.LearningRateSchedule) for each in optimizers)
    flat = keras.tree.flatten(list(callbacks))
    for each in flat:
        name = type(each).__name__
        if not isinstance(each, classes.Callback):
            raise InputError(f"expected callbacks of Keras, received {each!r}; give a keras.callbacks.Callback")
        for kind, why in INSTEAD.items():
            if isinstance(each, getattr(classes, kind)):
                raise InputError(f"{name} can't be used here: {why}; leave it out")
        if isinstance(each, classes.LearningRateScheduler | classes.ReduceLROnPlateau) and (
            rule or len(optimizers) > 1
        ):
            raise InputError(
                f"{name} can't set the learning rate, which follows a schedule; leave it out, and say how the rate "
                "moves by schedule, learning_rate and warm_up"
            )
        unsupported = isinstance(each, classes.EarlyStopping) and not (chooses and each.monitor == "val_loss")
        if unsupported and each.restore_best_weights:
            weights = "of the epoch of least validation loss" if chooses else "of the last epoch"
            raise InputError(
                f"{name} can't restore the weights that are best by {each.monitor}: training ends with "
                f"those {weights}; leave out restore_best_weights"
            )
        if not isinstance(each, classes.TensorBoard) and _overrides(each, "on_test_batch_begin", "on_test_batch_end"):
            raise InputError(
                f"{name} waits for batches of the validation part, which is scored at once; take on_test_begin or "
                "on_test_end"
            )
    return flat


class CallbackRunner:
    """Calls callbacks in the way that Keras does.

    Args:
        session: that trains the model.
        callbacks: as `check` returns them. A callback with a true attribute `of_logs` reads its arguments alone and
            never the model, which saves time.
        epochs: of the training.
        steps: of an epoch.

    Attributes:
        all: the list of callbacks, for events that have no method here.
        chunk: number of steps between two events, at most.
    """

    def __init__(
        self, session: Session, callbacks: Sequence[keras.callbacks.Callback], epochs: int, steps: int
    ) -> None:
        import keras

        self.session, self.steps, self.batch = session, steps, 0
        self.all = keras.callbacks.CallbackList(callbacks, model=session.model, epochs=epochs, steps=steps, verbose=0)
        self.chunk = 1 if any(_by_batch(each) for each in callbacks) else CHUNK
        self._reads_model = any(not getattr(each, "of_logs", False) for each in callbacks)
        self._sync()

    def epoch_begin(self, epoch: int) -> None:
        """Call the events of the begin of an epoch."""
        self.batch = 0
        self.all.on_epoch_begin(epoch)
        if self.chunk == 1:
            self.all.on_train_batch_begin(0)

    def chunk_end(self, logs: Logs) -> None:
        """Call the events of the end of a batch, if callbacks wait for batches."""
        if self.chunk > 1:
            return
        self._sync()
        self.all.on_train_batch_end(self.batch, logs())
        self.batch += 1
        if self.batch < self.steps:
            self.all.on_train_batch_begin(self.batch)

    def score(self, validation: bool) -> dict[str, float]:
        """Loss and metrics on the validation part, if there is one, after the steps of an epoch."""
        self._sync()
        if not validation:
            return {}
        self.all.on_test_begin()
        logs = self.session.score()
        self.all.on_test_end(logs)
        return logs

    def _sync(self) -> None:
        if self._reads_model:
            self.session.sync_optimizer()


def _by_batch(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback waits for each batch, so that the steps of an epoch can't run as one."""
    import keras

    if type(callback) is keras.callbacks.TensorBoard:
        return bool(callback.update_freq != "epoch" or callback.write_steps_per_second or traces_batches(callback))
    if type(callback) is keras.callbacks.ModelCheckpoint:
        return callback.save_freq != "epoch"
    return _overrides(callback, *OF_BATCHES)


def _overrides(callback: keras.callbacks.Callback, *events: str) -> bool:
    import keras

    plain = keras.callbacks.Callback
    return any(getattr(getattr(callback, event), "__func__", None) is not vars(plain)[event] for event in events)


def sheets(folder: Path, epochs: int) -> keras.callbacks.Callback:
    """A callback that writes a picture of samples ten times in a training run, always from the same codes.

    Args:
        folder: for ``epoch_0010.png`` and so on; made if absent.
        epochs: of the run.
    """
    import keras

    every = max(1, epochs // SHEETS)

    class Sheets(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            if (epoch + 1) % every == 0 or epoch + 1 == epochs:
                folder.mkdir(parents=True, exist_ok=True)
                sheet(self.model.generate(SHEET), folder / f"epoch_{epoch + 1:04d}.png")

    return Sheets()
