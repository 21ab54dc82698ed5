"""The last blocks of a backbone in a fine-tune: trained on an inner split, and shipped if that helped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from applications import known, linear_heads
from applications.backbones import is_own, row_of
from applications.features import Extractor
from applications.reading import Job
from applications.unfreezing import LOSSES, Recipe, Unfrozen, gains
from applications.views import AUGMENTATIONS
from zoo.data.dataset import Data
from zoo.data.splits import stratified
from zoo.errors import InputError
from zoo.settings import suggestion
from zoo.training.checkpoints import Checkpoint

if TYPE_CHECKING:
    import keras

EPOCHS = {"balanced": 8, "max": 24}
LEARNING_RATE = 5e-4
CLEAR = 2.0  # standard errors by which the loss has to fall for trained last blocks to be shipped


def recipe_of(
    backbone: str,
    effort: str,
    *,
    blocks: int | None,
    epochs: int | None,
    learning_rate: float | None,
    augment: Sequence[str],
    seed: int,
) -> Recipe:
    """How to train, with what the backbone and the effort set where nothing is given.

    Args:
        backbone: a name of the table, or of a Keras model of the user, which has no known blocks.
        effort: as `applications.fine_tune` takes it.
        blocks: number of them.
        epochs: passes over the images.
        learning_rate: at its peak.
        augment: names in `applications.views.AUGMENTATIONS`.
        seed: of everything random.

    Raises:
        InputError: a value is out of range, or blocks of a Keras model of the user are to be trained.
    """
    if effort != "quick" and is_own(backbone):
        raise InputError(
            f"{backbone}: where the blocks of a Keras model of yours end is not known; leave out effort, or train it "
            "itself first"
        )
    unknown = sorted(set(augment) - set(AUGMENTATIONS))
    if unknown:
        hint = suggestion(unknown[0], AUGMENTATIONS)
        raise InputError(f"expected augmentations out of {', '.join(AUGMENTATIONS)}, received {unknown[0]!r}{hint}")
    blocks = row_of(backbone).unfreeze if blocks is None else blocks
    epochs = EPOCHS.get(effort, EPOCHS["balanced"]) if epochs is None else epochs
    rate = LEARNING_RATE if learning_rate is None else learning_rate
    if blocks < 1 or epochs < 1 or not rate > 0:
        raise InputError(
            "expected at least one block and one epoch and a positive learning rate, "
            f"received {blocks}, {epochs} and {rate:g}"
        )
    return Recipe(blocks, epochs, rate, tuple(augment), seed)


def trained(
    data: Data,
    extractor: Extractor,
    head: linear_heads.Head,
    rows: np.ndarray,
    targets: np.ndarray,
    recipe: Recipe,
    memory: known.Memory | None,
    unknown: float,
    job: Job,
    run: Path,
) -> tuple[keras.Model, known.Memory | None] | None:
    """The network with its last blocks trained, and its memory; None if the frozen backbone is better.

    Args:
        data: has the task.
        extractor: has the backbone.
        head: fitted on the training part.
        rows: features of the training part, of all depths.
        targets: of the training part, as the head learns them.
        recipe: of the training.
        memory: of the frozen backbone.
        unknown: as `fine_tune` takes it.
        job: gets notes.
        run: folder that gets checkpoints.
    """
    task = data.task
    strata = task.inner_strata(data.train.targets)
    outer = stratified(strata, data.train.together, 0.25, job.seed)
    if not outer.any() or (strata[~outer].sum(axis=0) == 0).any():
        job.notes.append(
            "the last blocks are not fine-tuned: there are too few training images to tell whether it helps"
        )
        return None
    with job.watch.stage("decode"):
        unfrozen = Unfrozen(extractor, head, data.train.inputs, linear_heads.dense(task, targets), recipe)
    job.notes.append(unfrozen.note)
    with job.watch.stage("unfreeze"):
        inner = (task, rows[~outer], targets[~outer], job.seed)
        how = {"units": data.train.together[~outer], "depths": extractor.depths, "class_weights": head.equal}
        before = linear_heads.head_of(*inner, **how).outputs(rows[outer])
        start = linear_heads.head_of(*inner, head.strength, group=head.group, **how)  # of the shape of `head`
        # Hidden files of a run are not copied into the artifact.
        sides = np.flatnonzero(~outer), np.flatnonzero(outer)
        choice = unfrozen.choose(start, *sides, Checkpoint(run / ".chosen.npz"))
        answers = [task.named(each) for each in (before, choice.outputs)]
        losses = [task.losses(targets[outer], each) for each in answers]
        gain, error = gains(*losses)
        scores = [task.quality.score(task, targets[outer], each) for each in answers]
        keep = gain > CLEAR * error and scores[1] >= scores[0]
        job.notes.append(
            f"fine-tuning the last {recipe.blocks} blocks {'helped' if keep else 'did not help'}: on "
            f"{int(outer.sum())} training images set aside for this choice, {LOSSES[head.activation].called} goes from "
            f"{losses[0].mean():.3f} to {losses[1].mean():.3f} (a change of {-gain:+.3f} ± {error:.3f}) and "
            f"{task.quality.name} from {scores[0]:.3f} to {scores[1]:.3f}; "
            + ("trained on all training images, they are shipped" if keep else "the frozen backbone is shipped")
        )
        if not keep:
            return None
        # Photos that were learnt are nearer to one another, so the limit is from those that this training did not see.
        kept = known.remembered(strata[~outer], data.train.together[~outer], job.seed) if memory is not None else None
        if kept is not None:
            sure = known.sureness(choice.outputs) if head.activation == "softmax" else None
            features = (unfrozen.features(each) for each in (sides[0][kept], sides[1]))
            rule = known.rule(*features, memory.parts, unknown, sure)
        model = unfrozen.train(head, choice.share, choice.temperature, Checkpoint(run / ".trained.npz"))
        if kept is None:
            return model, None
        features = known.unit(unfrozen.features(memory.positions), memory.parts)
        return model, memory._replace(features=features, rule=rule)
