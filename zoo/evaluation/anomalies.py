"""Scores of reconstructions and of anomaly detection, and findings on them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zoo.evaluation.findings import Finding, ahead
from zoo.evaluation.judge import GenerationEvaluation
from zoo.evaluation.tables import Line, Shown, scores_table

INACTIVE = 0.1  # share of active codes, which vary with the input; fewer are a collapse
SURE = 3.0  # standard errors


@dataclass(frozen=True)
class ReconstructionEvaluation:
    """Scores of an autoencoder on normal held-out examples, and of its detection of the others.

    Attributes:
        part: which part was scored.
        examples: how many normal ones.
        mse: mean squared error; of images in unit range, else in units of the prepared features.
        psnr: of images, mean over them of the peak signal-to-noise ratio, in dB.
        noisy: of a denoising autoencoder, PSNR of the images with noise that `psnr` was reached from; else None.
        threshold: score above which an example is an anomaly.
        false_alarms: share of these examples above it.
        anomalies: how many held-out examples are not normal.
        detected: share of them above the threshold; None without any.
        roc_auc, average_precision: of telling anomalies by the score; None without any.
        bound: of a variational autoencoder, the evidence lower bound, in nats an example, a code drawn for each of up
            to 2,000; of images the probability of their whole pixels, else the density of the prepared features.
        bits: of images, the bits a pixel and channel that this bound allows to store them in.
        active: of a variational autoencoder, how many codes vary with the input.
        samples: of a variational autoencoder on images with classes, how good those are that it makes.
        baselines: the same scores of simple models, by name.
        differences: 95 % interval of their ROC-AUC less this one, by name.
    """

    part: str
    examples: int
    mse: float
    psnr: float | None
    threshold: float
    false_alarms: float
    noisy: float | None = None
    anomalies: int = 0
    detected: float | None = None
    roc_auc: float | None = None
    average_precision: float | None = None
    bound: float | None = None
    bits: float | None = None
    active: int | None = None
    samples: GenerationEvaluation | None = None
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    differences: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def is_judged(self) -> bool:
        """See `zoo.tasks.terms.Scored.is_judged`."""
        return self.samples is not None

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)

    def beside(self) -> tuple[str, float | None, dict[str, float | None]]:
        """See `zoo.tasks.terms.Scored.beside`."""
        return "squared error", self.mse, {name: row.get("mse") for name, row in self.baselines.items()}

    def shown(self, details: bool = False) -> Shown:
        """Tables and lines to show."""
        others = f" and {self.anomalies} anomalies" if self.anomalies else ""
        title = f"{self.part}: {self.examples}{' normal' if others else ''} examples{others}"
        measures = {"mse": "MSE", "psnr": "PSNR", "roc_auc": "ROC-AUC", "average_precision": "average precision"}
        own = {name: getattr(self, name) for name in measures}
        simple = dict(self.baselines)
        if self.noisy is not None:  # the error is that of images as they are, PSNR that of images with noise
            measures["psnr"] = "PSNR of denoised images"
            simple["images with noise"] = {"psnr": self.noisy}
        yield scores_table(title, measures, own, simple)
        if self.bound is not None:
            bits = "" if self.bits is None else f", {self.bits:.3f} bits a pixel and channel"
            active = f"{self.active} codes are active"
            yield Line("", f"evidence lower bound {self.bound:.2f} nats an example{bits}; {active}")
        detected = "" if self.detected is None else f", and {self.detected:.1%} of the anomalies"
        usual = f"{self.false_alarms:.1%} of the {'normal ' if others else ''}examples are over it{detected}"
        yield Line(f"threshold {self.threshold:.4g}", f": {usual}")
        if self.samples is not None:
            yield from self.samples.shown()


def findings(evaluation: ReconstructionEvaluation, false_alarms: float, codes: int, usual: int) -> tuple[Finding, ...]:
    """Findings on the reconstructions of an autoencoder.

    Args:
        evaluation: of it.
        false_alarms: share that was allowed over the threshold.
        codes: width of its code.
        usual: how many normal examples the threshold was set on.
    """
    problems = []
    simple = {name: row["mse"] for name, row in evaluation.baselines.items() if "mse" in row}
    best = min(simple, key=simple.__getitem__, default=None)
    if evaluation.active is not None and evaluation.active < max(1, INACTIVE * codes):
        evidence = f"{evaluation.active} of {codes} codes vary with the input"
        problems.append(Finding("posterior collapse", evidence, "lower beta, or take a smaller latent_dim"))
    elif best is not None and evaluation.mse > simple[best]:  # which follows from a collapse
        evidence = f"the squared error is {evaluation.mse:.3g}, where {best} have {simple[best]:.3g}"
        remedy = "train longer, raise the learning rate, give it more filters or units, or a lower beta"
        problems.append(Finding("underfitting", evidence, remedy))
    problems += _ahead_by(evaluation)
    if (usual + 1) * false_alarms < 1:
        evidence = f"the threshold is set on {usual:,} normal examples, which can promise {1 / (usual + 1):.2g} false "
        evidence += f"alarms at best, not {false_alarms:g}"
        remedy = f"get {int(np.ceil(1 / false_alarms - 1e-9)) - 1:,} normal examples to learn from, or ask for more: "
        problems.append(Finding("few normal examples", evidence, f"{remedy}--false-alarms {1 / (usual + 1):.1g}"))
        false_alarms = 1 / (usual + 1)
    spread = np.sqrt(false_alarms * (1 - false_alarms) / evaluation.examples)
    if evaluation.false_alarms > 2 * false_alarms + SURE * spread:
        evidence = f"{evaluation.false_alarms:.1%} of held-out normal examples are over the threshold, not"
        remedy = "the normal examples held out differ from those learnt: get more of them, or regularise more"
        problems.append(Finding("false alarms", f"{evidence} {false_alarms:.1%}", remedy))
    return tuple(problems)


def _ahead_by(evaluation: ReconstructionEvaluation) -> list[Finding]:
    """Findings on simple models that detect anomalies better, or remove more noise."""
    problems = []
    for measure, name, count in (
        ("ROC-AUC", "roc_auc", evaluation.examples + evaluation.anomalies),
        ("PSNR", "psnr", evaluation.examples),
    ):
        simple = {key: row[name] for key, row in evaluation.baselines.items() if name in row}
        best, own = max(simple, key=simple.__getitem__, default=None), getattr(evaluation, name)
        if best is not None and own is not None and simple[best] > own:
            interval = evaluation.differences.get(best) if name == "roc_auc" else None
            if interval is not None and interval[0] <= 0:  # it may be chance
                continue
            problems.append(ahead(best, measure, simple[best], own, count, interval))
    return problems
