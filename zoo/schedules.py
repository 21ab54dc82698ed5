"""Learning-rate schedules that Keras does not have. Importing this imports Keras."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises linearly for `steps` steps, then what `after` says, counted from there.

    Args:
        rate: reached at the end of the rise.
        steps: of the rise.
        after: a schedule, or a constant rate.
    """

    def __init__(self, rate: float, steps: int, after: Any) -> None:
        self.rate, self.steps, self.after = rate, steps, after

    def __call__(self, step: Any) -> Any:
        """The rate at `step`, counted from 0."""
        now = ops.cast(step, "float32")
        later = ops.maximum(now - self.steps, 0.0)
        after = self.after(later) if callable(self.after) else self.after
        return ops.where(now < self.steps, self.rate * (now + 1.0) / self.steps, after)

    def get_config(self) -> dict[str, Any]:
        """What makes it again."""
        after = self.after
        if callable(after):
            after = keras.optimizers.schedules.serialize(after)
        return {"rate": self.rate, "steps": self.steps, "after": after}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WarmUp:
        """The schedule that `get_config` describes."""
        after = config["after"]
        if isinstance(after, dict):
            after = keras.optimizers.schedules.deserialize(after)
        return cls(config["rate"], config["steps"], after)
