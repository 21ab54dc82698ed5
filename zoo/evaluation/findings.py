"""What is wrong with a training run, in words; and the signs of it in the scores of generative models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.evaluation.intervals import paired
from zoo.evaluation.scores import Evaluation, goodness

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.evaluation.judging import GenerationEvaluation
    from zoo.evaluation.scores import AnyEvaluation, RegressionEvaluation
    from zoo.tasks.reconstruction import ReconstructionEvaluation
    from zoo.training.loop import History

NARROW = 0.02  # recall below which the samples are of a corner of what is real
SATURATED = 0.98  # share of real and of generated images that a critic tells, above which it teaches nothing
BLIND = 0.52  # mean of both below which it can't tell them
INACTIVE = 0.1  # share of the codes that vary with the input
SURE = 3.0  # standard errors
RARE = 0.1  # share of the times that a class is right, below which it is hardly ever predicted
TELLING = 0.7  # area under the ROC curve from which on another threshold finds a class
DIFFERENT = 30  # contents, from which on a score says something of others
FEWEST = 5  # examples below which their scores are chance

CHECKED_APART = ("few different examples",)  # what is wrong whatever the training did


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        symptom: of networks with targets: constant inputs, exploding gradients, learning rate too high, dead units,
            vanishing gradients, learning rate too low, underfitting, overfitting, inputs that do not tell the target.
            Of their scores: class (or label) hardly ever predicted, no better than the most frequent class, no better
            than the mean, few different examples, simple model ahead. Of adversarial ones: mode collapse, saturated
            critic, blind critic, poor samples. Of autoencoders: posterior collapse, underfitting, few normal examples,
            false alarms, simple model ahead.
        evidence: the numbers that say so.
        remedy: what to try, the likeliest first.
    """

    symptom: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.symptom}: {self.evidence}; {self.remedy}"


def of_scores(
    evaluation: AnyEvaluation, digests: Sequence[str], *, weighted: bool | None = None
) -> tuple[Finding, ...]:
    """What the scores of classes, labels or numbers tell by themselves.

    Args:
        evaluation: of the examples.
        digests: of their contents.
        weighted: whether training gave rare classes more weight; None where it can't.
    """
    copies = _of_copies(digests)
    if evaluation.examples < FEWEST:
        return ()
    if not isinstance(evaluation, Evaluation):
        return (*_below_mean(evaluation), *copies)
    return (*(_never_predicted(evaluation, weighted) or _below_majority(evaluation, weighted)), *copies)


def _never_predicted(evaluation: Evaluation, weighted: bool | None) -> list[Finding]:
    rare = {name: row for name, row in evaluation.classes.items() if row["predicted"] < RARE * row["support"]}
    if sum(row["support"] for row in rare.values()) < FEWEST:  # of a few examples none may be told by chance
        return []
    name, row = max(rare.items(), key=lambda each: each[1]["support"])
    often = f"predicted {row['predicted']} times" if row["predicted"] else "never predicted"
    evidence = f"{name!r} is {often}, and {row['support']} of {evaluation.examples:,} examples have it"
    if len(rare) > 1:
        evidence += f"; {len(rare)} of the {len(evaluation.classes)} possible answers are that rare"
    symptom = f"{'label' if evaluation.confusion is None else 'class'} hardly ever predicted"
    return [Finding(symptom, evidence, _for_rare(evaluation, row, weighted))]


def _below_majority(evaluation: Evaluation, weighted: bool | None) -> list[Finding]:
    """It has 1 where all examples are of that class, as those that a model is asked to be scored on may be."""
    if not evaluation.accuracy <= evaluation.baseline < 1:
        return []
    if weighted and (evaluation.roc_auc or 0) > TELLING:  # it was to find what is rare, whatever that costs
        return []
    there = {name: row for name, row in evaluation.classes.items() if row["support"]}
    name, row = min(there.items(), key=lambda each: each[1]["recall"])
    evidence = f"accuracy is {evaluation.accuracy:.4f}, where always the most frequent class has "
    evidence += f"{evaluation.baseline:.4f}; the recall of {name!r} is {row['recall']:.3g}"
    return [Finding("no better than the most frequent class", evidence, _for_rare(evaluation, row, weighted))]


def _for_rare(evaluation: Evaluation, row: Mapping[str, Any], weighted: bool | None) -> str:
    """What to try, for a class or label that is missed."""
    remedies = ["more examples of it"]
    if weighted is False and evaluation.confusion is not None:
        remedies.insert(0, "--class-weights")
    if (row["roc_auc"] or 0) > TELLING:
        remedies.append(f"another threshold for its probability, which does tell it (ROC-AUC {row['roc_auc']:.2f})")
    return f"try {' or '.join(remedies)}; look at its recall, not at the accuracy"


def _below_mean(evaluation: RegressionEvaluation) -> list[Finding]:
    below = {name: row["r2"] for name, row in evaluation.values.items() if row["r2"] is not None and row["r2"] <= 0}
    if not below:
        return []
    worst = min(below, key=below.__getitem__)
    others = f", and below 0 for {len(below)} of {len(evaluation.values)} values" if len(below) > 1 else ""
    evidence = f"R² of {worst!r} is {below[worst]:.3g}, where always the mean of these examples has 0{others}"
    remedy = "look whether the inputs tell it and are like those learnt; try another learning rate or more epochs"
    return [Finding("no better than the mean", evidence, remedy)]


def _of_copies(digests: Sequence[str]) -> list[Finding]:
    different = len(set(digests))
    if different >= DIFFERENT or different > len(digests) / 2:
        return []
    contents = f"{different} contents" if different > 1 else "a single content"
    evidence = (
        f"the {len(digests):,} examples scored are copies of {contents} that training never sees, as exact copies stay "
        "on one side of the split"
    )
    return [Finding("few different examples", evidence, "get examples that differ: the score tells of these few only")]


def of_rivals(
    targets: np.ndarray, outputs: np.ndarray, simple: Mapping[str, np.ndarray], seed: int = 0
) -> tuple[Finding, ...]:
    """Which simple model does better by accuracy or R², and more than by chance, if any does: the best one.

    Args:
        targets: of held-out examples, as `zoo.data.Part` has them.
        outputs: what the model says of them.
        simple: what simple models say, by name.
        seed: of the bootstrap.
    """
    own = goodness(targets, outputs)
    rivals = {name: goodness(targets, values) for name, values in simple.items()}
    best = max(rivals, key=lambda name: rivals[name].mean(), default=None)
    if best is None or rivals[best].mean() <= own.mean():
        return ()
    interval = paired(rivals[best] - own, seed)
    if interval[0] <= 0:  # it may be chance
        return ()
    measure = "R²" if targets.dtype.kind == "f" else "accuracy"
    return (ahead(best, measure, rivals[best].mean(), own.mean(), len(own), interval),)


def ahead(
    name: str, measure: str, simple: float, own: float, count: int, interval: tuple[float, float] | None = None
) -> Finding:
    """That a simple model does better.

    Args:
        name: of it.
        measure: by which.
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


def of_samples(evaluation: GenerationEvaluation, history: History) -> tuple[Finding, ...]:
    """What the samples of adversarial networks, and the last quarter of their training, tell.

    Source: for collapse, Goodfellow 2016, "NIPS 2016 Tutorial: Generative Adversarial Networks", section 5.1.1; for the
        critic that is too good, Arjovsky and Bottou 2017, "Towards Principled Methods for Training Generative
        Adversarial Networks", section 2.
    """
    found = []
    if evaluation.coverage < evaluation.classes or evaluation.recall < NARROW:
        evidence = f"the samples have {evaluation.coverage} of {evaluation.classes} classes, and recall is "
        remedy = "train longer, lower the learning rate, take wasserstein_gan, or a larger batch"
        found.append(Finding("mode collapse", f"{evidence}{evaluation.recall:.2g}", remedy))
    last = history.epochs[-max(1, len(history.epochs) // 4) :]
    if "real_right" in last[0]:
        real, fake = (float(np.mean([row[name] for row in last])) for name in ("real_right", "fake_right"))
        told = f"at the end it tells {real:.0%} of real and {fake:.0%} of generated images"
        if min(real, fake) > SATURATED:
            remedy = "lower critic_rate, raise label_smoothing or dropout: a critic that is sure teaches nothing"
            found.append(Finding("saturated critic", told, remedy))
        elif (real + fake) / 2 < BLIND and evaluation.precision < 0.5:
            found.append(Finding("blind critic", told, "raise critic_rate, give the critic more filters or units"))
    simple = {name: row["frechet"] for name, row in evaluation.baselines.items()}
    best = min(simple, key=simple.__getitem__, default=None)
    if best is not None and evaluation.frechet > simple[best]:
        evidence = f"the Fréchet distance is {evaluation.frechet:.3g}, where that of a {best} is {simple[best]:.3g}"
        found.append(Finding("poor samples", evidence, "train longer, with more filters, or at another learning rate"))
    return tuple(found)


def of_reconstructions(
    evaluation: ReconstructionEvaluation, false_alarms: float, codes: int, usual: int
) -> tuple[Finding, ...]:
    """What the reconstructions of an autoencoder tell.

    Args:
        evaluation: of it.
        false_alarms: share that was allowed over the threshold.
        codes: width of its code.
        usual: how many normal examples the threshold was set on.
    """
    found = []
    simple = {name: row["mse"] for name, row in evaluation.baselines.items() if "mse" in row}
    best = min(simple, key=simple.__getitem__, default=None)
    if evaluation.active is not None and evaluation.active < max(1, INACTIVE * codes):
        evidence = f"{evaluation.active} of {codes} codes vary with the input"
        found.append(Finding("posterior collapse", evidence, "lower beta, or take a smaller latent_dim"))
    elif best is not None and evaluation.mse > simple[best]:  # which follows from a collapse
        evidence = f"the squared error is {evaluation.mse:.3g}, where {best} have {simple[best]:.3g}"
        remedy = "train longer, raise the learning rate, give it more filters or units, or a lower beta"
        found.append(Finding("underfitting", evidence, remedy))
    found += _ahead_by(evaluation)
    if (usual + 1) * false_alarms < 1:
        evidence = f"the threshold is set on {usual:,} normal examples, which can promise {1 / (usual + 1):.2g} false "
        evidence += f"alarms at best, not {false_alarms:g}"
        remedy = f"get {int(np.ceil(1 / false_alarms - 1e-9)) - 1:,} normal examples to learn from, or ask for more: "
        found.append(Finding("few normal examples", evidence, f"{remedy}--false-alarms {1 / (usual + 1):.1g}"))
        false_alarms = 1 / (usual + 1)
    spread = np.sqrt(false_alarms * (1 - false_alarms) / evaluation.examples)
    if evaluation.false_alarms > 2 * false_alarms + SURE * spread:
        evidence = f"{evaluation.false_alarms:.1%} of held-out normal examples are over the threshold, not"
        remedy = "the normal examples held out differ from those learnt: get more of them, or regularise more"
        found.append(Finding("false alarms", f"{evidence} {false_alarms:.1%}", remedy))
    return tuple(found)


def _ahead_by(evaluation: ReconstructionEvaluation) -> list[Finding]:
    """Simple models that tell anomalies better, or take more noise away."""
    found = []
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
            found.append(ahead(best, measure, simple[best], own, count, interval))
    return found
