"""Keras' callbacks in the one training loop: they work as with Keras, or are refused before the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError
from zoo.pictures.sheets import sheet
from zoo.training.compiling import CHUNK, Logs, Session

if TYPE_CHECKING:
    import keras

# What Keras offers for what is done here anyway, and who does it.
INSTEAD = {
    "BackupAndRestore": "zoo.train(..., run=FOLDER) keeps the state of a run and goes on from it",
    "ProgbarLogger": "a progress bar is shown anyway",
    "SwapEMAWeights": "the weights of the epoch of least validation loss are kept; no optimizer here averages them",
    "TerminateOnNaN": "training ends by itself, and says why, once its loss or a weight is no longer finite",
}
SHEETS = 10  # pictures of samples in a training run
SHEET = 64  # images in one
SHEETS = 10  # pictures of samples in a training run
SHEET = 64  # images in one
OF_BATCHES = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def check(
    callbacks: Sequence[Any], optimizers: Sequence[keras.optimizers.Optimizer], chooses: bool
) -> list[keras.callbacks.Callback]:
    """The callbacks as a flat list.

    Args:
        callbacks: as `zoo.training.loop.fit` takes them.
        optimizers: of the model.
        chooses: whether a validation part chooses the epoch.

    Raises:
        InputError: one is no callback, or can't do here what it does with Keras; says what does it.
    """
    import keras

    known = keras.callbacks
    rule = any(isinstance(each._learning_rate, keras.optimizers.schedules.LearningRateSchedule) for each in optimizers)
    flat = keras.tree.flatten(list(callbacks))
    for each in flat:
        name = type(each).__name__
        if not isinstance(each, known.Callback):
            raise InputError(f"expected callbacks of Keras, received {each!r}; give a keras.callbacks.Callback")
        for kind, why in INSTEAD.items():
            if isinstance(each, getattr(known, kind)):
                raise InputError(f"{name} can't be used here: {why}; leave it out")
        if isinstance(each, known.LearningRateScheduler | known.ReduceLROnPlateau) and (rule or len(optimizers) > 1):
            raise InputError(
                f"{name} can't set the learning rate, which follows a schedule; leave it out, and say how the rate "
                "moves by schedule, learning_rate and warm_up"
            )
        other = isinstance(each, known.EarlyStopping) and not (chooses and each.monitor == "val_loss")
        if other and each.restore_best_weights:
            kept = "of the epoch of least validation loss" if chooses else "of the last epoch"
            raise InputError(
                f"{name} can't restore the weights that are best by {each.monitor}: training ends with those {kept}; "
                "leave out restore_best_weights"
            )
        if not isinstance(each, known.TensorBoard) and _overrides(each, "on_test_batch_begin", "on_test_batch_end"):
            raise InputError(
                f"{name} waits for batches of the validation part, which is scored at once; take on_test_begin or "
                "on_test_end"
            )
    return flat


class Watchers:
    """Callbacks, called as Keras calls them.

    Args:
        made: what is trained.
        callbacks: as `check` gives them. One that has an attribute `of_logs` that is true looks at what it is told
            alone, never at the model: time is saved.
        epochs: of the training.
        steps: in an epoch.

    Attributes:
        all: takes the events that are not here.
        chunk: steps that are done at once, at most.
    """

    def __init__(self, made: Session, callbacks: Sequence[keras.callbacks.Callback], epochs: int, steps: int) -> None:
        import keras

        self.made, self.steps, self.batch = made, steps, 0
        self.all = keras.callbacks.CallbackList(callbacks, model=made.model, epochs=epochs, steps=steps, verbose=0)
        self.chunk = 1 if any(_by_batch(each) for each in callbacks) else CHUNK
        self._look = any(not getattr(each, "of_logs", False) for each in callbacks)
        self._ready()

    def began(self, epoch: int) -> None:
        """An epoch begins."""
        self.batch = 0
        self.all.on_epoch_begin(epoch)
        if self.chunk == 1:
            self.all.on_train_batch_begin(0)

    def stepped(self, logs: Logs) -> None:
        """A chunk is done."""
        if self.chunk > 1:
            return
        self._ready()
        self.all.on_train_batch_end(self.batch, logs())
        self.batch += 1
        if self.batch < self.steps:
            self.all.on_train_batch_begin(self.batch)

    def scored(self, validation: bool) -> dict[str, float]:
        """The steps of an epoch are done: loss and metrics on the validation part, if there is one."""
        self._ready()
        if not validation:
            return {}
        self.all.on_test_begin()
        found = self.made.score()
        self.all.on_test_end(found)
        return found

    def _ready(self) -> None:
        if self._look:
            self.made.give_back()


def _by_batch(callback: keras.callbacks.Callback) -> bool:
    """Whether it is called after each batch: an epoch takes longer than where all its steps run as one."""
    import keras

    if type(callback) is keras.callbacks.TensorBoard:
        return bool(callback.update_freq != "epoch" or callback.write_steps_per_second or callback._should_trace)
    if type(callback) is keras.callbacks.ModelCheckpoint:
        return callback.save_freq != "epoch"
    return _overrides(callback, *OF_BATCHES)


def _overrides(callback: keras.callbacks.Callback, *events: str) -> bool:
    import keras

    plain = keras.callbacks.Callback
    return any(getattr(getattr(callback, event), "__func__", None) is not vars(plain)[event] for event in events)


def sheets(folder: Path, epochs: int) -> keras.callbacks.Callback:
    """A callback that writes a picture of samples, of the same codes each time, ten times in a training run.

    Args:
        folder: for ``epoch_0010.png`` and so on; made if absent.
        epochs: of the whole run.
    """
    import keras

    every = max(1, epochs // SHEETS)

    class Sheets(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            if (epoch + 1) % every == 0 or epoch + 1 == epochs:
                folder.mkdir(parents=True, exist_ok=True)
                sheet(self.model.generate(SHEET), folder / f"epoch_{epoch + 1:04d}.png")

    return Sheets()
