"""Learning-rate schedules. Importing this imports Keras, and makes all known that a saved optimizer and loss name."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.training import given_loss as given_loss


@keras.saving.register_keras_serializable("zoo")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly, then follows a schedule.

    The rates of all steps are a table in a variable: a look-up is quicker than a computation, and a compiled training
    step serves another schedule of the same length if the table is replaced.

    Args:
        kind: ``constant``; ``cosine``: down to 0 (Loshchilov and Hutter 2017); ``exponential``: down to a hundredth;
            ``step``: a tenth after half and a hundredth after three quarters (He et al. 2016).
        rate: at its peak.
        steps: in the whole training.
        warm_up: share of the steps in which the rate rises from 0, in [0, 1); Goyal et al. 2017.
    """

    def __init__(self, kind: str, rate: float, steps: int, warm_up: float = 0.0) -> None:
        self.kind, self.rate, self.steps, self.warm_up = kind, rate, steps, warm_up
        self.table = keras.Variable(_rates(kind, rate, steps, warm_up), trainable=False, name="rates")

    def __call__(self, step: Any) -> Any:
        """The rate at `step`, counted from 0; after the last step, that of the last."""
        return ops.take(self.table, ops.minimum(ops.cast(step, "int32"), self.steps - 1))

    def get_config(self) -> dict[str, Any]:
        """The arguments of `__init__`."""
        return {"kind": self.kind, "rate": self.rate, "steps": self.steps, "warm_up": self.warm_up}


def _rates(kind: str, rate: float, steps: int, warm_up: float) -> np.ndarray:
    """Float32 (steps,)."""
    rising = round(steps * warm_up)
    done = np.arange(steps - rising) / max(1, steps - rising)
    falling = {
        "constant": np.ones_like(done),
        "cosine": (1 + np.cos(np.pi * done)) / 2,
        "exponential": 0.01**done,
        "step": np.where(done <= 0.5, 1.0, np.where(done <= 0.75, 0.1, 0.01)),
    }[kind]
    return (rate * np.concatenate([np.arange(1, rising + 1) / max(1, rising), falling])).astype(np.float32)
