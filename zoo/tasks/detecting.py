"""What tasks that find anomalies have in common: normal classes, a threshold on a score, and its place in the card."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from zoo.errors import InputError
from zoo.evaluation.baselines import Examples
from zoo.tasks import thresholds
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam, HeldOutScores, Written


@dataclass(frozen=True)
class Detecting(Task):
    """A score of each example, and a threshold above which it is an anomaly. Targets are classes, and are not learnt.

    The network has a method `score` and a weight `threshold`.

    Attributes:
        threshold: score above which an example is an anomaly.
        normal: names of the normal classes, the only ones that a network learns from; empty for all classes.
        false_alarms: share of normal examples that may be over the threshold, in (0, 1).
        calibration_count: number of scores of normal examples that set the threshold; not in the card.
    """

    threshold: float = 0.0
    normal: tuple[str, ...] = ()
    false_alarms: float = 0.01
    calibration_count: int = field(default=0, compare=False, kw_only=True)

    from_columns: ClassVar[bool] = False
    supervised: ClassVar[bool] = False
    detects: ClassVar[bool] = True
    checks_classes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        thresholds.check_rate(self.false_alarms)

    @classmethod
    def of(cls, raw: Written) -> Self:
        """The task; targets are not used."""
        return cls()

    def encode(self, raw: Written) -> np.ndarray:
        """Zeros: the input is the target."""
        return np.zeros(len(raw.names), np.int64)

    def chosen(self, data_task: Task, parts: Mapping[str, Any], source: Any) -> np.ndarray | None:
        """See `Task.chosen`: the normal examples.

        Raises:
            InputError: a normal class does not exist, all classes are normal, the data have no classes, no training
                example is normal, or the held-out part lacks normal or other examples.
        """
        if not self.normal:
            return None
        if data_task.several or not data_task.counts(parts["train"].targets):
            raise InputError(f"{source}: normal classes can be named where there are classes, not for {data_task.name}")
        unknown = [name for name in self.normal if name not in data_task.names]
        if unknown:
            raise InputError(f"expected normal classes out of {', '.join(data_task.names)}; received {unknown[0]!r}")
        if set(self.normal) == set(data_task.names):
            raise InputError("expected some class that is not normal; leave normal out to learn from all of them")
        positions = [data_task.names.index(name) for name in self.normal]
        kept = np.isin(parts["train"].targets, positions)
        if not kept.any():
            raise InputError(f"{source}: no training example is of a normal class, {', '.join(self.normal)}")
        normal = np.isin((parts.get("test") or parts["validation"]).targets, positions)
        if normal.all() or not normal.any():
            which = "no normal" if not normal.any() else "nothing but normal"
            raise InputError(f"{source}: expected normal and other examples held out, to score on; found {which} ones")
        return np.flatnonzero(kept)

    def odd(self, targets: np.ndarray) -> np.ndarray:
        """Whether examples are of a class that is not normal, bool (examples,); none is where all classes are normal.

        Args:
            targets: int64 (examples,), positions in `names`.
        """
        if not self.normal:
            return np.zeros(len(targets), bool)
        return ~np.isin(targets, [self.names.index(name) for name in self.normal])

    def learnt(
        self, source: Any, targets: np.ndarray, inputs: np.ndarray, chosen: np.ndarray
    ) -> tuple[np.ndarray, None]:
        """Zeros, because the network learns from the inputs alone."""
        return np.zeros(len(inputs), np.int32), None

    def calibrated(self, network: Any, held_out_scores: HeldOutScores) -> tuple[Self, dict[str, Any]]:
        """See `Task.calibrated`: with the threshold."""
        calibration = held_out_scores(
            lambda network, inputs: network.score(inputs), lambda count: (count + 1) * self.false_alarms >= 1
        )
        count = len(calibration.scores)
        limit = np.float32(thresholds.threshold(calibration.scores, self.false_alarms))  # as the network keeps it
        known = {
            "threshold_from": calibration.source,
            "false_alarms_promised": thresholds.promised(count, self.false_alarms),
            "false_alarms_between": thresholds.between(count, self.false_alarms),
        }
        return replace(self, threshold=float(limit), calibration_count=count), known

    @property
    def labels(self) -> tuple[str, ...]:
        """Empty, as answers have no classes."""
        return ()

    def beside(self) -> dict[str, Any]:
        """The threshold."""
        return {"threshold": self.threshold}

    def simple(self, examples: Examples) -> dict[str, np.ndarray]:
        """Empty; `evaluate` compares with simple models."""
        return {}

    def exam_outputs(self, exam: Exam) -> dict[str, np.ndarray]:
        """See `Task.exam_outputs`: scores."""
        return {"score": exam.network.score(exam.held_out)}

    def options(self) -> dict[str, Any]:
        """Normal classes, and the share of false alarms."""
        return {"normal": list(self.normal), "false_alarms": self.false_alarms}

    def to_card(self) -> dict[str, Any]:
        """With the threshold."""
        return super().to_card() | {"threshold": self.threshold} | self.options()

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Self:
        """See `Task.from_card`."""
        return cls(
            tuple(card["classes"]),
            threshold=card["threshold"],
            normal=tuple(card.get("normal", ())),
            false_alarms=card.get("false_alarms", 0.01),
        )

    @classmethod
    def card_problem(cls, card: Mapping[str, Any]) -> tuple[str, str] | None:
        """The threshold is a number."""
        limit = card.get("threshold")
        if isinstance(limit, int | float) and not isinstance(limit, bool) and np.isfinite(limit):
            return None
        return "threshold", "a number"

    def shapes(self, card: Mapping[str, Any], model: Any) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """The threshold."""
        limit = float(model.threshold)
        same = math.isclose(card["threshold"], limit, rel_tol=1e-5)
        yield "threshold", (card["threshold"],), (None if same else limit,)
