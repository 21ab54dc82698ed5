"""How good generated images are: what a classifier of the real ones sees in them, beside a simple generator."""

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

VERSION = 1  # of what is kept of a judge; another one makes all of them anew
BATCH = 256  # images that are looked at at once
MOST = 20_000  # training examples that a judge learns from; more make it better by little
LARGE = 10_000  # examples from which on a few epochs are enough
PARTS = 20  # of a mixture of Gaussians; more take long and are little better
FILTERS = (16, 32, 64, 64)  # channels of a judge's stages; small images have the first two


@dataclass(frozen=True)
class Judge:
    """A classifier of real images, and how far it can be trusted.

    Attributes:
        model: float32 pixels 0-255 (batch, height, width, channels) to a list of embedding, float32 (batch, width),
            and probabilities, float32 (batch, classes).
        accuracy: share of the held-out examples that it gets right.
        examples: how many those are.
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
        wanted = tuple(self.model.input_shape[1:])
        if pixels.shape[1:] != wanted:
            raise ValueError(f"expected images of shape {wanted}, received {pixels.shape[1:]}")
        found = tuple(np.zeros((len(pixels), shape[-1]), np.float32) for shape in self.model.output_shape)
        for start in range(0, len(pixels), BATCH):
            batch = pixels[start : start + BATCH].astype(np.float32)
            for values, answer in zip(found, self.model(batch, training=False), strict=True):
                values[start : start + BATCH] = answer
        return found


def trained_judge(data: Any, train: Callable[..., Any], *, seed: int = 0) -> Judge:
    """The judge of images like those of `data`: a small `cnn`, trained on at most 20,000 of its training examples.

    It is kept in the cache folder: the same data and seed give the same one. Where it is not there yet it is trained,
    and `zoo.train` sets the seeds of everything random.

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
    known = [VERSION, keras.__version__, data.fingerprint, data.input, seed]
    key = sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_folder("judges") / f"{key}.keras"
    found = _kept(path, data.classes)
    if found is None:
        found = _trained(data, train, seed)
        with atomic_file(path) as partial:
            found.model.save(partial)
            scores = {"accuracy": found.accuracy, "examples": found.examples, "sha256": digest(partial)}
        with atomic_file(path.with_suffix(".json")) as partial:
            partial.write_text(json.dumps(scores | {"check": _check(scores)}), encoding="utf-8")
    return found


def _trained(data: Any, train: Callable[..., Any], seed: int) -> Judge:
    import keras

    order = np.random.default_rng(seed).permutation(len(data.train))
    _, first = np.unique(data.train.targets[order], return_index=True)  # a rare class may be in none of the few
    few = np.unique(np.concatenate([order[:MOST], order[first]]))
    halvings = int(np.log2(min(data.kind.size)))
    trained = train(
        "cnn",
        replace(data, train=data.train.chosen(few)),
        model={"filters": FILTERS[: max(min(halvings, 2), halvings - 2)], "units": 64, "dropout": 0.2},
        epochs=6 if len(few) >= LARGE else None,
        learning_rate=3e-3,
        validation=0,  # no epoch is chosen: all examples are learnt from
        seed=seed,
    )
    # The last layer takes the embedding; dropout between them does nothing outside of training.
    whole = trained.model
    model = keras.Model(whole.input, [whole.layers[-1].input, whole.output], name="judge")
    return Judge(model, trained.evaluation.accuracy, trained.evaluation.examples, data.classes)


def _kept(path: Path, classes: tuple[str, ...]) -> Judge | None:
    """The judge that is kept at `path`; None where it is not, or is damaged."""
    from zoo.builders.loading import loaded

    try:
        known = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        whole = known.get("check", _check(known)) == _check(known)  # those of 0.1.0 have none
        if not whole or known["sha256"] != digest(path):  # damaged, or the half of another run's
            warnings.warn(f"{path} is damaged, and trained again", Notice, stacklevel=2)
            return None
        return Judge(loaded(path), float(known["accuracy"]), int(known["examples"]), classes)
    except FileNotFoundError:
        return None
    except Exception:  # Keras raises whatever it meets in a file that it can't open
        warnings.warn(f"{path} is damaged, and trained again", Notice, stacklevel=2)
        return None


def _check(scores: dict[str, Any]) -> str:
    """Sha256 of what is kept beside a judge."""
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
        train_pixels: what the baseline is fitted on, of the same kind.
        part: name of what is held out, as "test".
        requested: int (images,), positions in the classes, of what each image was to be; None if nothing was asked for.
        components: of the baseline; as many as there can be, if those are fewer.
        seed: of the baseline and of choices among many images.

    Raises:
        ValueError: images of another shape, none, or pixels that are not finite; not as many classes asked for.
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
    """The numbers that don't depend on what was asked for, and the class seen in each image, int64 (images,).

    Args:
        pixels: (images, height, width, channels), 0-255.
        judge: looks at them.
        real: its embedding of the real images.
        shares: float (classes,), of the real images.
        seed: of choices among many images.
    """
    embedding, probabilities = judge.embed_and_classify(pixels)
    distance = frechet(real, embedding)
    precision, recall = precision_recall(real, embedding, seed=seed)
    seen = probabilities.argmax(axis=1)
    found = np.bincount(seen, minlength=len(shares)) / len(seen)
    there = found[found > 0]
    return {
        "frechet": distance,
        "precision": precision,
        "recall": recall,
        "coverage": int(((found > 0) & (found >= shares / 10)).sum()),
        "entropy": float((there * np.log(1 / there)).sum() / np.log(max(2, len(shares)))),
    }, seen
