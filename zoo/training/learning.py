"""How a network of the zoo is trained: the inner split that chooses the epoch, and the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.data.splits import stratified
from zoo.errors import InputError, JobError
from zoo.tasks import generation
from zoo.training.augmentation import augmentation
from zoo.training.batches import Arrays
from zoo.training.loop import History, fit
from zoo.training.optimizers import optimizer as optimizer_of
from zoo.training.preparing import Prepared, loss_of
from zoo.training.settings import Settings

if TYPE_CHECKING:
    import keras


class Sides(NamedTuple):
    """Prepared inputs and targets to learn from, and those that choose the epoch; None for no choice.

    `dealt`, where it is not None, are the positions in `learnt` that are learnt from: arrays that stay the same are
    trained on by functions that are compiled once.
    """

    learnt: tuple[np.ndarray, np.ndarray]
    choosing: tuple[np.ndarray, np.ndarray] | None
    dealt: np.ndarray | None = None

    @classmethod
    def of(cls, task: Prepared, chosen: np.ndarray, choosing: np.ndarray) -> Sides:
        """Those at the positions `chosen` and `choosing` of the training part."""
        learnt, held = ((task.inputs[each], task.targets[each]) for each in (chosen, choosing))
        return cls(learnt, held if len(choosing) else None)


def learn(task: Prepared, network: keras.Model, sides: Sides, settings: Settings, seed: int, **how: Any) -> History:
    """Train `network`.

    Args:
        task: what is to be learnt.
        network: not trained.
        sides: to learn from, and to choose by.
        settings: how, completed.
        seed: of the order, and of what is augmented.
        how: further arguments of `zoo.training.loop.fit`.

    Raises:
        JobError: the loss is no longer finite.
    """
    targets = sides.learnt[1]
    adversarial, supervised = task.kind == "adversarial", task.kind == "supervised"
    batches = Arrays(
        *sides.learnt,
        _balanced(targets) if settings.class_weights else None,
        batch_size=settings.batch_size * (network.critic_steps if adversarial else 1),
        seed=seed,
        augment=augmentation(settings.augment, seed) if settings.augment else None,
        chosen=sides.dealt,
        whole=adversarial,
    )
    steps = len(batches) * settings.epochs
    if adversarial:
        optimizer: Any = generation.optimizers(network, settings.optimizer, steps, settings.rule)
    else:
        optimizer = optimizer_of(settings.optimizer, steps=steps, **settings.rule)
    how.setdefault("metrics", ["accuracy"] if supervised and task.data.task == "classification" else [])
    try:
        return fit(
            network,
            batches,
            epochs=settings.epochs,
            optimizer=optimizer,
            loss=loss_of(task.data.task) if supervised else None,
            validation=None if sides.choosing is None else Arrays(*sides.choosing, batch_size=256),
            patience=settings.patience,
            **how,
        )
    except FloatingPointError as error:
        raise JobError(str(error)) from error


def inner_split(task: Prepared, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the training part to learn from, and those that choose the epoch.

    Of a forecast, and of windows that an autoencoder learns, the latter begin where no target of the former reaches.
    Adversarial networks have no loss to choose by, and learn from all.

    Args:
        task: what is to be learnt.
        share: of the examples that choose.
        seed: of the choice.
    """
    data, count = task.data, len(task.data.train)
    if share == 0 or count < 20 or task.kind == "adversarial":
        return np.arange(count), np.arange(0)
    if data.task == "forecasting":
        # An autoencoder's target is its window: none that chooses may reach into those learnt.
        apart = data.input.get("window", 0) if task.kind == "autoencoder" else data.train.targets.shape[-1]
        cut = round(count * (1 - share))
        return np.arange(max(1, cut - apart + 1)), np.arange(cut, count)
    targets = data.train.targets
    if data.task == "regression":
        targets = np.argsort(np.argsort(targets[:, 0])) * 10 // count  # tenths, from the least to the largest
    hot = targets if targets.ndim == 2 else np.eye(targets.max() + 1, dtype=np.int64)[targets]
    held = stratified(hot, data.train.together, share, seed)
    return np.flatnonzero(~held), np.flatnonzero(held)


def _balanced(targets: np.ndarray) -> np.ndarray:
    """Float32 (examples,): each class has the same sum, and the mean is 1."""
    if targets.ndim == 2:
        raise InputError("class_weights are for one class an example; leave them out here")
    counts = np.bincount(targets)
    return (len(targets) / ((counts > 0).sum() * counts[targets])).astype(np.float32)
