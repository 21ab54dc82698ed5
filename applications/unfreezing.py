"""Training of the last blocks of a backbone, which begins with a fitted head.

Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution":
linear probing first, then fine-tuning from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from applications import backbones
from applications.assembling import classifier
from applications.features import Extractor
from applications.linear_heads import Head
from zoo import progress
from zoo.kinds.images import decoding
from zoo.training import loop
from zoo.training.augmentation import AUGMENTATIONS as PLAIN
from zoo.training.augmentation import augmentation
from zoo.training.batches import Arrays
from zoo.training.optimizers import optimizer

if TYPE_CHECKING:
    import keras

BATCH = 32
VIEWS = 4  # augmented versions of each training image, besides the image itself
MEMORY = 2 << 30  # bytes that cached views may take
AUGMENTATIONS = (*PLAIN, "mixup")


class Loss(NamedTuple):
    """What is minimised: the name of Keras, and in words."""

    name: str
    called: str


LOSSES = {  # by the activation of the head
    "softmax": Loss("CategoricalCrossentropy", "log loss"),
    "sigmoid": Loss("BinaryCrossentropy", "log loss"),
    "linear": Loss("MeanSquaredError", "squared error, in squared deviations,"),
}


@dataclass(frozen=True)
class Recipe:
    """How to train the last blocks.

    Attributes:
        blocks: number of blocks.
        epochs: at most; early stopping chooses the best.
        learning_rate: at its peak.
        augment: names in `AUGMENTATIONS`.
        seed: of everything random.
    """

    blocks: int
    epochs: int
    learning_rate: float
    augment: tuple[str, ...]
    seed: int


class Unfrozen:
    """The last blocks and the head as one model, and its inputs: outputs of the frozen blocks for augmented images.

    Targets are as outputs are, float (images, outputs).

    The frozen blocks never change, so their outputs are computed once for a fixed number of augmented views of each
    image. If these don't fit in memory, they are computed in each epoch; `note` says which, and why.
    """

    def __init__(
        self, extractor: Extractor, head: Head, files: Sequence[Path], targets: np.ndarray, recipe: Recipe
    ) -> None:
        import keras

        self.extractor, self.recipe, self.files = extractor, recipe, files
        self.targets = targets.astype(np.float32)
        self.loss = LOSSES[head.activation].name
        counts = self.targets.sum(axis=0)
        self.class_weights = len(targets) / (len(counts) * counts) if head.weighted else None  # as scikit-learn's
        self.classifier = classifier(extractor, head)
        cut = backbones.cut(self.classifier, extractor.backbone, recipe.blocks)
        self.lower, self.upper = backbones.split(self.classifier, cut)
        for layer in self.upper.layers:
            # Batch statistics of a small folder would spoil those of millions of photos.
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
        self.initial = self.upper.get_weights()
        keras.utils.set_random_seed(recipe.seed)
        self.augmentation = _augmentation(recipe.augment, recipe.seed)
        self.pixels = self._pixels()
        views = VIEWS if recipe.augment else 0  # without augmentation a view is the image itself
        size = 4 * int(np.prod(self.lower.output_shape[1:])) * len(files) * (views + 1)
        self.cached = size <= MEMORY
        what = f"{views} augmented views of each image" if views else "images as they are"
        self.note = f"{what}, cached below {cut} ({size / 2**20:.0f} MiB)"
        if not self.cached:
            anew = "augmented" if views else "computed"
            self.note = f"{anew} anew in each epoch: views below {cut} would take {size / 2**30:.1f} GiB of memory"
        self.plain = self._below(self.pixels, "freezing") if self.cached else None
        self.views = [self._view(number) for number in range(views)] if self.cached else []

    def choose(self, head: Head, inner: np.ndarray, outer: np.ndarray) -> tuple[loop.History, np.ndarray]:
        """Train on one side of an inner split, and find the best epoch by the other.

        Args:
            head: fitted on `inner`.
            inner: int64, positions of the images to train on.
            outer: int64, positions of the images to score each epoch on.

        Returns:
            the history, and the outputs for `outer` at its best epoch.
        """
        validation = (self._plain(outer), self.targets[outer])
        history = self._train(head, inner, validation, None)
        return history, self.upper.predict(validation[0], batch_size=BATCH, verbose=0)

    def train(self, head: Head, epochs: int) -> keras.Model:
        """Train on all images for `epochs`, and return the whole model."""
        self._train(head, np.arange(len(self.files)), None, epochs)
        return self.classifier

    def _train(self, head: Head, chosen: np.ndarray, validation: Any, stop_at: int | None) -> loop.History:
        import keras

        keras.utils.set_random_seed(self.recipe.seed)
        self.upper.set_weights(self.initial)
        self.upper.layers[-1].set_weights([head.kernel, head.bias])
        batches, epochs = _Batches(self, chosen), self.recipe.epochs
        return loop.fit(
            self.upper,
            batches,
            loss=keras.losses.get(self.loss),
            epochs=epochs,
            optimizer=optimizer("adam", self.recipe.learning_rate, steps=len(batches) * epochs, warm_up=0.1),
            validation=None if validation is None else Arrays(*validation, batch_size=BATCH),
            patience=max(4, self.recipe.epochs // 2),
            stop_at=stop_at,
        )

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Inputs of the upper part, targets, and weights if classes have them; one view of each image."""
        inputs, targets = self._batch(indices, rng)
        return (inputs, targets) if self.class_weights is None else (inputs, targets, targets @ self.class_weights)

    def _batch(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        if not self.cached:
            return self._augmented(self.pixels[indices], self.targets[indices])
        views = rng.integers(0, len(self.views) + 1, len(indices))
        versions = [(self.plain, self.targets), *self.views]
        inputs = np.stack([versions[view][0][index] for view, index in zip(views, indices, strict=True)])
        targets = np.stack([versions[view][1][index] for view, index in zip(views, indices, strict=True)])
        return inputs, targets

    def _pixels(self) -> np.ndarray:
        size = (self.extractor.input_size,) * 2
        return np.stack([decoding.decode(file, size, self.extractor.crop, self.extractor.bits) for file in self.files])

    def _plain(self, indices: np.ndarray) -> np.ndarray:
        return self.plain[indices] if self.cached else self._below(self.pixels[indices], "freezing")

    def _below(self, pixels: np.ndarray, label: str) -> np.ndarray:
        return np.concatenate(list(_batched(self.lower.predict_on_batch, pixels, label)))

    def _view(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        inputs, targets = [], []
        with progress.bar(f"view {number + 1}/{VIEWS}", len(self.pixels)) as advance:
            for start in range(0, len(self.pixels), BATCH):
                chosen = slice(start, start + BATCH)
                below, target = self._augmented(self.pixels[chosen], self.targets[chosen])
                inputs.append(below)
                targets.append(target)
                advance(len(below))
        return np.concatenate(inputs), np.concatenate(targets)

    def _augmented(self, pixels: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, targets = self.augmentation(pixels.astype(np.float32), targets)
        return self.lower.predict_on_batch(images), targets


def gains(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Mean decrease of the loss from `before` to `after`, float64 (examples,) each, and its standard error."""
    falls = before - after
    return float(falls.mean()), float(falls.std(ddof=1) / math.sqrt(len(falls))) if len(falls) > 1 else math.inf


def _batched(function: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray, label: str) -> Iterator[np.ndarray]:
    with progress.bar(label, len(pixels)) as advance:
        for start in range(0, len(pixels), BATCH):
            result = function(pixels[start : start + BATCH].astype(np.float32))
            yield result
            advance(len(result))


def _augmentation(names: tuple[str, ...], seed: int) -> Callable[[np.ndarray, np.ndarray], tuple]:
    """Images float32 0-255 and targets, as outputs are, to their augmented versions."""
    import keras

    change = augmentation([name for name in names if name != "mixup"], seed)
    mix = keras.layers.MixUp(alpha=0.2, seed=seed + 6) if "mixup" in names else None

    def augment(images: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if change.layers:
            images = change(images, training=True)
        if mix is not None:
            mixed = mix({"images": images, "labels": targets}, training=True)
            images, targets = mixed["images"], mixed["labels"]
        return np.asarray(images), np.asarray(targets)

    return augment


class _Batches:
    """Training batches for the upper blocks; each epoch has a new order, and another view of each image."""

    def __init__(self, unfrozen: Unfrozen, chosen: np.ndarray) -> None:
        self.unfrozen, self.chosen = unfrozen, chosen

    def __len__(self) -> int:
        return math.ceil(len(self.chosen) / BATCH)

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, ...]]:
        rng = np.random.default_rng([self.unfrozen.recipe.seed, number])
        order = rng.permutation(self.chosen)
        for start in range(0, len(order), BATCH):
            yield self.unfrozen.batch(order[start : start + BATCH], rng)
