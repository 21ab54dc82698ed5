"""Scores of generated images by a judge, a classifier of the real images, beside those of a simple generator."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import InputError, Notice
from zoo.evaluation.distributions import frechet, pca_gaussian, precision_recall
from zoo.evaluation.samples import GenerationEvaluation
from zoo.files import atomic_file, cache_folder, digest

if TYPE_CHECKING:
    import keras

VERSION = 1  # of cached judges; another one trains all of them again
BATCH = 256  # images of a forward pass
MOST = 20_000  # training examples of a judge; more improve it little
LARGE = 10_000  # examples from which on a few epochs are enough
PARTS = 20  # of a mixture of Gaussians; more take long and are little better
FILTERS = (16, 32, 64, 64)  # channels of a judge's stages; small images have the first two


@dataclass(frozen=True)
class Judge:
    """A classifier of real images, with its accuracy.

    Attributes:
        model: float32 pixels 0-255 (batch, height, width, channels) to a list of embedding, float32 (batch, width),
            and probabilities, float32 (batch, classes).
        accuracy: share of the held-out examples that it gets right.
        examples: number of these examples.
        classes: names, in the order of the probabilities.
    """

    model: keras.Model
    accuracy: float
    examples: int
    classes: tuple[str, ...]

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Embedding float32 (images, width), as `embed_and_classify` gives it."""
        return self.embed_and_classify(pixels)[0]

    def embed_and_classify(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embedding float32 (images, width), what comes before the classes, and probabilities (images, classes).

        Args:
            pixels: uint8 or float (images, height, width, channels), 0-255; there may be none.

        Raises:
            ValueError: images of another shape.
        """
        shape = tuple(self.model.input_shape[1:])
        if pixels.shape[1:] != shape:
            raise ValueError(f"expected images of shape {shape}, received {pixels.shape[1:]}")
        outputs = tuple(np.zeros((len(pixels), shape[-1]), np.float32) for shape in self.model.output_shape)
        for start in range(0, len(pixels), BATCH):
            batch = pixels[start : start + BATCH].astype(np.float32)
            for values, answer in zip(outputs, self.model(batch, training=False), strict=True):
                values[start : start + BATCH] = answer
        return outputs


def trained_judge(data: Any, train: Callable[..., Any], *, seed: int = 0) -> Judge:
    """The judge of images like those of `data`: a small `cnn`, trained on at most 20,000 of its training examples.

    It is cached: the same data and seed give the same judge. If it is not in the cache it is trained, and `zoo.train`
    sets the seeds of everything random.

    Args:
        data: images and their classes, as `zoo.data` reads them; of an image folder with ``input`` set.
        train: as `zoo.train`.
        seed: of the choice of examples, the weights and the order.

    Raises:
        InputError: no images, no classes, nothing held out, or images of one pixel on a side.
    """
    if data.task.several or len(data.task.counts(data.train.targets)) < 2:
        raise InputError(
            f"{data.source}: a judge of images needs two classes or more, one an image; received {data.task.name} with "
            f"{len(data.classes)}"
        )
    if not data.kind.pictures or not data.input:
        raise InputError(f"{data.source}: a judge needs images of a known size, received {data.input or 'no input'}")
    import keras

    # The fingerprint is that of the files, the size that they are decoded to is in `input`; and what one Keras wrote
    # another may read otherwise.
    identity = [VERSION, keras.__version__, data.fingerprint, data.input, seed]
    key = sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_folder("judges") / f"{key}.keras"
    judge = _kept(path, data.classes)
    if judge is None:
        judge = _trained(data, train, seed)
        with atomic_file(path) as partial:
            judge.model.save(partial)
            scores = {"accuracy": judge.accuracy, "examples": judge.examples, "sha256": digest(partial)}
        with atomic_file(path.with_suffix(".json")) as partial:
            partial.write_text(json.dumps(scores | {"check": _check(scores)}), encoding="utf-8")
    return judge


def _trained(data: Any, train: Callable[..., Any], seed: int) -> Judge:
    import keras

    order = np.random.default_rng(seed).permutation(len(data.train))
    _, first = np.unique(data.train.targets[order], return_index=True)  # a rare class may be in none of the few
    rows = np.unique(np.concatenate([order[:MOST], order[first]]))
    halvings = int(np.log2(min(data.kind.size)))
    trained = train(
        "cnn",
        replace(data, train=data.train.chosen(rows)),
        model={"filters": FILTERS[: max(min(halvings, 2), halvings - 2)], "units": 64, "dropout": 0.2},
        epochs=6 if len(rows) >= LARGE else None,
        learning_rate=3e-3,
        validation=0,  # no epoch is chosen: all examples are learnt from
        seed=seed,
    )
    # The last layer takes the embedding; dropout between them does nothing outside of training.
    network = trained.model
    model = keras.Model(network.input, [network.layers[-1].input, network.output], name="judge")
    return Judge(model, trained.evaluation.accuracy, trained.evaluation.examples, data.classes)


def _kept(path: Path, classes: tuple[str, ...]) -> Judge | None:
    """The cached judge at `path`; None if there is none, or a damaged one."""
    from zoo.builders.loading import loaded

    try:
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        valid = facts.get("check", _check(facts)) == _check(facts)  # those of 0.1.0 have none
        if not valid or facts["sha256"] != digest(path):  # damaged, or the half of another run's
            warnings.warn(f"{path} is damaged, and trained again", Notice, stacklevel=2)
            return None
        return Judge(loaded(path), float(facts["accuracy"]), int(facts["examples"]), classes)
    except FileNotFoundError:
        return None
    except Exception:  # Keras raises whatever it meets in a file that it can't open
        warnings.warn(f"{path} is damaged, and trained again", Notice, stacklevel=2)
        return None


def _check(scores: dict[str, Any]) -> str:
    """Checksum of the cached scores of a judge."""
    return sha256(repr([scores["accuracy"], scores["examples"], scores["sha256"]]).encode()).hexdigest()


def evaluate_samples(
    pixels: np.ndarray,
    data: Any,
    held_out_pixels: np.ndarray,
    judge: Judge,
    *,
    train_pixels: np.ndarray,
    part: str,
    requested: np.ndarray | None = None,
    components: int = 32,
    seed: int = 0,
) -> GenerationEvaluation:
    """Score generated images against held-out ones, beside as many of `pca_gaussian` and of a mixture of such.

    Args:
        pixels: the generated ones, uint8 or float (images, height, width, channels), 0-255.
        data: brings the classes of what is held out.
        held_out_pixels: the real ones, of the same kind; or some of them.
        judge: of the same data.
        train_pixels: images of the same kind that the baseline is fitted on.
        part: name of the held-out part, as "test".
        requested: int (images,), the requested classes as positions; None if no classes were requested.
        components: of the baseline; as many as there can be, if those are fewer.
        seed: of the baseline and of choices among many images.

    Raises:
        ValueError: images of another shape, no images, pixels that are not finite, or another number of classes.
    """
    if requested is not None and np.shape(requested) != (len(pixels),):
        raise ValueError(f"expected a class for each of {len(pixels)} images, received {np.shape(requested)}")
    real = judge.embed(held_out_pixels)
    shares = np.bincount(data.held_out.targets, minlength=len(judge.classes)) / len(data.held_out)
    numbers, seen = _scores(pixels, judge, real, shares, seed)
    components = min(components, len(train_pixels), int(np.prod(train_pixels.shape[1:])))
    several = min(PARTS, len(train_pixels) // (5 * components))  # fewer examples make no covariance
    baselines = {}
    for parts in [1, several] if several > 1 else [1]:
        name = "Gaussian" if parts == 1 else f"mixture of {parts} Gaussians"
        simple = pca_gaussian(train_pixels, components, len(pixels), seed, parts)
        baselines[f"{name} of {components} principal components"] = _scores(simple, judge, real, shares, seed)[0]
    return GenerationEvaluation(
        part=part,
        samples=len(pixels),
        **numbers,
        classes=len(judge.classes),
        agreement=None if requested is None else float((seen == requested).mean()),
        judge_accuracy=judge.accuracy,
        baselines=baselines,
    )


def _scores(
    pixels: np.ndarray, judge: Judge, real: np.ndarray, shares: np.ndarray, seed: int
) -> tuple[dict[str, float], np.ndarray]:
    """The scores that don't depend on the requested classes, and the predicted class of each image, int64 (images,).

    Args:
        pixels: (images, height, width, channels), 0-255.
        judge: embeds and classifies the images.
        real: its embedding of the real images.
        shares: of the classes among the real images, float (classes,).
        seed: of choices among many images.
    """
    embedding, probabilities = judge.embed_and_classify(pixels)
    distance = frechet(real, embedding)
    precision, recall = precision_recall(real, embedding, seed=seed)
    seen = probabilities.argmax(axis=1)
    shares_seen = np.bincount(seen, minlength=len(shares)) / len(seen)
    present = shares_seen[shares_seen > 0]
    return {
        "frechet": distance,
        "precision": precision,
        "recall": recall,
        "coverage": int(((shares_seen > 0) & (shares_seen >= shares / 10)).sum()),
        "entropy": float((present * np.log(1 / present)).sum() / np.log(max(2, len(shares)))),
    }, seen
