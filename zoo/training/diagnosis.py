"""What a learner needs to hear about a training run: symptom, evidence, remedy."""

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
from zoo.training.inputs import prepared
from zoo.training.loop import History
from zoo.training.probes import Examples
from zoo.training.run import Trained

if TYPE_CHECKING:
    import keras

EXAMPLES = 256  # that gradients and units are looked at on
ASKED = 1000  # that losses are compared on
PIXELS = 2**23  # numbers of all of them: activations of more would not fit into memory
VANISHED = 1e-3  # gradient of the first layer with weights over that of the last one
EXPLODED = 1e3  # gradient of a layer over its weights
DEAD = 0.4  # share of a layer's units
WILD = 10.0  # times the loss of a constant answer
ROUGH = 0.08  # change of a change of the loss from one epoch to the next, over the loss of a constant answer
RISES = 0.004  # what the training loss rises by, mean over the epochs, over that of a constant answer
STUCK = 0.9  # loss over that of a constant answer
HARMED = 0.5  # the same, from which on a bad beginning matters
BAD = 0.2  # the same, from which on units that died and a loss that does not settle matter
GAP = 0.5  # held-out loss less that of training examples, over that of a constant answer
SURE = 2.0  # standard errors

TOO_HIGH = "lower the learning rate tenfold; zoo lr-find shows where it is stable"
REGULARISE = "add dropout, L2 or augmentation, stop earlier (validation=0.1), make the network smaller, get more data"


def diagnose(
    model: Trained | keras.Model, data: Data | None = None, *, history: History | None = None
) -> tuple[Finding, ...]:
    """Look for what keeps a network from learning, or from learning what it should.

    Of what is wrong with a network that has targets one cause is told, and not what follows from it; where there is
    none, what the scores tell. A run that learnt is not blamed for a rough way there: its loss is held against that of
    a constant answer, and is looked at with the weights that were kept. Where a validation part chose the epoch, what
    the network learnt by heart after it has cost nothing, and is no finding. Whether gradients and units were well
    before training is looked at on a copy with initial weights anew. Of autoencoders and adversarial networks the
    scores alone are read.

    Args:
        model: what `zoo.train` gave; or a network on prepared inputs, trained or not.
        data: what the network learns; not needed beside what `zoo.train` gave.
        history: of the training; not needed beside what `zoo.train` gave, else None for an untrained network.

    Returns:
        what was found, the likeliest cause first; empty where nothing was.

    Raises:
        InputError: a network without data, or not TensorFlow beneath Keras.

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
    inputs = prepared(data, data.train)
    targets, scale = data.task.learnt(data.source, data.train.targets, inputs, np.arange(len(inputs)))
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
    order = np.random.default_rng(0).permutation(len(part))[:ASKED]
    asked = prepared(data, part.chosen(order[:1]))
    part = part.chosen(order[: max(1, PIXELS // asked.size)])
    asked, targets = prepared(data, part), part.targets
    if scale is not None:
        targets = (targets - scale.restored(np.zeros_like(targets), asked)) / scale.deviation
    return Examples(asked.astype(np.float32), targets, data.task)


class Run(NamedTuple):
    """A training and what is measured on its end.

    Attributes:
        network: with the weights that were kept.
        beginning: the same network, untrained.
        seen: training examples, a few.
        loss: of training examples, with the weights that were kept.
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
    def of(cls, network: keras.Model, history: History, known: Examples, asked: Examples) -> Run:
        """Measure it on all training examples and on held-out ones."""
        inputs, targets, task = known
        loss, held_out = probes.losses(network, _some(inputs, targets, task, ASKED), asked)
        beginning = probes.untrained(network)
        rates = [row["learning_rate"] for row in history.epochs if "learning_rate" in row]
        return cls(
            network,
            beginning,
            _some(inputs, targets, task, EXAMPLES),
            float(loss.mean()),
            held_out,
            float(probes.losses_of_constant(targets, known).mean()),
            probes.losses_of_constant(targets, asked) - held_out,
            np.array([row["loss"] for row in history.epochs]),
            np.array([row.get("val_loss", np.nan) for row in history.epochs]),
            (float(sum(map(float, beginning.losses))), float(sum(map(float, network.losses)))),
            f"{max(rates):.1e}" if rates else "as it is",
        )

    @property
    def least(self) -> float:
        """Training loss that was reached: with the weights kept, or in the last epoch."""
        return min(self.loss, float(self.losses[-1]) - self.penalties[1])


def _causes(run: Run) -> Iterator[Finding]:
    """What keeps the network from learning, causes before what follows from them."""
    harmed = run.loss > HARMED * run.constant
    begun = list(_of_weights(run.beginning, run.seen, ", before training")) if harmed else []
    yield from (finding for finding in begun if finding.symptom == "exploding gradients")
    yield from _thrown(run)
    yield from begun
    yield from _stuck(run) if run.least > STUCK * run.constant else _by_heart(run)


def _of_weights(network: keras.Model, seen: Examples, when: str = "") -> Iterator[Finding]:
    """What the gradients and units of a network tell of its weights, before they learn."""
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
    """Signs of too high a learning rate: thrown off, never settling, or with the units dead that were not."""
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
    """How much the loss goes up and down, over that of a constant answer; 0 where that of training settles.

    A steady rise or fall is none. The validation loss is taken where there is one: that of training is noisy by
    dropout too.
    """
    rises = np.maximum(np.diff(run.losses), 0)
    curve = run.chosen if np.isfinite(run.chosen).all() else run.losses
    curve = curve[len(curve) // 3 :]  # the first fall is steep
    if len(curve) < 5 or rises.mean() < RISES * run.constant:
        return 0.0
    scale = max(run.constant, float(np.median(curve)))  # a penalty that falls is larger
    return float(np.median(np.abs(np.diff(curve, 2)))) / scale


def _died(run: Run) -> str:
    """That most units of a layer died in training, in words; empty where they did not, or it learnt all the same."""
    if run.loss < BAD * run.constant:
        return ""
    dead, layer = probes.dead_units(run.network, run.seen.inputs)
    before, _ = probes.dead_units(run.beginning, run.seen.inputs)
    if dead - before < DEAD:
        return ""
    return f"{dead:.0%} of the units of {layer} came to answer 0 to everything"


def _stuck(run: Run) -> Iterator[Finding]:
    """Why the training loss is no better than that of a constant answer."""
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
    """What was learnt of the training examples and does not hold for others."""
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
