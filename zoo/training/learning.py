"""How a network of the zoo is trained: the inner split that chooses the epoch, and the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.data.splits import stratified
from zoo.errors import JobError
from zoo.training.augmentation import augmentation
from zoo.training.batches import Arrays
from zoo.training.loop import History, fit
from zoo.training.optimizers import optimizer as optimizer_of
from zoo.training.settings import Settings

if TYPE_CHECKING:
    import keras

    from zoo.training.preparing import Job


class Sides(NamedTuple):
    """Prepared inputs and targets to learn from, and those that choose the epoch; None for no choice.

    `dealt`, where it is not None, are the positions in `learnt` that are learnt from: arrays that stay the same are
    trained on by functions that are compiled once.
    """

    learnt: tuple[np.ndarray, np.ndarray]
    choosing: tuple[np.ndarray, np.ndarray] | None
    dealt: np.ndarray | None = None

    @classmethod
    def of(cls, job: Job, chosen: np.ndarray, choosing: np.ndarray) -> Sides:
        """Those at the positions `chosen` and `choosing` of the training part."""
        learnt, held = ((job.inputs[each], job.targets[each]) for each in (chosen, choosing))
        return cls(learnt, held if len(choosing) else None)


def learn(job: Job, network: keras.Model, sides: Sides, settings: Settings, seed: int, **how: Any) -> History:
    """Train `network`.

    Args:
        job: what is to be learnt.
        network: not trained.
        sides: to learn from, and to choose by.
        settings: how, completed.
        seed: of the order, and of what is augmented.
        how: further arguments of `zoo.training.loop.fit`.

    Raises:
        JobError: the loss is no longer finite.
    """
    plan = job.task.plan(network)
    batches = Arrays(
        *sides.learnt,
        job.task.weights(sides.learnt[1]) if settings.class_weights else None,
        batch_size=settings.batch_size * plan.multiple,
        seed=seed,
        augment=augmentation(settings.augment, seed) if settings.augment else None,
        chosen=sides.dealt,
        moves=plan.moves,
        whole=not plan.outside,
    )
    steps = len(batches) * settings.epochs
    optimizer: Any
    if plan.optimizers is None:
        optimizer = optimizer_of(settings.optimizer, steps=steps, **settings.rule)
    else:

        def make(each: int, rate: float, betas: tuple[float, float]) -> keras.optimizers.Optimizer:
            rule = settings.rule | {"learning_rate": rate, "betas": betas}
            return optimizer_of(settings.optimizer, steps=steps * each, **rule)

        optimizer = plan.optimizers(make, settings.learning_rate)
    how.setdefault("metrics", list(plan.metrics))
    try:
        return fit(
            network,
            batches,
            epochs=settings.epochs,
            optimizer=optimizer,
            loss=plan.loss,
            validation=None if sides.choosing is None else _scored(*sides.choosing),
            patience=settings.patience,
            **how,
        )
    except FloatingPointError as error:
        raise JobError(str(error)) from error


def _scored(inputs: np.ndarray, targets: np.ndarray) -> Arrays:
    """Examples that choose the epoch, as many at a time as fit into memory."""
    from zoo.arrays import together

    size = inputs[:1].size if isinstance(inputs, np.ndarray) else 1
    return Arrays(inputs, targets, batch_size=together(size, 256))


def inner_split(job: Job, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the training part to learn from, and those that choose the epoch.

    Where time splits, the latter begin where no target of the former reaches. Where nothing can choose an epoch, all
    are learnt from.

    Args:
        job: what is to be learnt.
        share: of the examples that choose.
        seed: of the choice.
    """
    train, count = job.data.train, len(job.data.train)
    if share == 0 or count < 20 or not job.task.plan(job.network).outside:
        return np.arange(count), np.arange(0)
    strata = job.data.task.inner_strata(train.targets)
    if strata is None:
        cut = round(count * (1 - share))
        return np.arange(max(1, cut - job.task.reach + 1)), np.arange(cut, count)
    held = stratified(strata, train.together, share, seed)
    return np.flatnonzero(~held), np.flatnonzero(held)
