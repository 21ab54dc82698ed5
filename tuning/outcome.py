"""The result of one trial, and what it reports while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import keras

OnEpoch = Callable[[int, int, float], None]
"""Called after an epoch with its number, the number of epochs, and its loss."""


class Outcome(NamedTuple):
    """A trial's result.

    Attributes:
        score: value of the objective; the mean over the folds.
        spread: standard deviation over the folds, of a sample (ddof 1); None for a single split.
        epochs: number of trained epochs.
        curve: one row an epoch, of the first fold.
        note: why training ended early; empty if it did not.
    """

    score: float
    spread: float | None
    epochs: int
    curve: list[dict[str, float]]
    note: str = ""


class OutOfTime(BaseException):
    """The budget ended before the first epoch of a trial did.

    It is no failure of the trial, so `except Exception` does not catch it.
    """


def combine(folds: Sequence[tuple[float, list[dict[str, float]]]], planned: int, late: bool) -> Outcome:
    """Combine scores and curves of the folds into one outcome.

    Args:
        folds: score and rows of each fold.
        planned: number of epochs that the trial was to train, at most.
        late: whether the deadline passed.

    Raises:
        OutOfTime: no epoch was trained in time.
    """
    scores, curves = zip(*folds, strict=True)
    trained = min(map(len, curves))
    if late and trained == 0:
        raise OutOfTime
    note = f"ended by the budget after {trained} of {planned} epochs" if late and trained < planned else ""
    spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else None
    return Outcome(float(np.mean(scores)), spread, trained, curves[0], note)


def epoch_callback(on_epoch: OnEpoch, epochs: int) -> keras.callbacks.Callback:
    """A callback that calls `on_epoch` after each epoch.

    Args:
        on_epoch: the function to call.
        epochs: number of epochs, passed on to it.
    """
    import keras

    class EpochCallback(keras.callbacks.Callback):
        of_logs = True

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            on_epoch(epoch + 1, epochs, (logs or {}).get("val_loss", (logs or {}).get("loss", float("nan"))))

    return EpochCallback()
