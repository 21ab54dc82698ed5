"""Classifiers of ImageNet's 1,000 classes, ready without training: artifacts, made and proven at their first use."""

from __future__ import annotations

import io
import warnings
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from applications import efficientnet_lite
from applications.backbones import find
from applications.weights import CHECKPOINTS, arrays
from zoo import freezing
from zoo.artifacts import artifact, checksums, inference_graph, saved_model
from zoo.artifacts import card as cards
from zoo.artifacts.gate import Gate, Parity, compare
from zoo.artifacts.predictor import Predictor, model_outputs
from zoo.builders.loading import loaded
from zoo.data.parts import Files
from zoo.errors import InputError, Notice
from zoo.files import cache_folder, locked, remove_run
from zoo.kinds.images.kind import Images
from zoo.settings import short_hash
from zoo.tasks.classification import Classification

if TYPE_CHECKING:
    from PIL import Image

TRAINED_ON = "1,281,167 photos of ImageNet (ILSVRC 2012), which are not listed here"
LARGEST = 0  # position of a class that has 1,300 training photos, as many as no class exceeds
PHOTOS = ("china.jpg", "flower.jpg")  # of scikit-learn, 640 x 427 pixels
CROPS = 12  # of each photo, for the gate


def classifier(name: str = "efficientnet_lite0") -> Predictor:
    """A pretrained network that tells ImageNet's 1,000 classes, without training.

    The first call makes an artifact in the cache folder, which takes about as long as an export; later ones open it.

    Args:
        name: a backbone whose weights are in a package: efficientnet_lite0, or efficientnet_lite1 and
            efficientnet_lite2 of the extra ``backbones``.

    Returns:
        what `zoo.load` returns: its `predict` takes photos.

    Raises:
        InputError: `name` is no such backbone.
        WeightsUnavailable: the package with its weights is not installed.
        JobError: the exported model is not equal to the network.
    """
    return artifact.load(version(name))


def version(name: str) -> Path:
    """The version folder of the artifact of a pretrained network, made and proven if it is not in the cache folder.

    Two processes that need it at once make it once. An artifact whose files were changed is made again.

    Args:
        name: as `classifier` takes it.

    Raises:
        InputError, WeightsUnavailable, JobError: see `classifier`.
    """
    if name not in CHECKPOINTS:
        find(name)  # raises for what is no backbone at all
        raise InputError(
            f"expected a network whose weights with classes are in a package, one of {', '.join(CHECKPOINTS)}; "
            f"received {name}, which can learn your classes: zoo finetune PATH --backbone {name}"
        )
    row = find(name)
    task = Classification(class_names(), LARGEST)
    kind = Images((row.input_size, row.input_size), row.crop)
    card = {"backbone": name, "weights": "imagenet", "trained_on": TRAINED_ON, "input": kind.to_card()}
    # What is made of other weights, names or preprocessing, or with a card of another format, is another artifact.
    place = cache_folder("pretrained") / short_hash(CHECKPOINTS[name].sha256, cards.FORMAT, card, task.to_card())
    out = place / name
    if (there := _newest(out)) is not None:
        return there
    weights = arrays(name)  # missing ones are told before anything is written
    with locked(place / "run", wait=True) as run:
        if (there := _newest(out)) is None:  # no other process made it meanwhile
            warnings.warn(
                f"{name} is made ready once, in {out}: its export is proven equal to it", Notice, stacklevel=2
            )
            there = _made(name, weights, task, kind, card, out, run)
        remove_run(run)
    return there


def class_names() -> tuple[str, ...]:
    """Names of ImageNet's classes, in the order of the outputs of its networks; no two are alike.

    Source: WordNet 3.0 and Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition Challenge"; see the head
        of ``imagenet_classes.tsv``.
    """
    text = files("applications").joinpath("imagenet_classes.tsv").read_text(encoding="utf-8")
    return tuple(line.split("\t")[1] for line in text.splitlines() if not line.startswith("#"))


def _newest(out: Path) -> Path | None:
    """The newest version in `out`, if its files are as they were published."""
    versions = artifact.versions(out) if out.is_dir() else {}
    if not versions:
        return None
    newest = versions[max(versions)]
    if any(not problem.startswith("unexpected") for problem in checksums.check(newest)):
        return None
    return newest


def _made(
    name: str,
    weights: dict[str, dict[str, np.ndarray]],
    task: Classification,
    kind: Images,
    card: dict[str, Any],
    out: Path,
    run: Path,
) -> Path:
    """Export the network with its classifier, and prove the export equal to it on photos."""
    with Gate() as gate:
        model = efficientnet_lite.keras_model(name, include_top=True)
        efficientnet_lite.assign(model, weights)

        def export(folder: Path) -> None:
            saved_model.saved_model(model, folder, task=task, kind=kind)

        def prove(folder: Path) -> tuple[Parity, dict[str, Any]]:
            inputs = Files(photos())
            answers = gate.run(folder, inputs, kind, list(task.values()))
            saved = loaded(folder / "model.keras")
            shipped = freezing.traced(saved, saved.input_shape)
            expected = model_outputs(task, shipped, inputs, kind)
            inference_graph.keep(folder, task, kind, shipped, inputs, expected)
            return compare(task, expected, answers(), kind.formats(inputs)), task.to_card()

        return artifact.write_version(model, card, out=out, run=run, export=export, prove=prove)


def photos(seed: int = 0) -> list[bytes]:
    """Real photos for the gate: two of scikit-learn as they are, and crops of them as JPEG and PNG in turn.

    Args:
        seed: of the places and sizes of the crops.
    """
    from PIL import Image

    random = np.random.default_rng(seed)
    encoded = []
    for name in PHOTOS:
        with as_file(files("sklearn.datasets.images").joinpath(name)) as path:
            encoded.append(path.read_bytes())
        photo = Image.open(io.BytesIO(encoded[-1]))
        for number in range(CROPS):
            encoded.append(_crop(photo, random, ("JPEG", "PNG")[number % 2]))
    return encoded


def _crop(photo: Image.Image, random: np.random.Generator, form: str) -> bytes:
    sides = [int(random.integers(side // 4, side)) for side in photo.size]
    left, top = (int(random.integers(0, side - part)) for side, part in zip(photo.size, sides, strict=True))
    file = io.BytesIO()
    photo.crop((left, top, left + sides[0], top + sides[1])).save(file, form)
    return file.getvalue()
