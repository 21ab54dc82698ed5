"""What is wrong with a training run, in words; and the signs of it in the scores of generative models."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from zoo.generative.judging import GenerationEvaluation
    from zoo.generative.reconstruction import ReconstructionEvaluation
    from zoo.loop import History

NARROW = 0.02  # recall below which the samples are of a corner of what is real
SATURATED = 0.98  # share of real and of generated images that a critic tells, above which it teaches nothing
BLIND = 0.52  # mean of both below which it can't tell them
INACTIVE = 0.1  # share of the codes that vary with the input
SURE = 3.0  # standard errors


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        symptom: of networks with targets: vanishing gradients, exploding gradients, dead units, overfitting,
            underfitting, learning rate too high, learning rate too low. Of adversarial ones: mode collapse, saturated
            critic, blind critic, poor samples. Of autoencoders: underfitting, posterior collapse, false alarms.
        evidence: the numbers that say so.
        remedy: what to try, the likeliest first.
    """

    symptom: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.symptom}: {self.evidence}; {self.remedy}"


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
    simple = min((row["frechet"] for row in evaluation.baselines.values()), default=np.inf)
    if evaluation.frechet > simple:
        evidence = f"the Fréchet distance is {evaluation.frechet:.3g}, where a Gaussian has {simple:.3g}"
        found.append(Finding("poor samples", evidence, "train longer, with more filters, or at another learning rate"))
    return tuple(found)


def of_reconstructions(evaluation: ReconstructionEvaluation, false_alarms: float, codes: int) -> tuple[Finding, ...]:
    """What the reconstructions of an autoencoder tell.

    Args:
        evaluation: of it.
        false_alarms: share that was allowed over the threshold.
        codes: width of its code.
    """
    found = []
    simple = {name: row["mse"] for name, row in evaluation.baselines.items() if "mse" in row}
    for name, mse in simple.items():
        if evaluation.mse > mse:
            evidence = f"the squared error is {evaluation.mse:.3g}, where {name} have {mse:.3g}"
            remedy = "train longer, raise the learning rate, give it more filters or units, or a lower beta"
            found.append(Finding("underfitting", evidence, remedy))
    if evaluation.active is not None and evaluation.active < max(1, INACTIVE * codes):
        evidence = f"{evaluation.active} of {codes} codes vary with the input"
        found.append(Finding("posterior collapse", evidence, "lower beta, or take a smaller latent_dim"))
    spread = np.sqrt(false_alarms * (1 - false_alarms) / evaluation.examples)
    if evaluation.false_alarms > 2 * false_alarms + SURE * spread:
        evidence = f"{evaluation.false_alarms:.1%} of held-out normal examples are over the threshold, not"
        remedy = "the normal examples held out differ from those learnt: get more of them, or regularise more"
        found.append(Finding("false alarms", f"{evidence} {false_alarms:.1%}", remedy))
    return tuple(found)
