"""Backbones and input sizes to choose from, by cross-validation on some of the training images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from applications import choosing, linear_heads
from applications.backbones import BACKBONES, available
from applications.features import Extractor, embed
from applications.reading import Job, embeddings_of, side_of, sizes_for, training_examples
from zoo.data.dataset import Data
from zoo.errors import InputError

AUTO = "auto"  # instead of the name of a backbone: the best of those that are installed
SAMPLE, FEWEST = 600, 20  # training images to choose by, at most and at least


def installed() -> tuple[str, ...]:
    """Backbones to choose from: those whose weights come in packages that are installed, the quickest first."""
    names = (name for name, row in BACKBONES.items() if row.weights != "keras" and available(name)[0])
    return tuple(sorted(names, key=lambda name: BACKBONES[name].parameters))


def chosen(data: Data, extractor: Extractor, job: Job, *, free_size: bool, free_backbone: bool) -> Extractor:
    """The extractor whose features tell the targets best, by the squared error of ridge regressions in folds.

    These are fitted in a fraction of the time of logistic regressions. Small pictures have a choice of input sizes. The
    given extractor stays where there are too few images.

    Args:
        data: images that all can be decoded.
        extractor: the first candidate, with the smallest of the input sizes.
        job: has the seed; gets notes.
        free_size: whether the input size may be another one.
        free_backbone: whether the backbone may be another one that is installed.
    """
    sizes = sizes_for(side_of(training_examples(data)), extractor) if free_size else ()
    others = [replace(extractor, input_size=size) for size in sizes[1:]]
    best = _best(data, [extractor, *others], job, lambda each: f"input size {each.input_size}")
    if not free_backbone:
        return best
    others = []
    for name in installed():
        row, own = BACKBONES[name], free_size and not sizes[1:]
        size, crop = row.input_size if own else best.input_size, 1.0 if best.crop == 1.0 else row.crop
        others.append(replace(best, backbone=name, input_size=max(size, row.least_input_size), crop=crop))
    return _best(
        data, [best, *(each for each in others if each.backbone != best.backbone)], job, lambda each: each.backbone
    )


def _best(data: Data, candidates: Sequence[Extractor], job: Job, named: Callable[[Extractor], str]) -> Extractor:
    """The candidate whose features have the least squared error in a ridge regression of the targets, in folds."""
    part = data.train
    if len(candidates) == 1 or len(np.unique(part.together)) < FEWEST:
        return candidates[0]
    task, examples = data.task, training_examples(data)
    some = choosing.sample(task.inner_strata(part.targets), part.together, job.seed, SAMPLE)
    part, errors = part.chosen(some), []
    for extractor in candidates:
        with job.watch.stage("embed"):
            vectors, failures = embed([examples[at] for at in some], extractor)
        if failures:
            raise InputError(f"{data.source}: {next(iter(failures))} can no longer be decoded; read the folder again")
        with job.watch.stage("head"):
            targets = choosing.standardised(linear_heads.dense(task, part.targets))
            how = {"units": part.together, "folds": choosing.FOLDS, "seed": job.seed, "most": len(part)}
            rows = embeddings_of(part, vectors)
            errors.append(choosing.choose_ridge(rows, targets, depths=extractor.depths, **how)[2])
    best = candidates[int(np.argmin(errors))]
    listed = ", ".join(f"{named(each)} {error:.3g}" for each, error in zip(candidates, errors, strict=True))
    job.notes.append(f"{named(best)}: the least error in cross-validation on {len(part):,} training images ({listed})")
    return best
