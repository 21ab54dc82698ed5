"""The unit of each example, where examples are of several series: a level and a spread of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FARTHEST = 20.0  # spreads from the level: a window that hardly varies tells nothing of a jump after it


class Units(NamedTuple):
    """What the values of each example are scaled by, float32 (examples, 1).

    A model of shops of all sizes learns in these, so that none counts more because its numbers are larger, and answers
    for one that it never saw.

    Attributes:
        level: the mean of its past.
        spread: the deviation of its past.
    """

    level: np.ndarray
    spread: np.ndarray

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Values (examples, ...) of targets in these units, float64, at most `FARTHEST`."""
        return np.clip((values.astype(np.float64) - self.level) / self.spread, -FARTHEST, FARTHEST)

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Values in these units, in the unit of the targets again."""
        return values * self.spread + self.level

    def chosen(self, positions: np.ndarray) -> Units:
        """Those of the examples at `positions`, int64."""
        return Units(self.level[positions], self.spread[positions])
