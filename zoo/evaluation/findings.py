"""Findings: problems of a training run or a model, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zoo.evaluation.intervals import paired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


DIFFERENT = 30  # contents, from which on a score says something of others
FEWEST = 5  # examples; scores of fewer are chance. (That a simple model is better has its own interval.)

CHECKED_APART = ("few different examples",)  # symptoms that do not depend on the training


class Finding(NamedTuple):
    """One problem.

    Attributes:
        symptom: of networks with targets: constant inputs, exploding gradients, learning rate too high, dead units,
            vanishing gradients, learning rate too low, underfitting, overfitting, inputs that do not tell the target.
            Of their scores: class (or label) hardly ever predicted, no better than the most frequent class, no better
            than the mean, few different examples, simple model ahead. Of adversarial ones: mode collapse, saturated
            critic, blind critic, poor samples. Of autoencoders: posterior collapse, underfitting, few normal examples,
            false alarms, simple model ahead.
        evidence: the numbers that show it.
        remedy: what to try, the likeliest first.
    """

    symptom: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.symptom}: {self.evidence}; {self.remedy}"


def of_copies(digests: Sequence[str]) -> list[Finding]:
    """A finding if nearly all scored examples are copies; `digests` are of their contents."""
    different = len(set(digests))
    if different >= DIFFERENT or different > len(digests) / 2:
        return []
    contents = f"{different} contents" if different > 1 else "a single content"
    evidence = (
        f"the {len(digests):,} examples scored are copies of {contents} that training never sees, as exact copies stay "
        "on one side of the split"
    )
    return [Finding("few different examples", evidence, "get examples that differ: the score tells of these few only")]


def of_rivals(measure: str, own: np.ndarray, rivals: Mapping[str, np.ndarray], seed: int = 0) -> tuple[Finding, ...]:
    """A finding on the best simple model, if it is better than the model by more than chance.

    Args:
        measure: name of the measure, of which more is better.
        own: its parts for the model, float64 (examples,), as `zoo.evaluation.measures` says.
        rivals: the same of simple models, by name.
        seed: of the resamples.
    """
    best = max(rivals, key=lambda name: rivals[name].mean(), default=None)
    if best is None or rivals[best].mean() <= own.mean():
        return ()
    interval = paired(rivals[best] - own, seed)
    if interval[0] <= 0:  # it may be chance
        return ()
    return (ahead(best, measure, rivals[best].mean(), own.mean(), len(own), interval),)


def ahead(
    name: str, measure: str, simple: float, own: float, count: int, interval: tuple[float, float] | None = None
) -> Finding:
    """A finding on a simple model that is better.

    Args:
        name: of the simple model.
        measure: name of the measure.
        simple: its score.
        own: the score of the model that was trained.
        count: of the examples.
        interval: 95 %, of the difference; None where it is not known.
    """
    evidence = f"{name} does better on these {count:,} examples: {measure} {simple:.4g} against {own:.4g}"
    if interval is not None:
        low, high = interval
        evidence += f", a difference of {simple - own:.3g} (95 % interval {low:.3g} to {high:.3g})"
    return Finding("simple model ahead", evidence, "take it, or try zoo tune, another builder or more examples")
