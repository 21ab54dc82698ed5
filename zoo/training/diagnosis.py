"""Diagnosis of a training run: symptom, evidence and remedy of what keeps a network from learning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.evaluation.findings import CHECKED_APART, Finding
from zoo.tasks.regression import Scale
from zoo.tasks.task import Task
from zoo.training import probes
from zoo.training.inputs import prepared_inputs, scaled_targets, units_of
from zoo.training.loop import History
from zoo.training.probes import Examples
from zoo.training.run import Trained

if TYPE_CHECKING:
    import keras

EXAMPLES = 256  # to measure gradients and units on
COMPARED = 1000  # examples to compare losses on
PIXELS = 2**23  # numbers of all of them: activations of more would not fit into memory
VANISHED = 1e-3  # gradient of the first layer with weights over that of the last one
EXPLODED = 1e3  # gradient of a layer over its weights
DEAD = 0.4  # share of a layer's units
WILD = 10.0  # loss over that of a constant answer
ROUGH = 0.08  # second difference of the loss over the epochs, over the loss of a constant answer
RISES = 0.004  # mean rise of the training loss over the epochs, over the loss of a constant answer
STUCK = 0.9  # loss over that of a constant answer, above which nothing was learnt
HARMED = 0.5  # the same, above which a bad start matters
BAD = 0.2  # the same, above which dead units and a loss that does not settle matter
GAP = 0.5  # held-out loss less training loss, over the loss of a constant answer
SURE = 2.0  # standard errors

TOO_HIGH = "lower the learning rate tenfold; zoo lr-find shows where it is stable"
REGULARISE = "add dropout, L2 or augmentation, stop earlier (validation=0.1), make the network smaller, get more data"


def diagnose(
    model: Trained | keras.Model, data: Data | None = None, *, history: History | None = None
) -> tuple[Finding, ...]:
    """Find what keeps a network from learning, or from learning the right things.

    For a network with targets, the findings name one cause, without its consequences; if there is none, those of the
    scores. A run that learnt gets no finding for rough training: its loss, with the final weights, is compared with
    that of a constant answer. If a validation part chose the epoch, overfitting after it cost nothing, and is no
    finding. Gradients and units before training are measured on a copy with new initial weights. For autoencoders and
    adversarial networks, the findings are those of the scores alone.

    Args:
        model: the result of `zoo.train`; or a network on prepared inputs, trained or not.
        data: to learn; not needed with a result of `zoo.train`.
        history: of the training; not needed with a result of `zoo.train`, None for an untrained network.

    Returns:
        the findings, the likeliest cause first; empty if there are none.

    Raises:
        InputError: there is a network without data, or Keras does not run on TensorFlow.

    Source: for the gradients at the beginning, Glorot and Bengio 2010, "Understanding the difficulty of training deep
        feedforward neural networks", section 4.2; for under- and overfitting, Goodfellow, Bengio and Courville 2016,
        "Deep Learning", section 5.2; for rates, the same, section 11.4.1, and Smith 2017, "Cyclical Learning Rates
        for Training Neural Networks", section 3.3; for what is learnt by heart, Zhang et al. 2017, "Understanding
        deep learning requires rethinking generalization", section 2.
    """
    import keras

    scores: tuple[Finding, ...] = ()
    if isinstance(model, Trained):
        if not model.task.supervised:
            return model.findings
        scores = model.findings
        model, data, history = model.network, model.data, model.history
    if data is None:
        raise InputError("expected the data that the network learns, as the second argument")
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"diagnosing needs TensorFlow beneath Keras, which runs on {keras.backend.backend()}")
    inputs = prepared_inputs(data, data.train)
    raw = scaled_targets(data.train, units_of(data, data.train))
    targets, scale = data.task.learnt(data.source, raw, inputs, np.arange(len(inputs)))
    if (inputs == inputs[:1]).all():
        evidence = f"all {len(inputs):,} training examples have the same input"
        cause = Finding("constant inputs", evidence, "look what was read: columns, files, or pixels that never change")
    elif history is None or not history.epochs:
        cause = next(_of_weights(model, _some(inputs, targets, data.task, EXAMPLES)), None)
    else:
        run = Run.of(model, history, Examples(inputs, targets, data.task), _held_out(data, scale))
        cause = next(_causes(run), None)
    if cause is None:
        return scores
    return (cause, *(finding for finding in scores if finding.symptom in CHECKED_APART))


def _some(inputs: np.ndarray, targets: np.ndarray, task: Task, most: int) -> Examples:
    most = min(most, max(1, PIXELS // inputs[:1].size))
    chosen = np.random.default_rng(0).permutation(len(inputs))[:most]
    return Examples(inputs[chosen].astype(np.float32), targets[chosen], task)


def _held_out(data: Data, scale: Scale | None) -> Examples:
    """Examples of the held-out part, the targets as the network learns them."""
    part = data.held_out
    order = np.random.default_rng(0).permutation(len(part))[:COMPARED]
    first = prepared_inputs(data, part.chosen(order[:1]))
    part = part.chosen(order[: max(1, PIXELS // first.size)])
    inputs, targets = prepared_inputs(data, part), scaled_targets(part, units_of(data, part))
    if scale is not None:
        targets = (targets - scale.restored(np.zeros_like(targets), inputs)) / scale.deviation
    return Examples(inputs.astype(np.float32), targets, data.task)


class Run(NamedTuple):
    """A training run, and measurements after it.

    Attributes:
        network: with its final weights.
        beginning: the same network, untrained.
        seen: some training examples.
        loss: of training examples, with the final weights.
        held_out: float64 (examples,): loss of each held-out example.
        constant: of a constant answer to training examples.
        gains: float64 (examples,): loss of a constant answer less `held_out`.
        losses, chosen: float64 (epochs,): training and validation loss with penalties; NaN where there is none.
        penalties: at the beginning and now.
        rate: the highest, in words.
    """

    network: keras.Model
    beginning: keras.Model
    seen: Examples
    loss: float
    held_out: np.ndarray
    constant: float
    gains: np.ndarray
    losses: np.ndarray
    chosen: np.ndarray
    penalties: tuple[float, float]
    rate: str

    @classmethod
    def of(cls, network: keras.Model, history: History, examples: Examples, held_out_examples: Examples) -> Run:
        """Measure a run on training examples and on held-out ones."""
        inputs, targets, task = examples
        loss, held_out = probes.losses(network, _some(inputs, targets, task, COMPARED), held_out_examples)
        beginning = probes.untrained(network)
        rates = [row["learning_rate"] for row in history.epochs if "learning_rate" in row]
        return cls(
            network,
            beginning,
            _some(inputs, targets, task, EXAMPLES),
            float(loss.mean()),
            held_out,
            float(probes.losses_of_constant(targets, examples).mean()),
            probes.losses_of_constant(targets, held_out_examples) - held_out,
            np.array([row["loss"] for row in history.epochs]),
            np.array([row.get("val_loss", np.nan) for row in history.epochs]),
            (float(sum(map(float, beginning.losses))), float(sum(map(float, network.losses)))),
            f"{max(rates):.1e}" if rates else "as it is",
        )

    @property
    def least(self) -> float:
        """The lower training loss: that of the final weights, or that of the last epoch."""
        return min(self.loss, float(self.losses[-1]) - self.penalties[1])


def _causes(run: Run) -> Iterator[Finding]:
    """Causes that keep the network from learning, each before its consequences."""
    harmed = run.loss > HARMED * run.constant
    begun = list(_of_weights(run.beginning, run.seen, ", before training")) if harmed else []
    yield from (finding for finding in begun if finding.symptom == "exploding gradients")
    yield from _thrown(run)
    yield from begun
    yield from _stuck(run) if run.least > STUCK * run.constant else _by_heart(run)


def _of_weights(network: keras.Model, seen: Examples, when: str = "") -> Iterator[Finding]:
    """Findings of the gradients and units of an untrained network."""
    first, last, relative, _ = probes.gradients(network, seen)
    if relative > EXPLODED:
        yield Finding(
            "exploding gradients",
            f"up to {relative:.1e} times the size of the layer's weights{when}",
            "initialise by He or Glorot, add batch normalization, clip the gradients (clip_norm=1)",
        )
    dead, layer = probes.dead_units(network, seen.inputs)
    if dead > DEAD:
        yield Finding(
            "dead units",
            f"{dead:.0%} of the units of {layer} answer 0 to all of {len(seen.inputs)} examples{when}",
            "initialise by He with a bias of 0, take leaky_relu or elu, add batch normalization",
        )
    elif first < VANISHED * last:
        yield Finding(
            "vanishing gradients",
            f"mean size {first:.1e} in the first layer with weights, {last:.1e} in the last{when}",
            "take relu with He initialization instead of sigmoid or tanh, add batch normalization, use fewer layers or "
            "residual connections",
        )


def _thrown(run: Run) -> Iterator[Finding]:
    """Signs of too high a learning rate: a loss that rose or never settles, or units that died in training."""
    most, begin = float(np.nanmax([*run.losses, *run.chosen[:1]])), 0.0
    if most > WILD * run.constant + run.penalties[0]:
        begin = probes.gradients(run.beginning, run.seen).loss + run.penalties[0]
    if 0 < 2 * begin < most:
        evidence = f"the loss rose to {most:.3g}, where untrained weights have {begin:.3g}"
    elif run.loss > BAD * run.constant and (rough := _roughness(run)) > ROUGH:
        evidence = f"from epoch to epoch the loss goes up and down by {rough:.0%} of what a constant answer has"
    elif not run.penalties[0] and (died := _died(run)):
        evidence = died
    else:
        return
    yield Finding("learning rate too high", f"{evidence} (rate {run.rate})", TOO_HIGH)


def _roughness(run: Run) -> float:
    """How much the loss goes up and down, over that of a constant answer; 0 if the training loss settles.

    A steady rise or fall does not count. The validation loss is used if there is one, because dropout makes that of
    training noisy.
    """
    rises = np.maximum(np.diff(run.losses), 0)
    curve = run.chosen if np.isfinite(run.chosen).all() else run.losses
    curve = curve[len(curve) // 3 :]  # the first fall is steep
    if len(curve) < 5 or rises.mean() < RISES * run.constant:
        return 0.0
    scale = max(run.constant, float(np.median(curve)))  # a penalty that falls is larger
    return float(np.median(np.abs(np.diff(curve, 2)))) / scale


def _died(run: Run) -> str:
    """A sentence that most units of a layer died in training; empty if they did not, or if the network learnt."""
    if run.loss < BAD * run.constant:
        return ""
    dead, layer = probes.dead_units(run.network, run.seen.inputs)
    before, _ = probes.dead_units(run.beginning, run.seen.inputs)
    if dead - before < DEAD:
        return ""
    return f"{dead:.0%} of the units of {layer} came to answer 0 to everything"


def _stuck(run: Run) -> Iterator[Finding]:
    """Findings on a training loss that is no better than that of a constant answer."""
    evidence = f"the training loss is {run.loss:.3g} after {len(run.losses)} epochs, where a constant answer has "
    evidence += f"{run.constant:.3g}"
    if run.penalties[0] > WILD * run.constant:
        evidence += f", and the penalty was {run.penalties[0]:.3g} before training"
        yield Finding("underfitting", evidence, "lower l1 and l2 a hundredfold, or leave them out")
    if run.loss > WILD * run.constant:
        yield Finding("learning rate too high", f"{evidence} (rate {run.rate})", TOO_HIGH)
    if run.seen.task.remainder:
        return
    after = probes.descended(run.network, run.seen, STUCK * run.constant)
    if after < STUCK * run.constant:
        evidence += f", and {probes.STEPS} steps down the gradient take it to {after:.3g} (rate {run.rate})"
        remedy = "raise the learning rate tenfold; zoo lr-find shows how far, or train for more epochs"
        yield Finding("learning rate too low", evidence, remedy)
    remedy = "make the network wider or deeper, regularise less, look whether the features tell the target"
    yield Finding("underfitting", evidence, remedy)


def _by_heart(run: Run) -> Iterator[Finding]:
    """Findings on a network that fits the training examples and not others."""
    held_out = float(run.held_out.mean())
    evidence = f"the loss of held-out examples is {held_out:.3g}, that of training examples {run.loss:.3g}"
    constant = f"a constant answer to them has {held_out + run.gains.mean():.3g}"
    validated = np.isfinite(run.chosen).any()
    gap = held_out - run.loss
    if not validated and gap > max(GAP * run.constant, SURE * _error(run.held_out)):
        yield Finding("overfitting", f"{evidence}; {constant}", REGULARISE)
    elif validated and run.gains.mean() <= 0 and run.least < HARMED * run.constant and not run.seen.task.remainder:
        evidence = f"the training loss came to {run.least:.3g}, and {evidence}; {constant}"
        remedy = "look whether targets stand beside their own inputs, and whether the inputs can tell them; get more "
        yield Finding("inputs that do not tell the target", evidence, f"{remedy}examples, make the network smaller")


def _error(values: np.ndarray) -> float:
    """Standard error of the mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("inf")
