"""Inputs that resemble the training examples, and those that do not: a part of several tasks.

A network that can say so has a second output, how familiar an input is: the similarity to the nearest training
examples, and where it chooses a class more or less by how sure it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.evaluation.strangers import StrangersEvaluation, strangers
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Outputs, Value

FAMILIARITY = "familiarity"
FIELD = "known_from"


@dataclass(frozen=True)
class TellsKnown(Task):
    """A task whose models may say whether they know what an input is of.

    Attributes:
        known_from: familiarity from which on an input is known; None for a model that does not say.
    """

    known_from: float | None = field(default=None, kw_only=True)

    @property
    def output_names(self) -> tuple[str, ...]:
        """With the familiarity."""
        return self.outputs if self.known_from is None else (*self.outputs, FAMILIARITY)

    def known_values(self) -> dict[str, Value]:
        """The values that tell whether an input is known."""
        if self.known_from is None:
            return {}
        return {
            "is_known": Value("flag", f"whether the familiarity is at least {self.known_from:.6g}"),
            FAMILIARITY: Value("number", "likeness to the nearest training examples, about 1 for the same"),
        }

    def with_known(self, answer: Answer, outputs: Outputs, xp: Any) -> Answer:
        """An answer with the values that tell whether an input is known."""
        if self.known_from is None:
            return answer
        familiarity = outputs[FAMILIARITY]
        values = answer.values | {"is_known": familiarity >= self.known_from, FAMILIARITY: familiarity}
        return Answer(values, answer.margins | {"is_known": xp.abs(familiarity - self.known_from)})

    def unknown_share(self, outputs: Outputs) -> float | None:
        """The share of examples that are called unknown; None for a model that does not say."""
        if self.known_from is None or FAMILIARITY not in outputs:
            return None
        return float((outputs[FAMILIARITY] < self.known_from).mean())

    def strangers(self, outputs: Outputs, others: Outputs) -> StrangersEvaluation:
        """How well strangers are told from known examples; beside it the maximum probability, where there is one.

        Args:
            outputs: for known examples, with the familiarity.
            others: for strangers, with the familiarity.
        """
        odd = np.arange(len(outputs[FAMILIARITY]) + len(others[FAMILIARITY])) >= len(outputs[FAMILIARITY])
        both = {name: np.concatenate([outputs[name], others[name]]) for name in outputs}
        shares = both.get("probabilities")
        simple = {} if shares is None else {"1 - maximum probability": 1 - shares.max(axis=1)}
        return strangers(-both[FAMILIARITY], odd, -self.known_from, simple)

    def beside(self) -> dict[str, Any]:
        """The limit."""
        return super().beside() | ({} if self.known_from is None else {FIELD: self.known_from})

    def to_card(self) -> dict[str, Any]:
        """With the limit."""
        return super().to_card() | ({} if self.known_from is None else {FIELD: self.known_from})

    @classmethod
    def card_problem(cls, card: Mapping[str, Any]) -> tuple[str, str] | None:
        """The limit is a number."""
        limit = card.get(FIELD, 0.0)
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not math.isfinite(limit):
            return FIELD, "a number"
        return super().card_problem(card)
