"""Scores of how well a model tells strangers, examples of none of its classes, from those that it knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zoo.evaluation.simple_models import areas_apart, telling
from zoo.evaluation.tables import Line, Shown, scores_table


@dataclass(frozen=True)
class StrangersEvaluation:
    """Scores of what a model says it knows.

    Attributes:
        known: number of examples of the classes of the model, which it was not trained on.
        strangers: number of examples of no such class.
        false_alarms: share of the known examples that are called unknown.
        found: share of the strangers that are called unknown.
        roc_auc, average_precision: of the familiarity as a detector of strangers.
        baselines: the same of simpler scores, by name; `found` is at as many false alarms.
        differences: 95 % interval of their ROC-AUC less this one, by name.
    """

    known: int
    strangers: int
    false_alarms: float
    found: float
    roc_auc: float
    average_precision: float
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    differences: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)

    def shown(self, details: bool = False) -> Shown:
        """A table and a line to show."""
        measures = {"roc_auc": "ROC-AUC", "average_precision": "average precision", "found": "found"}
        own = {name: getattr(self, name) for name in measures}
        yield scores_table(f"{self.strangers:,} strangers among {self.known:,} examples", measures, own, self.baselines)
        yield Line(
            "is_known", f": false for {self.found:.1%} of the strangers and {self.false_alarms:.1%} of the others"
        )


def strangers(
    scores: np.ndarray, odd: np.ndarray, limit: float, simple: Mapping[str, np.ndarray]
) -> StrangersEvaluation:
    """Scores of a detector of strangers, beside simpler ones.

    Args:
        scores: float (examples,), larger for strangers.
        odd: bool (examples,), which are strangers; some are, and some are not.
        limit: score above which an example is called unknown.
        simple: name of a simpler score -> its values.
    """
    count = int((scores[~odd] > limit).sum())

    def at_as_many(said: np.ndarray) -> float:
        known = np.sort(said[~odd])[::-1]
        return float((said[odd] > (known[count] if count < len(known) else -np.inf)).mean())

    return StrangersEvaluation(
        int((~odd).sum()),
        int(odd.sum()),
        count / int((~odd).sum()),
        float((scores[odd] > limit).mean()),
        **telling(odd, scores),
        baselines={name: telling(odd, said) | {"found": at_as_many(said)} for name, said in simple.items()},
        differences={name: areas_apart(odd, said, scores) for name, said in simple.items()},
    )
