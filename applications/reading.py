"""From a folder to embeddings: the images of a data set, what they are embedded by, and their embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from applications.backbones import find, is_own, row_of
from applications.features import Extractor, embed
from applications.own_backbones import own_backbone
from applications.pixels import encoded
from zoo.artifacts.predictor import Predictor
from zoo.data.dataset import Data
from zoo.data.parts import Part
from zoo.errors import InputError
from zoo.kinds.class_folders import Example
from zoo.kinds.images import decoding
from zoo.kinds.images.kind import Images
from zoo.kinds.images.reading import images
from zoo.progress import Stopwatch
from zoo.settings import suggestion

SMALL_SIZES = (64, 96, 128)  # input sizes for small pictures: they are quicker, and enlarging adds no detail
ENLARGED = 2  # times that the shorter side of a small picture fits into the input size of the backbone, at least


@dataclass(frozen=True)
class Job:
    """A run, which its steps add to.

    Attributes:
        watch: seconds of each stage.
        seed: of everything random.
        notes: decisions of the run, in words.
    """

    watch: Stopwatch
    seed: int
    notes: list[str]


def extractor_of(
    backbone: Any,
    weights: str | Path | None,
    input_size: int | None,
    parent: Predictor | None,
    seed: int,
    *,
    preprocessing: str | None = None,
    notes: list[str] | None = None,
) -> Extractor:
    """The extractor for these arguments of `fine_tune`; `parent` is the artifact to start from.

    Args:
        backbone: as `fine_tune` takes it.
        weights: as `fine_tune` takes them.
        input_size: as `fine_tune` takes it.
        parent: the artifact.
        seed: of random weights.
        preprocessing: of a network of the user, as `fine_tune` takes it.
        notes: gets what is taken of a network of the user.

    Raises:
        InputError: the backbone is unknown, or does not take the size.
    """
    if preprocessing is not None and (parent is not None or not is_own(backbone)):
        raise InputError(
            "preprocessing is for a Keras model of yours as backbone; all others have their own: leave it out"
        )
    if parent is not None:
        card = parent.card
        if "backbone" not in card:
            raise InputError(f"{parent.folder}: expected an artifact of a fine-tune, which names its backbone")
        size = card["input"]["size"][0]
        if input_size not in (None, size):
            raise InputError(f"{parent.folder} takes {size} pixels; input size {input_size} can't be set for it")
        return Extractor(card["backbone"], parent.folder / "model.keras", size, card["input"]["crop"], seed)
    if is_own(backbone):
        if weights != "imagenet":
            raise InputError("a Keras model of yours as backbone has its own weights; leave out weights")
        own = own_backbone(backbone, preprocessing, input_size)
        if notes is not None:
            notes.append(own.note)
        return Extractor(own.name, own.path, own.input_size, 1.0, seed)
    row = find(backbone)
    size = input_size or row.input_size
    if size < row.least_input_size:
        raise InputError(f"{backbone}: expected an input size of at least {row.least_input_size}, received {size}")
    if weights not in ("imagenet", None) and not Path(weights).is_file():
        hint = suggestion(weights, ("imagenet", "random"))
        raise InputError(
            f"expected weights to be imagenet, random (None in Python) or a file, received {str(weights)!r}{hint}"
        )
    return Extractor(backbone, weights, size, row.crop, seed)


def embed_data(
    data: Data | str | Path, extractor: Extractor, job: Job, *, free_size: bool = False
) -> tuple[Data, Extractor, dict[str, np.ndarray]]:
    """The data without images that can't be decoded, the extractor with its crop, and the embeddings by digest.

    Args:
        data: as `applications.fine_tune` takes it.
        extractor: computes the embeddings.
        job: gets notes.
        free_size: whether the smallest of the input sizes for small pictures is taken; see `sizes_for`.
    """
    vectors: dict[str, np.ndarray] = {}
    chosen: list[Extractor | None] = [None]

    def embed_all(examples: Sequence[Example]) -> dict[str, str]:
        train_labels = {label for each in examples if each.split in (None, "train") for label in each.labels}
        all_labels = {label for each in examples for label in each.labels}
        if all_labels - train_labels:
            raise InputError(
                f"{data}: no training image has the label {min(all_labels - train_labels)!r}, which is held out"
            )
        train = [each for each in examples if each.split in (None, "train")]
        chosen[0] = chosen[0] or _suited(extractor, train, free_size)
        with job.watch.stage("embed"):
            embeddings, failures = embed(examples, chosen[0])
        vectors.update(embeddings)
        return failures

    def embed_again(data: Data) -> None:
        if failures := embed_all(examples_of(data)):
            name, reason = next(iter(failures.items()))
            raise InputError(f"{data.source}: {name} can no longer be decoded: {reason}; read the folder again")

    if isinstance(data, Data):
        data = encoded(data)
        if data.task.pixelwise:
            raise InputError(
                f"{data.source}: a head learns classes or numbers of whole images; for masks search {data.task.builder}"
            )
        extractor = replace(extractor, bits=data.kind.bits)
        embed_again(data)
    else:
        with job.watch.stage("read"):
            data = images(data, seed=job.seed, verify=embed_all)
        # The split is known now, and held-out images must not influence crop and size.
        suited = _suited(extractor, training_examples(data), free_size)
        if suited != chosen[0]:
            chosen[0] = suited
            embed_again(data)
    data.check_classes()
    left_out = sum(note.action == "left out" for note in data.intake)
    if left_out:
        job.notes.append(f"{left_out} left out of the folder: see intake.csv")
    return data, chosen[0], vectors


def examples_of(data: Data) -> list[Example]:
    """All images of `data`, each with its part."""
    return [
        Example(path, name, (), split, digest=digest)
        for split, part in data.parts.items()
        for path, name, digest in zip(part.inputs, part.names, part.digests, strict=True)
    ]


def training_examples(data: Data) -> list[Example]:
    """The images of the training part."""
    return [each for each in examples_of(data) if each.split == "train"]


def without_trained_on(data: Data, parent: Predictor, job: Job) -> Data:
    """The data without held-out images that `parent` was trained on."""
    trained_on, start = parent.trained_on(), parent.folder
    if parent.doubt:
        job.notes.append(f"held-out images that {start} was trained on can't be left out: {parent.doubt}")
    part = data.held_out
    unseen = np.array([digest not in trained_on for digest in part.digests])
    if unseen.all():
        return data
    if not unseen.any():
        raise InputError(f"{data.source}: {start} was trained on every held-out image; hold out others, or start anew")
    job.notes.append(f"{int((~unseen).sum())} held-out images left out: {start} was trained on them")
    held_out = part.chosen(np.flatnonzero(unseen))
    return replace(data, test=held_out) if data.test is not None else replace(data, validation=held_out)


def _suited(extractor: Extractor, examples: Sequence[Example], free_size: bool) -> Extractor:
    """The extractor, without a crop if the images are small: a crop would lose pixels, and enlarging adds none."""
    if isinstance(extractor.weights, Path) and extractor.weights.suffix == ".keras":
        return extractor  # with the crop of the artifact
    side = side_of(examples)
    crop = 1.0 if side < extractor.input_size else extractor.crop
    size = sizes_for(side, extractor)[0] if free_size else extractor.input_size
    return replace(extractor, crop=crop, input_size=size)


def side_of(examples: Sequence[Example]) -> float:
    """Median length of the shorter side of up to 128 images, in pixels; infinite for none."""
    spread = examples[:: max(1, len(examples) // 64)]
    probes = (decoding.probe(example.path) for example in spread)
    return float(median(min(probe.width, probe.height) for probe in probes)) if spread else math.inf


def sizes_for(side: float, extractor: Extractor) -> tuple[int, ...]:
    """Input sizes to choose from for pictures with such a shorter side, the smallest first; for photos that of the row.

    Args:
        side: in pixels.
        extractor: has the backbone.
    """
    row = row_of(extractor.backbone)
    small = tuple(size for size in SMALL_SIZES if row.least_input_size <= size < row.input_size)
    return small if small and ENLARGED * side <= row.input_size else (extractor.input_size,)


def embeddings_of(part: Part, vectors: dict[str, np.ndarray]) -> np.ndarray:
    """Embeddings of the examples in `part`, float32 (examples, width), from `vectors` by digest."""
    return np.stack([vectors[digest] for digest in part.digests])


def input_kind(extractor: Extractor, data: Data | None = None) -> Images:
    """The kind of input that `extractor` takes; with how the numbers of `data` are written."""
    spellings = () if data is None else data.kind.spellings
    size = (extractor.input_size, extractor.input_size)
    return Images(size, extractor.crop, spellings=spellings, bits=extractor.bits)
