"""What a search leaves, as values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class TrialResult:
    """One configuration, tried.

    Attributes:
        number: in the order in which trials began, from 1; 0 is the default configuration.
        status: ``completed``, or ``failed`` for the reason in `note`.
        values: hyperparameters by name, as the space drew them; of the default configuration those that the space
            has for default.
        score: value of the objective on the examples that choose; of folds the mean. None for a failed one.
        spread: standard deviation of the score over the folds; None for a single split.
        seconds: it took.
        epochs: trained; 0 where nothing is trained in epochs.
        curve: one row an epoch: ``loss``, ``val_loss``, ``learning_rate``; empty where there are no epochs.
        note: why it failed, or ended before its last epoch; empty for most.
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
        """Less is better: by score, of equals by the least loss on the examples that choose, then the earlier."""
        score = math.inf if self.score is None else self.score
        loss = min((row["val_loss"] for row in self.curve if "val_loss" in row), default=math.inf)
        return (-score if direction == "max" else score), loss, self.number


@dataclass(frozen=True)
class Comparison:
    """The winner against the default configuration, on held-out examples that no trial saw.

    Attributes:
        part: validation or test.
        examples: how many.
        best: the winner's value of the objective.
        default: that of the default configuration.
        difference: `best` less `default`.
        interval: 95 % interval of the difference, as `zoo.evaluation.intervals` has it for the same examples; infinite
            where there are no pairs, as between sets of generated images.
    """

    part: str
    examples: int
    best: float
    default: float
    difference: float
    interval: tuple[float, float]

    def better(self, direction: str) -> bool:
        """Whether the whole interval is on the winner's side."""
        return self.interval[0] > 0 if direction == "max" else self.interval[1] < 0


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        model: name of the builder, or ``fine_tune``.
        data: path of what was searched on.
        method: random, grid, bayesian or hyperband.
        objective: a metric's name.
        direction: ``max`` or ``min``.
        seed: of everything random.
        seconds: the whole search took, over all its sessions.
        trials: all, the default configuration first.
        best: the trial that was shipped; the default configuration where none was better.
        held_out: winner and default on the held-out part.
        settings: the winner's configuration, ``{"model": {...}, "training": {...}}``.
        ended: why the search ended, as "the budget of 10 min is used up".
        beside: in words, the winner beside simple models on the held-out part, and what its scores tell that is wrong.
        artifact: the version folder; `zoo.load` opens it. None where nothing was to be exported.
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
        done = [trial for trial in self.trials if trial.score is not None]
        return sorted(done, key=lambda trial: trial.rank(self.direction))

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        found = asdict(self) | {"artifact": None if self.artifact is None else str(self.artifact)}
        low, high = self.held_out.interval
        found["held_out"]["interval"] = [low, high] if math.isfinite(low) and math.isfinite(high) else None
        return found
