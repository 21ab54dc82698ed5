"""The learning-rate range test: at which rates a network learns, and which are too high."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo import progress
from zoo.builders import registry
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.files import atomic_file
from zoo.keras_internals import learning_rate
from zoo.settings import integer
from zoo.training.batches import Arrays
from zoo.training.compiling import states
from zoo.training.loop import broken_weights
from zoo.training.optimizers import check as check_rule
from zoo.training.optimizers import optimizer as optimizer_of
from zoo.training.preparing import check_builder, prepare

if TYPE_CHECKING:
    import keras

SMOOTHING = 0.95  # of the running mean of the loss
DIVERGED = 4.0  # times the least loss, where the test ends


class RangeTest(NamedTuple):
    """The result of the test.

    Attributes:
        rates: float64 (steps,), rising geometrically.
        losses: float64 (steps,), smoothed, of the batch at each rate.
        suggestion: a rate to train with, a tenth of `ceiling`.
        ceiling: the rate of the least loss; at it and above, training is not stable.
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float
    ceiling: float

    def plot(self, path: str | Path) -> None:
        """Draw loss over rate; the suffix of `path` chooses the format, as ``.png`` or ``.svg``."""
        from zoo.pictures.plots import figure

        with atomic_file(path) as partial, figure(partial, Path(path).suffix) as axes:
            axes.plot(self.rates, self.losses)
            axes.axvline(self.suggestion, linestyle="--", color="tab:green", label=f"suggested: {self.suggestion:.2g}")
            axes.axvline(self.ceiling, linestyle=":", color="tab:red", label=f"least loss: {self.ceiling:.2g}")
            axes.set(xscale="log", xlabel="learning rate", ylabel="loss of the batch, smoothed")
            axes.legend()


def check_has_rate(builder: Any) -> None:
    """Raise InputError for a builder of the zoo that learns without gradients."""
    row = registry.row_of(builder)
    if row is not None and row.adapts:
        raise InputError("expected a builder that learns by gradients; this one learns in one step, and has no rate")


def find_learning_rate(
    builder: str | Callable[..., keras.Model] | keras.Model,
    data: Any,
    *,
    model: Mapping[str, Any] | None = None,
    optimizer: str = "adam",
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 200,
    batch_size: int = 32,
    seed: int = 0,
) -> RangeTest:
    """Train for some steps at a rate that rises from batch to batch, and watch the loss.

    Args:
        builder: as `zoo.train` takes it; a model is changed by the test.
        data: as `zoo.train` takes it.
        model: keyword arguments of the builder.
        optimizer: as `zoo.train` takes it.
        lowest: rate to begin with, over 0.
        highest: rate to end with; the test ends before where the loss is four times its least.
        steps: batches, at least 10.
        batch_size: examples a step.
        seed: of the weights and the order.

    Raises:
        InputError: wrong data or arguments.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.
    """
    if not 0 < lowest < highest or steps < 10 or batch_size < 1:
        raise InputError(
            "expected 0 < lowest < highest, at least 10 steps and a batch_size of at least 1, received "
            f"lowest={lowest:g}, highest={highest:g}, steps={steps}, batch_size={batch_size}"
        )
    seed = integer("seed", seed)
    check_rule(optimizer)
    check_has_rate(builder)
    if not isinstance(data, Data):
        check_builder(builder, model or {})
    job = prepare(builder, data, dict(model or {}), seed=seed)
    plan = job.task.plan(job.network)
    if plan.optimizers is not None:
        raise InputError(f"{job.name} has no loss that tells a good rate: its two networks move each other's")
    rates = np.geomspace(lowest, highest, steps)
    rule = optimizer_of(optimizer, lowest, steps=steps, schedule="constant", warm_up=0.0)
    learning_rate(rule).table.assign(rates.astype(np.float32))
    job.network.compile(rule, plan.loss, jit_compile=False)
    batches = Arrays(job.inputs, job.targets, batch_size=min(batch_size, len(job.targets)), seed=seed)
    losses: list[float] = []
    mean, epoch, feed = 0.0, 0, iter(batches.epoch(0))
    with progress.bar("range test", steps) as advance:
        for number in range(steps):
            if number and number % len(batches) == 0:
                epoch += 1
                feed = iter(batches.epoch(epoch))
            job.network.reset_metrics()
            loss = float(job.network.train_on_batch(*next(feed), return_dict=True)["loss"])
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            smooth = mean / (1 - SMOOTHING ** (number + 1))
            least = min(losses, default=smooth)
            broken = broken_weights(states(job.network))  # whatever their loss is: ReLU can hide NaN
            if broken or not np.isfinite(smooth) or smooth - least > (DIVERGED - 1) * abs(least):
                break
            losses.append(smooth)
            advance(1)
    values = np.array(losses)
    if len(values) < 5:
        reason = broken or f"the loss is {loss:g}"
        raise InputError(f"{reason} after {number + 1} steps: begin at a rate below {lowest:g}")
    least = int(values.argmin())
    return RangeTest(rates[: len(values)], values, float(rates[least]) / 10, float(rates[least]))
