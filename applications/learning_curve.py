"""Scores against the number of training images: whether more of them would help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from zoo.data.splits import stratified
from zoo.evaluation.intervals import paired
from zoo.evaluation.tables import Line, Shown, Table
from zoo.tasks.task import Task

SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training part
DRAWS = 3  # parts of each size, whose scores are averaged
FEWEST = 10  # images of the smallest part
Fit = Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]
"""From positions of images to learn from to a function from features of images to outputs."""


class Point(NamedTuple):
    """One point of a learning curve: training images, and the mean score on the held-out part."""

    images: int
    score: float


class LearningCurve(NamedTuple):
    """Scores against the number of training images.

    Attributes:
        measure: name of the score.
        points: from few images to all.
        gain: fall of the loss from half of the images to all, mean over held-out images.
        interval: 95 % interval of `gain`.
    """

    measure: str
    points: tuple[Point, ...]
    gain: float
    interval: tuple[float, float]

    @property
    def verdict(self) -> str:
        """Whether more images would help, in words."""
        if len(self.points) < 2:
            return "would more images help? there are too few to say; they would very probably"
        low, high = self.interval
        fell = f"the loss fell by {self.gain:.3g} (95 % interval {low:.3g} to {high:.3g})"
        counts = f"from {self.points[-2].images:,} to {self.points[-1].images:,} images {fell}"
        if low > 0:
            return f"would more images help? yes, it seems: {counts}"
        return f"would more images help? not much, it seems: {counts}"

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them; no interval where there are too few images."""
        known = len(self.points) > 1
        interval = list(self.interval) if known and np.isfinite(self.interval).all() else None
        points = [point._asdict() for point in self.points]
        values = {"measure": self.measure, "points": points, "gain": self.gain if known else None}
        return values | {"interval": interval, "verdict": self.verdict}

    def shown(self, details: bool = False) -> Shown:
        """A table, and the verdict."""
        rows = [[f"{point.images:,}", f"{point.score:.4f}"] for point in self.points]
        yield Table("learning curve", ("training images", f"{self.measure} on the held-out part"), rows)
        yield Line("", self.verdict)


def learning_curve(
    task: Task, fit: Fit, strata: np.ndarray, units: np.ndarray, features: np.ndarray, targets: np.ndarray, seed: int
) -> LearningCurve:
    """Scores on the held-out part of heads that are fitted on parts of the training part.

    Args:
        task: of the targets.
        fit: fits a head.
        strata: of the training part, (images, strata) of 0 and 1, whose proportions each part keeps.
        units: int64 (images,), of the training part: images with equal values are taken together.
        features: float32 (held-out images, width).
        targets: of the same images.
        seed: of the parts.
    """
    points, losses = [], []
    for share in SHARES:
        scores, all_losses, sizes = [], [], []
        for draw in range(DRAWS if share < 1 else 1):
            some = np.ones(len(units), bool) if share == 1 else stratified(strata, units, share, seed + draw)
            if some.sum() < FEWEST or (strata[some].sum(axis=0) < np.minimum(2, strata.sum(axis=0))).any():
                continue
            outputs = task.named(fit(np.flatnonzero(some))(features))
            scores.append(task.quality.score(task, targets, outputs))
            all_losses.append(task.losses(targets, outputs))
            sizes.append(int(some.sum()))
        if scores:
            points.append(Point(round(np.mean(sizes)), float(np.mean(scores))))
            losses.append(np.mean(all_losses, axis=0))
    if len(losses) < 2:
        return LearningCurve(task.quality.name, tuple(points), float("nan"), (float("-inf"), float("inf")))
    gaps = losses[-2] - losses[-1]
    return LearningCurve(task.quality.name, tuple(points), float(gaps.mean()), paired(gaps, seed))
