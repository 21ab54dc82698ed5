"""What one trial gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import keras

Tell = Callable[[int, int, float], None]
"""Told of an epoch's number, of how many there are, and of its loss."""


class Outcome(NamedTuple):
    """A trial's result.

    Attributes:
        score: value of the objective; of folds the mean.
        spread: standard deviation over the folds, of a sample (ddof 1); None for a single split.
        epochs: trained.
        curve: one row an epoch; of folds those of the first.
        note: of what was cut short.
    """

    score: float
    spread: float | None
    epochs: int
    curve: list[dict[str, float]]
    note: str = ""


class OutOfTime(BaseException):
    """The budget ended before a trial's first epoch did; no failure of the trial, so it passes what catches those."""


def combined(found: Sequence[tuple[float, list[dict[str, float]]]], planned: int, late: bool) -> Outcome:
    """Scores and curves of the folds as one outcome.

    Args:
        found: score and rows of each fold.
        planned: epochs that were to be trained, at most.
        late: whether the deadline passed.

    Raises:
        OutOfTime: no epoch was trained in time.
    """
    scores, curves = zip(*found, strict=True)
    trained = min(map(len, curves))
    if late and trained == 0:
        raise OutOfTime
    note = f"ended by the budget after {trained} of {planned} epochs" if late and trained < planned else ""
    spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else None
    return Outcome(float(np.mean(scores)), spread, trained, curves[0], note)


def teller(tell: Tell, epochs: int) -> keras.callbacks.Callback:
    """A callback that tells of each epoch.

    Args:
        tell: told of it.
        epochs: that there are.
    """
    import keras

    class Teller(keras.callbacks.Callback):
        of_logs = True

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            tell(epoch + 1, epochs, (logs or {}).get("val_loss", (logs or {}).get("loss", float("nan"))))

    return Teller()
