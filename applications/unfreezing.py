"""Training of the last blocks of a backbone, which begins with a fitted head.

Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution":
linear probing first, then fine-tuning from there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from applications import backbones
from applications.assembling import classifier
from applications.features import Extractor
from applications.linear_heads import Head
from applications.views import BATCH, Pixels, Views
from zoo import progress
from zoo.builders.loading import last_layer
from zoo.evaluation.calibration import as_logits, as_probabilities, temperature
from zoo.training import loop
from zoo.training.checkpoints import Checkpoint
from zoo.training.optimizers import optimizer

if TYPE_CHECKING:
    import keras

SHARES = (0.25, 0.5, 0.75, 1.0)


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
        epochs: passes over the images.
        learning_rate: at its peak.
        augment: names in `AUGMENTATIONS`.
        seed: of everything random.
    """

    blocks: int
    epochs: int
    learning_rate: float
    augment: tuple[str, ...]
    seed: int


class Choice(NamedTuple):
    """What an inner split says of the training.

    Attributes:
        history: of the training on one side.
        share: of the way from the head on the frozen backbone to the trained weights, one of `SHARES`.
        temperature: the number by which the logits are divided there, so that probabilities are calibrated.
        outputs: for the other side, at that share and temperature.
    """

    history: loop.History
    share: float
    temperature: float
    outputs: np.ndarray


class Unfrozen:
    """The last blocks and the head as one model, trained on new views of the images in each epoch.

    The training begins with a fitted head. It ends somewhere on the straight line between the weights that it began
    with and those that it reached: the mean of both is often better than either, and nearer to what the backbone knew.
    How far is chosen by an inner split, which also sets a temperature, as longer training makes surer. `note`
    tells what is trained, and where the pixels are.

    Targets are as outputs are, float (images, outputs).

    Args:
        extractor: has the backbone.
        head: of the model that is trained; that of an inner split is given to `choose`.
        files: of the training images.
        targets: of them.
        recipe: of the training.

    Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", section 3, for the line.
    """

    def __init__(
        self, extractor: Extractor, head: Head, files: Sequence[Path], targets: np.ndarray, recipe: Recipe
    ) -> None:
        import keras

        self.recipe = recipe
        self.targets = targets.astype(np.float32)
        self.activation = head.activation
        self.loss = keras.losses.get(LOSSES[head.activation].name)
        counts = self.targets.sum(axis=0)
        self.class_weights = len(targets) / (len(counts) * counts) if head.weighted else None  # as scikit-learn's
        self.frequencies = np.log(counts / counts.sum()) if head.weighted and not head.equal else 0.0
        self.classifier = classifier(extractor, head)
        cut = backbones.cut(extractor.keras_model, extractor.backbone, recipe.blocks)
        self.lower, self.upper = backbones.split(self.classifier, cut)
        for layer in self.upper.layers:
            # Batch statistics of a small folder would spoil those of millions of photos.
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
        self.initial = self.upper.get_weights()
        self.pixels = Pixels(files, extractor)
        what = "a new view of each image" if recipe.augment else "the images as they are"
        self.note = f"the layers above {cut} are trained for {recipe.epochs} epochs on {what}"
        if self.pixels.kept is None:
            self.note += f", decoded again in each: in memory they would take {self.pixels.bytes / 2**30:.1f} GiB"

    def choose(self, head: Head, inner: np.ndarray, outer: np.ndarray, checkpoint: Checkpoint | None = None) -> Choice:
        """Train on one side of an inner split, and choose by the other how far to go; the weights are then those.

        Args:
            head: fitted on `inner`.
            inner: int64, positions of the images to train on.
            outer: int64, positions of the images to choose by.
            checkpoint: to go on from after a kill.
        """
        history = self._train(head, inner, checkpoint)
        start, end = self._start(head), self.upper.get_weights()
        answers: dict[float, list[np.ndarray]] = {share: [] for share in SHARES}
        with progress.bar("choosing", len(outer)) as advance:
            for at in range(0, len(outer), BATCH):
                chosen = outer[at : at + BATCH]
                below = self.lower.predict_on_batch(self.pixels[chosen])
                for share, outputs in answers.items():
                    self._go(head, start, end, share)
                    outputs.append(self.upper.predict_on_batch(below))
                advance(len(chosen))
        outputs = {share: np.concatenate(parts) for share, parts in answers.items()}
        losses = {share: float(np.mean(self.loss(self.targets[outer], each))) for share, each in outputs.items()}
        share = min(losses, key=losses.__getitem__)  # before a temperature, which would go further for a few images
        best = Choice(history, share, *self._calibrated(outputs[share], outer))
        self._go(head, start, end, best.share)
        return best

    def _calibrated(self, outputs: np.ndarray, outer: np.ndarray) -> tuple[float, np.ndarray]:
        """The temperature for outputs of the images at `outer`, and these with it; 1 for numbers.

        It is at least 1: of images by which the training was chosen nearly all may be right by luck.
        """
        if self.activation == "linear":
            return 1.0, outputs
        several, targets = self.activation == "sigmoid", self.targets[outer]
        logits = as_logits(outputs.astype(np.float64), several)
        heat = max(1.0, temperature(logits, targets if several else targets.argmax(axis=1), several))
        return heat, as_probabilities(logits / heat, several).astype(np.float32)

    def train(self, head: Head, share: float, heat: float = 1.0, checkpoint: Checkpoint | None = None) -> keras.Model:
        """Train on all images, go `share` of the way, divide the logits by `heat`, and return the whole model."""
        self._train(head, np.arange(len(self.targets)), checkpoint)
        self._go(head, self._start(head), self.upper.get_weights(), share, heat)
        return self.classifier

    def features(self, chosen: np.ndarray) -> np.ndarray:
        """What the head takes, with the weights as they are, float32 (images, width).

        Args:
            chosen: int64, positions of the images.
        """
        import keras

        model = keras.Model(self.classifier.inputs[0], last_layer(self.classifier).input)
        batches = (self.pixels[chosen[at : at + BATCH]] for at in range(0, len(chosen), BATCH))
        return np.concatenate([model.predict_on_batch(batch) for batch in batches])

    def _start(self, head: Head) -> list[np.ndarray]:
        """Weights of the upper part before the training.

        Where rare classes have more weight, it is without the frequencies of the classes that the head's bias has.
        """
        return [*self.initial[:-2], head.kernel, (head.bias - self.frequencies).astype(np.float32)]

    def _go(self, head: Head, start: list[np.ndarray], end: list[np.ndarray], share: float, heat: float = 1.0) -> None:
        """Set the weights on the way from `start` to `end`, with the frequencies of the classes and a temperature."""
        weights = [one + np.float32(share) * (other - one) for one, other in zip(start, end, strict=True)]
        *weights, kernel, bias = weights
        last = [kernel / heat, (bias + self.frequencies) / heat]
        self.upper.set_weights([*weights, *(each.astype(np.float32) for each in last)])

    def _train(self, head: Head, chosen: np.ndarray, checkpoint: Checkpoint | None) -> loop.History:
        import keras

        keras.utils.set_random_seed(self.recipe.seed)
        self.upper.set_weights(self._start(head))
        below, recipe = self.lower.predict_on_batch, self.recipe
        views = Views(self.pixels, self.targets, chosen, below, recipe.augment, recipe.seed, self.class_weights)
        return loop.fit(
            self.upper,
            views,
            loss=self.loss,
            epochs=recipe.epochs,
            optimizer=optimizer("adam", recipe.learning_rate, steps=len(views) * recipe.epochs, warm_up=0.1),
            checkpoint=checkpoint,
        )


def gains(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Mean decrease of the loss from `before` to `after`, float64 (examples,) each, and its standard error."""
    falls = before - after
    return float(falls.mean()), float(falls.std(ddof=1) / math.sqrt(len(falls))) if len(falls) > 1 else math.inf
