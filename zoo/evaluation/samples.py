"""Scores of generated images, and findings on them and their training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zoo.evaluation.findings import Finding
from zoo.evaluation.tables import Line, Shown, scores_table

NARROW = 0.02  # recall below which the samples are of a corner of what is real
SATURATED = 0.98  # share of real and of generated images that a critic tells, above which it teaches nothing
BLIND = 0.52  # mean of both below which it can't tell them


@dataclass(frozen=True)
class GenerationEvaluation:
    """Scores of generated images, by a judge, against real ones that nothing was fitted on.

    Attributes:
        part: which real images they are held against, as "test".
        samples: how many generated ones.
        frechet: Fréchet distance between both in the judge's embedding, 0 for the same mean and covariance; it
            depends on the judge and on the number of samples, so it compares only where these are the same.
        precision: share of the samples among the real images, in [0, 1]: whether each looks real.
        recall: share of the real images among the samples, in [0, 1]: whether all that is real can be got.
        coverage: classes that get at least a tenth of the share that they have among the real images.
        classes: how many there are.
        entropy: of the distribution of the classes seen, over that of equally many of each: 0 for a single class, 1
            for all alike.
        agreement: share of the samples of which the judge sees the requested class; None without requested classes.
        judge_accuracy: of the judge on the real images.
        baselines: frechet, precision, recall, coverage and entropy of as many samples of a simple generator, by name.
    """

    part: str
    samples: int
    frechet: float
    precision: float
    recall: float
    coverage: int
    classes: int
    entropy: float
    agreement: float | None
    judge_accuracy: float
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def is_judged(self) -> bool:
        """See `zoo.tasks.terms.Scored.is_judged`."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)

    def beside(self) -> tuple[str, float | None, dict[str, float | None]]:
        """The Fréchet distance, in words; its value; and those of simple generators, by name."""
        return "Fréchet distance", self.frechet, {name: row["frechet"] for name, row in self.baselines.items()}

    def shown(self, details: bool = False) -> Shown:
        """Tables and lines to show."""
        title = f"{self.samples} generated images against the {self.part} part"
        measures = {"frechet": "Fréchet distance", "precision": "precision", "recall": "recall"}
        single = self.classes < 2  # there is nothing to cover
        if not single:
            measures |= {"coverage": "coverage", "entropy": "entropy"}
        rows = [{name: getattr(self, name) for name in measures}, *(dict(row) for row in self.baselines.values())]
        for row in rows:
            if "coverage" in row:
                row["coverage"] = f"{row['coverage']} of {self.classes}"
        yield scores_table(title, measures, rows[0], dict(zip(self.baselines, rows[1:], strict=True)))
        if not single:
            agreement = "" if self.agreement is None else f"{self.agreement:.1%} are of the requested class; "
            yield Line("", f"{agreement}the judge gets {self.judge_accuracy:.1%} of the real images right")


def findings(evaluation: GenerationEvaluation, epochs: Sequence[Mapping[str, float]]) -> tuple[Finding, ...]:
    """Findings on the samples of adversarial networks, and on the last quarter of their training.

    Source: for collapse, Goodfellow 2016, "NIPS 2016 Tutorial: Generative Adversarial Networks", section 5.1.1; for the
        critic that is too good, Arjovsky and Bottou 2017, "Towards Principled Methods for Training Generative
        Adversarial Networks", section 2.
    """
    problems = []
    if evaluation.coverage < evaluation.classes or evaluation.recall < NARROW:
        evidence = f"the samples have {evaluation.coverage} of {evaluation.classes} classes, and recall is "
        remedy = "train longer, lower the learning rate, take wasserstein_gan, or a larger batch"
        problems.append(Finding("mode collapse", f"{evidence}{evaluation.recall:.2g}", remedy))
    last = epochs[-max(1, len(epochs) // 4) :]
    if last and "real_right" in last[0]:
        real, fake = (float(np.mean([row[name] for row in last])) for name in ("real_right", "fake_right"))
        evidence_critic = f"at the end it tells {real:.0%} of real and {fake:.0%} of generated images"
        if min(real, fake) > SATURATED:
            remedy = "lower critic_rate, raise label_smoothing or dropout: a critic that is sure teaches nothing"
            problems.append(Finding("saturated critic", evidence_critic, remedy))
        elif (real + fake) / 2 < BLIND and evaluation.precision < 0.5:
            problems.append(
                Finding("blind critic", evidence_critic, "raise critic_rate, give the critic more filters or units")
            )
    simple = {name: row["frechet"] for name, row in evaluation.baselines.items()}
    best = min(simple, key=simple.__getitem__, default=None)
    if best is not None and evaluation.frechet > simple[best]:
        evidence = f"the Fréchet distance is {evaluation.frechet:.3g}, where that of a {best} is {simple[best]:.3g}"
        problems.append(
            Finding("poor samples", evidence, "train longer, with more filters, or at another learning rate")
        )
    return tuple(problems)
