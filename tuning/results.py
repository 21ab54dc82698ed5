"""Results of trials and searches, as values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class TrialResult:
    """The result of one configuration.

    Attributes:
        number: in the order in which trials began, from 1; 0 is the default configuration.
        status: ``completed``, or ``failed`` for the reason in `note`.
        values: hyperparameters by name, as the space drew them; for the default configuration, the defaults of the
            space.
        score: value of the objective on the inner validation examples, or its mean over the folds; None if the trial
            failed.
        spread: standard deviation of the score over the folds; None for a single split.
        seconds: duration of the trial.
        epochs: number of trained epochs; 0 for a model that is not trained in epochs.
        curve: one row an epoch: ``loss``, ``val_loss``, ``learning_rate``; empty without epochs.
        note: why the trial failed, or ended before its last epoch; else empty.
    """

    number: int
    status: Literal["completed", "failed"]
    values: dict[str, Any]
    score: float | None
    spread: float | None
    seconds: float
    epochs: int
    curve: list[dict[str, float]]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)

    def rank(self, direction: str) -> tuple[float, float, int]:
        """A key to sort by, the best trial first: by score, then by the least validation loss, then by number."""
        score = math.inf if self.score is None else self.score
        loss = min((row["val_loss"] for row in self.curve if "val_loss" in row), default=math.inf)
        return (-score if direction == "max" else score), loss, self.number


@dataclass(frozen=True)
class Comparison:
    """The best model compared with the default configuration, on held-out examples that no trial saw.

    Attributes:
        part: validation or test.
        examples: number of examples.
        best: value of the objective for the best model.
        default: value of the objective for the default configuration.
        difference: `best` less `default`.
        interval: 95 % interval of the difference, paired by example (`zoo.evaluation.intervals`); infinite without
            pairs, as between sets of generated images.
    """

    part: str
    examples: int
    best: float
    default: float
    difference: float
    interval: tuple[float, float]

    def better(self, direction: str) -> bool:
        """Whether the whole interval is in favour of the best model."""
        return self.interval[0] > 0 if direction == "max" else self.interval[1] < 0


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        model: name of the builder, or ``fine_tune``.
        data: path of the data.
        method: random, grid, bayesian or hyperband.
        objective: name of the objective.
        direction: ``max`` or ``min``.
        seed: of everything random.
        seconds: duration of the search, over all its sessions.
        trials: all trials, the default configuration first.
        best: the exported trial; the default configuration if no trial was better.
        held_out: the best and the default model on the held-out part.
        settings: the best configuration, ``{"model": {...}, "training": {...}}``.
        ended: why the search ended, as "the budget of 10 min is used up".
        beside: sentences on the best model beside simple models on the held-out part, and on problems in its scores.
        artifact: the version folder; `zoo.load` opens it. None if nothing was exported.
    """

    model: str
    data: str
    method: str
    objective: str
    direction: Literal["max", "min"]
    seed: int
    seconds: float
    trials: tuple[TrialResult, ...]
    best: TrialResult
    held_out: Comparison
    settings: dict[str, dict[str, Any]]
    ended: str
    beside: tuple[str, ...] = ()
    artifact: Path | None = None

    @property
    def default(self) -> TrialResult:
        """The default configuration."""
        return self.trials[0]

    @property
    def completed(self) -> list[TrialResult]:
        """Trials with a score, the best one first; see `TrialResult.rank`."""
        with_score = [trial for trial in self.trials if trial.score is not None]
        return sorted(with_score, key=lambda trial: trial.rank(self.direction))

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        values = asdict(self) | {"artifact": None if self.artifact is None else str(self.artifact)}
        low, high = self.held_out.interval
        values["held_out"]["interval"] = [low, high] if math.isfinite(low) and math.isfinite(high) else None
        return values
