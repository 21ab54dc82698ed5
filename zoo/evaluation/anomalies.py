"""Scores of reconstructions and of anomaly detection, and findings on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zoo.evaluation import simple_models
from zoo.evaluation.findings import Finding, ahead
from zoo.evaluation.judge import GenerationEvaluation
from zoo.evaluation.simple_models import areas_apart, telling
from zoo.evaluation.tables import Line, Shown, scores_table

COMPONENTS = 32  # principal that pixels are reconstructed from, as the simplest autoencoder
SIDE = 32  # pixels of the longer side of images, at most, for simple models that look at pixels
INACTIVE = 0.1  # share of active codes, which vary with the input; fewer are a collapse
SURE = 3.0  # standard errors


@dataclass(frozen=True)
class ReconstructionEvaluation:
    """Scores of an autoencoder on normal held-out examples, and of its detection of the others.

    Attributes:
        part: which part was scored.
        examples: number of normal examples.
        mse: mean squared error; of images in unit range, else in units of the prepared features.
        psnr: of images, mean over them of the peak signal-to-noise ratio, in dB.
        noisy: of a denoising autoencoder, PSNR of the images with noise before denoising; else None.
        threshold: score above which an example is an anomaly.
        false_alarms: share of these examples above it.
        anomalies: number of held-out examples that are not normal.
        detected: share of the anomalies above the threshold; None without anomalies.
        roc_auc, average_precision: of the score as a detector of anomalies; None without anomalies.
        bound: of a variational autoencoder, the evidence lower bound, in nats an example, a code drawn for each of up
            to 2,000; of images the probability of their whole pixels, else the density of the prepared features.
        bits: of images, the bits a pixel and channel that this bound allows to store them in.
        active: of a variational autoencoder, the number of codes that vary with the input.
        samples: of a variational autoencoder on images with classes, the scores of images that it generates.
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
        title = counted(self)
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
        yield over_threshold(self)
        if self.samples is not None:
            yield from self.samples.shown()


@dataclass(frozen=True)
class DetectionEvaluation:
    """Scores of a detector of anomalies on held-out examples.

    Attributes:
        part: which part was scored.
        examples: number of normal examples.
        threshold: score above which an example is an anomaly.
        false_alarms: share of the normal examples above it.
        anomalies: number of examples that are not normal.
        detected: share of the anomalies above the threshold; None without anomalies.
        roc_auc, average_precision: of the score as a detector of anomalies; None without anomalies.
        baselines: the same scores of simple models, by name.
        differences: 95 % interval of their ROC-AUC less this one, by name.
    """

    part: str
    examples: int
    threshold: float
    false_alarms: float | None
    anomalies: int = 0
    detected: float | None = None
    roc_auc: float | None = None
    average_precision: float | None = None
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    differences: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)

    def beside(self) -> tuple[str, float | None, dict[str, float | None]]:
        """See `zoo.tasks.terms.Scored.beside`."""
        return "ROC-AUC", self.roc_auc, {name: row.get("roc_auc") for name, row in self.baselines.items()}

    def shown(self, details: bool = False) -> Shown:
        """Tables and lines to show."""
        if self.roc_auc is None:
            yield Line("", counted(self))
        else:
            measures = {"roc_auc": "ROC-AUC", "average_precision": "average precision"}
            own = {name: getattr(self, name) for name in measures}
            yield scores_table(counted(self), measures, own, self.baselines)
        yield over_threshold(self)


def detection(
    part: str,
    scores: np.ndarray,
    odd: np.ndarray,
    threshold: float,
    simple: Mapping[str, np.ndarray],
) -> DetectionEvaluation:
    """Scores of a detector, beside simple ones.

    Args:
        part: which part is scored.
        scores: float (examples,), larger for anomalies.
        odd: bool (examples,), which are anomalies.
        threshold: score above which an example is taken for an anomaly.
        simple: name of a simple model -> its scores.
    """
    over, baselines, differences = scores > threshold, {}, {}
    alarms: dict[str, Any] = {"false_alarms": float(over[~odd].mean()) if not odd.all() else None}
    if not odd.any():
        return DetectionEvaluation(part, len(scores), threshold, **alarms)
    alarms |= {"anomalies": int(odd.sum()), "detected": float(over[odd].mean())}
    if not odd.all():
        alarms |= telling(odd, scores)
        baselines = {name: telling(odd, said) for name, said in simple.items()}
        differences = {name: areas_apart(odd, said, scores) for name, said in simple.items()}
    return DetectionEvaluation(
        part, int((~odd).sum()), threshold, **alarms, baselines=baselines, differences=differences
    )


def of_pixels(inputs: np.ndarray, held_out: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Anomaly scores of `held_out` by simple models of pixels, of large images made smaller.

    They are principal components and those of `zoo.evaluation.simple_models.of_anomalies`.

    Args:
        inputs: uint8 or float (images, height, width, channels), of the training part; they are normal.
        held_out: the same of the held-out part.
        seed: of the choice of examples, where there are too many, and of the models.

    Returns:
        name -> float (held_out,), larger for anomalies.
    """
    rows, queries = smaller(inputs), smaller(held_out)
    components = min(COMPONENTS, *(size - 1 for size in rows.reshape(len(rows), -1).shape))
    simple = simple_models.of_codes(rows, queries, components, seed) if components > 0 else {}
    return simple | {
        f"{name}, of pixels": said for name, said in simple_models.of_anomalies(rows, queries, seed).items()
    }


def smaller(images: np.ndarray) -> np.ndarray:
    """Images whose longer side has at most `SIDE` pixels, each the mean of those that it stands for."""
    step = -(-max(images.shape[1:3]) // SIDE)
    if step == 1:
        return images
    height, width = (max(1, size // step) for size in images.shape[1:3])
    shape = (len(images), height, min(step, images.shape[1]), width, min(step, images.shape[2]), images.shape[3])
    kept = images[:, : shape[1] * shape[2], : shape[3] * shape[4]]
    return kept.reshape(shape).mean(axis=(2, 4), dtype=np.float32)


def counted(evaluation: ReconstructionEvaluation | DetectionEvaluation) -> str:
    """The part, and how many normal examples and anomalies it has."""
    others = f" and {evaluation.anomalies} anomalies" if evaluation.anomalies else ""
    return f"{evaluation.part}: {evaluation.examples}{' normal' if others else ''} examples{others}"


def over_threshold(evaluation: ReconstructionEvaluation | DetectionEvaluation) -> Line:
    """The threshold, and which shares are over it."""
    normal = "normal " if evaluation.anomalies else ""
    shares = [] if evaluation.false_alarms is None else [f"{evaluation.false_alarms:.1%} of the {normal}examples"]
    shares += [] if evaluation.detected is None else [f"{evaluation.detected:.1%} of the anomalies"]
    over = f"{shares[0]} are over it" + "".join(f", and {share}" for share in shares[1:])
    return Line(f"threshold {evaluation.threshold:.4g}", f": {over}")


def findings(
    evaluation: ReconstructionEvaluation, false_alarms: float, codes: int, calibration_count: int
) -> tuple[Finding, ...]:
    """Findings on the reconstructions of an autoencoder.

    Args:
        evaluation: of it.
        false_alarms: allowed share of normal examples over the threshold.
        codes: width of the code.
        calibration_count: number of normal examples that set the threshold.
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
    return (*problems, *detection_findings(evaluation, false_alarms, calibration_count))


def detection_findings(
    evaluation: ReconstructionEvaluation | DetectionEvaluation, false_alarms: float, calibration_count: int
) -> tuple[Finding, ...]:
    """Findings on a detector of anomalies: simple models that do better, a threshold that can't be kept.

    Args:
        evaluation: of it.
        false_alarms: allowed share of normal examples over the threshold.
        calibration_count: number of normal examples that set the threshold.
    """
    problems = _ahead_by(evaluation)
    if (calibration_count + 1) * false_alarms < 1:
        best_rate = 1 / (calibration_count + 1)
        evidence = f"the threshold is set on {calibration_count:,} normal examples, which can promise {best_rate:.2g} "
        evidence += f"false alarms at best, not {false_alarms:g}"
        remedy = f"get {int(np.ceil(1 / false_alarms - 1e-9)) - 1:,} normal examples to learn from, or ask for more: "
        problems.append(Finding("few normal examples", evidence, f"{remedy}--false-alarms {best_rate:.1g}"))
        false_alarms = best_rate
    if evaluation.false_alarms is None:
        return tuple(problems)
    spread = np.sqrt(false_alarms * (1 - false_alarms) / evaluation.examples)
    if evaluation.false_alarms > 2 * false_alarms + SURE * spread:
        evidence = f"{evaluation.false_alarms:.1%} of held-out normal examples are over the threshold, not"
        remedy = "the normal examples held out differ from those learnt: get more of them, or regularise more"
        problems.append(Finding("false alarms", f"{evidence} {false_alarms:.1%}", remedy))
    return tuple(problems)


def _ahead_by(evaluation: ReconstructionEvaluation | DetectionEvaluation) -> list[Finding]:
    """Findings on simple models that detect anomalies better, or remove more noise."""
    problems = []
    for measure, name, count in (
        ("ROC-AUC", "roc_auc", evaluation.examples + evaluation.anomalies),
        ("PSNR", "psnr", evaluation.examples),
    ):
        simple = {key: row[name] for key, row in evaluation.baselines.items() if name in row}
        best, own = max(simple, key=simple.__getitem__, default=None), getattr(evaluation, name, None)
        if best is not None and own is not None and simple[best] > own:
            interval = evaluation.differences.get(best) if name == "roc_auc" else None
            if interval is not None and interval[0] <= 0:  # it may be chance
                continue
            problems.append(ahead(best, measure, simple[best], own, count, interval))
    return problems
