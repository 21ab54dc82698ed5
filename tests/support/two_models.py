"""Two models on examples of one distribution, so that what they truly differ by can be known."""

from __future__ import annotations

import numpy as np

from zoo.tasks.classification import Classification
from zoo.tasks.regression import Regression

CLASSES, NUMBERS = Classification(("no", "yes")), Regression(("value",))


class TwoModels:
    """Targets and what two models say of them, drawn anew."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self.targets = (rng.random(count) < 0.3).astype(np.int64)
        same = 0.8 * rng.normal(size=count)
        scores = [self.targets * lift + same + 0.6 * rng.normal(size=count) for lift in (1.5, 1.2)]
        likely = [1 / (1 + np.exp(0.9 - each)) for each in scores]
        self.classes = [np.stack([1 - each, each], axis=1) for each in likely]
        self.numbers = rng.normal(size=(count, 1))
        off = 0.5 * rng.standard_t(6, (count, 1))
        self.values = [self.numbers + off + spread * rng.normal(size=(count, 1)) for spread in (0.3, 0.45)]

    def sides(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Targets of the measure of that name, and both models' probabilities or numbers."""
        if name in ("mse", "rmse", "r2", "mae"):
            return self.numbers, *self.values
        return self.targets, *self.classes
