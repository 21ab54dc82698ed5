"""Trials that are trained by a `fit` of their own. Importing this imports Keras."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from zoo.errors import JobError
from zoo.training.checkpoints import Checkpoint
from zoo.training.compiling import states
from zoo.training.loop import History, broken_weights

Examples = tuple[np.ndarray, np.ndarray]


def inputs_for(inputs: np.ndarray) -> np.ndarray:
    """Prepared inputs as float32, steps of NaN after the end of a sequence as 0."""
    inputs = inputs.astype(np.float32)
    return np.where(np.isnan(inputs), np.float32(0), inputs) if inputs.ndim == 3 else inputs


def targets_for(model: keras.Model, targets: np.ndarray, positions: bool) -> np.ndarray:
    """Targets as the loss that a model is compiled with takes them.

    Args:
        model: compiled.
        targets: positions of classes, int, one axis less than the outputs; or labels or numbers, of their shape.
        positions: whether targets are positions, as `Task.positions` says.

    Returns:
        one-hot rows for positions, unless the loss takes these, float32 (examples, 1) for a single output; labels and
        numbers as float32.
    """
    width, loss = model.output_shape[-1], model.loss
    if not positions:
        return targets.astype(np.float32)
    if width == 1:
        return targets[..., None].astype(np.float32)
    name = loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", "")
    return targets if name.lower().startswith("sparse") else np.eye(width, dtype=np.float32)[targets]


class _Epochs(int):
    """A number of epochs that is known again where it comes back."""


class FitRecorder:
    """A model for `HyperModel.fit` that is not trained: it remembers what its `fit` is called with.

    Args:
        model: compiled.
        inputs: that the fit is given.
        targets: likewise.

    Attributes:
        given: arguments by name that the fit is given.
        calls: arguments of each call of `fit`, by position and by name.
    """

    given: dict[str, Any]
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]]
    _model: keras.Model
    arrays: Examples
    changed: bool

    def __init__(self, model: keras.Model, inputs: np.ndarray, targets: np.ndarray) -> None:
        given = {"validation_data": (inputs, targets), "epochs": _Epochs(1), "callbacks": [], "verbose": 0}
        own = {"_model": model, "arrays": (inputs, targets), "given": given, "calls": [], "changed": False}
        vars(self).update(own)

    def __getattr__(self, name: str) -> Any:
        if name in ("compile", "load_weights", "set_weights", "train_on_batch"):
            vars(self)["changed"] = True
        return getattr(self._model, name)

    def __setattr__(self, name: str, value: Any) -> None:
        vars(self)["changed"] = True
        setattr(self._model, name, value)

    def fit(self, *args: Any, **how: Any) -> Any:
        """Remember the arguments, and return a history of zeros."""
        self.calls.append((args, how))
        history = keras.callbacks.History()
        history.history = defaultdict(lambda: [0.0])
        return history

    def settings(self) -> dict[str, Any]:
        """``batch_size`` and ``epochs`` if the fit sets nothing else, for the loop; else ``{"fit": True}``."""
        if len(self.calls) != 1 or self.changed:
            return {"fit": True}
        args, how = self.calls[0]
        names = dict(zip(("x", "y"), args, strict=False)) | how
        usual = {"x": self.arrays[0], "y": self.arrays[1]} | self.given
        chosen = {name: names.pop(name) for name in ("batch_size", "epochs") if name in names}
        if names.pop("shuffle", True) is not True or names.keys() != usual.keys() - {"epochs"}:
            return {"fit": True}
        if any(value is not usual[name] for name, value in names.items() if name != "verbose"):
            return {"fit": True}
        if isinstance(chosen.get("epochs", self.given["epochs"]), _Epochs):
            chosen.pop("epochs", None)
        return {name: int(value) for name, value in chosen.items() if value is not None}


def fit(
    fit: Callable[..., Any],
    hp: Any,
    model: keras.Model,
    network: Callable[[], keras.Model],
    examples: Examples,
    validation: Examples | None,
    *,
    positions: bool,
    epochs: int,
    seed: int,
    checkpoint: Checkpoint,
    on_epoch: Callable[[int, int, float], None],
    deadline: float | None,
) -> tuple[keras.Model, History]:
    """Train a model by a `fit` as `HyperModel.fit`; it ends with the weights of the epoch of least validation loss.

    Args:
        fit: of `hp`, the model and what Keras Tuner gives: inputs, targets, validation_data, epochs, callbacks.
        hp: has the values of the trial.
        model: compiled, with its initial weights.
        network: makes the network that answers, with the weights of `model`.
        examples: prepared inputs and targets to learn from.
        validation: likewise, that choose the epoch.
        positions: whether targets are positions of classes.
        epochs: at most, unless the fit sets them itself.
        seed: of everything random.
        checkpoint: of the trained network. A training that was cut begins anew.
        on_epoch: called after each epoch with its number, the number of epochs and the loss.
        deadline: of `time.monotonic`; the epoch in which it passes does not count.

    Raises:
        JobError: the fit fails, or a weight is no longer finite.
    """
    if checkpoint.path.is_file():
        trained = network()
        rows, best, _, _ = checkpoint.restore(states(trained))
        if rows or best:
            return trained, History(best, rows)
    keras.utils.set_random_seed(seed)
    watch = _Watch(model, epochs, on_epoch, deadline)
    given = {"epochs": epochs, "callbacks": [watch], "verbose": 0}
    if validation is not None:
        given["validation_data"] = (inputs_for(validation[0]), targets_for(model, validation[1], positions))
    complete = True
    try:
        fit(hp, model, inputs_for(examples[0]), targets_for(model, examples[1], positions), **given)
    except _OutOfTime:
        complete = False
    except Exception as error:  # whatever a user's own fit raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise JobError(f"the model's own fit fails: {reason}; mend it") from error
    best = watch.restore(complete)
    if reason := broken_weights(model.variables):
        raise JobError(f"{reason}; lower the learning rate, or clip gradients")
    trained = network()
    if complete:
        checkpoint.keep(states(trained), watch.rows, best, watch.loss, None, last=True)
    return trained, History(best, watch.rows)


class _OutOfTime(Exception):
    """The deadline passed within an epoch."""


class _Watch(keras.callbacks.Callback):
    """Rows of the epochs, and the weights of the best one: of least validation loss, or the last one without such."""

    def __init__(self, model: keras.Model, epochs: int, on_epoch: Callable[..., None], deadline: float | None) -> None:
        super().__init__()
        self.trained, self.epochs, self.tell, self.deadline = model, epochs, on_epoch, deadline
        self.rows: list[dict[str, float]] = []
        self.best, self.loss, self.weights = 0, float("inf"), model.get_weights()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """End the training at the deadline."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise _OutOfTime

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the row, and the weights if they are the best."""
        row = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append(row | {"learning_rate": float(self.trained.optimizer.learning_rate)})
        if "val_loss" not in row or row["val_loss"] < self.loss:
            self.best, self.loss = len(self.rows), row.get("val_loss", float("inf"))
            self.weights = self.trained.get_weights()
        self.tell(len(self.rows), self.epochs, row.get("val_loss", row.get("loss", float("nan"))))

    def restore(self, complete: bool) -> int:
        """Set the best weights, and return their epoch; those of the end where no epoch was reported."""
        if self.rows or not complete:
            self.trained.set_weights(self.weights)
        return self.best
