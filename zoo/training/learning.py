"""Training of a network of the zoo: the inner split that chooses the best epoch, and the call of the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.data.splits import stratified
from zoo.errors import JobError
from zoo.training import given
from zoo.training.augmentation import augmentation
from zoo.training.batches import Arrays
from zoo.training.loop import History, fit
from zoo.training.optimizers import optimizer as optimizer_of
from zoo.training.settings import Settings

if TYPE_CHECKING:
    import keras

    from zoo.training.preparing import Job


class InnerSplit(NamedTuple):
    """Prepared inputs and targets of an inner split.

    Attributes:
        train: inputs and targets to learn from.
        validation: inputs and targets that choose the best epoch; None to take the last epoch.
        positions: positions in `train` to learn from; None for all. With them, several trainings can share arrays,
            and so compiled functions.
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray] | None
    positions: np.ndarray | None = None

    @classmethod
    def of(cls, job: Job, train: np.ndarray, validation: np.ndarray) -> InnerSplit:
        """The examples at these positions of the training part."""
        learn_from, choose_by = ((job.inputs[each], job.targets[each]) for each in (train, validation))
        return cls(learn_from, choose_by if len(validation) else None)


def learn(job: Job, network: keras.Model, split: InnerSplit, settings: Settings, seed: int, **options: Any) -> History:
    """Train `network`, by gradients or in one step, as its task plans.

    Args:
        job: data and task.
        network: not trained.
        split: examples to learn from, and to choose the epoch by.
        settings: completed.
        seed: of the order, and of the augmentation.
        options: further arguments of `zoo.training.loop.fit`.

    Raises:
        JobError: the loss is no longer finite.
    """
    plan = job.task.plan(network)
    if plan.adapts is not None:
        plan.adapts(split.train[0], split.positions, seed)
        return History(0, [])
    batches = batches_of(job, network, split, settings, seed)
    shared = options.get("reuse") is not None
    optimizer, loss = rule_of(job, network, settings, len(batches) * settings.epochs, shared=shared)
    options.setdefault("metrics", list(plan.metrics))
    try:
        return fit(
            network,
            batches,
            epochs=settings.epochs,
            optimizer=optimizer,
            loss=loss,
            validation=None if split.validation is None else _scored(*split.validation),
            patience=settings.patience,
            **options,
        )
    except FloatingPointError as error:
        raise JobError(str(error)) from error


def batches_of(
    job: Job,
    network: keras.Model,
    split: InnerSplit,
    settings: Settings,
    seed: int,
    weights: np.ndarray | None = None,
) -> Arrays:
    """The batches that `network` learns from.

    Args:
        job: as `learn` takes it.
        network: as `learn` takes it.
        split: as `learn` takes it.
        settings: completed.
        seed: of the order, and of the augmentation.
        weights: of the examples, float32 (examples,); if None, those of the classes where the settings ask for them.
    """
    plan = job.task.plan(network)
    if weights is None and settings.class_weights:
        weights = job.task.weights(split.train[1])
    return Arrays(
        *split.train,
        weights,
        batch_size=settings.batch_size * plan.multiple,
        seed=seed,
        augment=augmentation(settings.augment, seed) if settings.augment else None,
        chosen=split.positions,
        moves=plan.moves,
        drop_remainder=not plan.outside,
    )


def rule_of(job: Job, network: keras.Model, settings: Settings, steps: int, *, shared: bool = False) -> tuple[Any, Any]:
    """The optimizer of `network`, or several, and its loss; None for a network with a loss of its own.

    Args:
        job: as `learn` takes it.
        network: as `learn` takes it.
        settings: completed.
        steps: batches in the whole training.
        shared: as `zoo.training.given.optimizer_of` takes it.
    """
    plan = job.task.plan(network)
    optimizer: Any
    if not settings.by_name:
        optimizer = given.optimizer_of(settings.optimizer, shared=shared)
    elif plan.optimizers is None:
        optimizer = optimizer_of(settings.optimizer, steps=steps, **settings.rule)
    else:

        def make(each: int, rate: float, betas: tuple[float, float]) -> keras.optimizers.Optimizer:
            rule = settings.rule | {"learning_rate": rate, "betas": betas}
            return optimizer_of(settings.optimizer, steps=steps * each, **rule)

        optimizer = plan.optimizers(make, settings.learning_rate)
    return optimizer, plan.loss if settings.loss is None else given.fit_loss(settings.loss, job.task.positions)


def _scored(inputs: np.ndarray, targets: np.ndarray) -> Arrays:
    """Examples that choose the epoch, as many at a time as fit into memory."""
    from zoo.arrays import together

    size = inputs[:1].size if isinstance(inputs, np.ndarray) else 1
    return Arrays(inputs, targets, batch_size=together(size, 256))


def inner_split(job: Job, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the training part to learn from, and to choose the best epoch by.

    In a split by time, the latter begin after all targets of the former. If nothing can choose an epoch, all are to
    learn from.

    Args:
        job: data and task.
        share: of the examples to choose by.
        seed: of the split.
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
