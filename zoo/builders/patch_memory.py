"""Detection of anomalies by the nearest neighbours of patches: a memory of normal patches behind frozen features."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.arrays import apply, together
from zoo.builders.models import Composite

BATCH = 256  # images of a forward pass
CANDIDATES = 40_000  # patches that a memory is chosen from
BLOCK = 512  # patches of the memory that distances are computed to at a time
ROUND = 64  # patches that are chosen before distances are computed again, out of eight times as many
LEAST = 1e-3  # deviation of a channel over the largest one, under which it stays as small as that


@keras.saving.register_keras_serializable("zoo")
class PatchMemory(Composite):
    """A memory of patches of normal images. An image is as odd as its patch that is farthest from all of the memory.

    `adapt` fills the memory, in one step: nothing is learnt by gradients. Channels are brought to mean 0 and deviation
    1 on the normal patches, so that each counts alike; a distance is the mean squared difference over the channels.

    Input: what `features` takes. Output: the score of each image, float32 (batch,), and the distances float32 (batch,
    height, width) of the patch around each pixel, between patches bilinearly.

    Args:
        features: frozen; images (height, width, channels) to patch features (rows, columns, width).
        patches: number of patches in the memory.
    """

    NETWORKS = ("features",)
    SETTINGS = ("patches",)
    TASK = "anomaly_detection"

    def __init__(self, features: keras.Model, patches: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.features, self.patches = features, patches
        self.features.trainable = False
        width = features.output_shape[-1]
        fixed = {"trainable": False, "dtype": "float32"}
        self.memory = self.add_weight((patches, width), "zeros", name="memory", **fixed)
        self.mean = self.add_weight((width,), "zeros", name="mean", **fixed)
        self.scale = self.add_weight((width,), "ones", name="scale", **fixed)
        self.threshold = self.add_weight((), "zeros", name="threshold", **fixed)
        self.built = True
        # Of many images, a faster function from uint8 images to the output of `features`, image by image. Not saved.
        self.embed: Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]] | None = None
        self.candidates = _Candidates()

    def untrained(self) -> PatchMemory:
        """The same frozen features, and an empty memory."""
        twin = type(self)(self.features, self.patches, name=self.name)
        twin.embed, twin.candidates = self.embed, self.candidates
        return twin

    def with_threshold(self, threshold: float) -> PatchMemory:
        """This model, an image with a score over `threshold` being an anomaly."""
        self.threshold.assign(threshold)
        return self

    @property
    def entry(self) -> Any:
        """Images, symbolic."""
        return self.features.input

    def call(self, inputs: Any, training: bool = False) -> tuple[Any, Any]:
        """Scores and distances."""
        distances = self.distances(self.features(ops.cast(inputs, "float32"), training=False))
        height, width = self.features.input_shape[1:3]
        rows, columns = distances.shape[1:]
        down = ops.convert_to_tensor(stretching(rows, height))
        across = ops.convert_to_tensor(stretching(columns, width).T)
        return ops.max(distances, axis=(1, 2)), ops.matmul(ops.matmul(down, distances), across)

    def distances(self, features: Any) -> Any:
        """Distances of patches to the nearest one in the memory, float32 (batch, rows, columns).

        Args:
            features: (batch, rows, columns, width).
        """
        rows, columns, width = features.shape[1:]
        patches = (ops.cast(ops.reshape(features, (-1, width)), "float32") - self.mean) * self.scale
        square = ops.sum(ops.square(patches), axis=-1)
        nearest = None
        for start in range(0, self.patches, BLOCK):
            known = self.memory[start : min(start + BLOCK, self.patches)]
            products = ops.matmul(patches, ops.transpose(known))
            least = ops.min(ops.sum(ops.square(known), axis=-1) - 2.0 * products, axis=-1)
            nearest = least if nearest is None else ops.minimum(nearest, least)
        distances = ops.maximum(square + nearest, 0.0) / width
        return ops.reshape(distances, (-1, rows, columns))

    def score(self, inputs: np.ndarray) -> np.ndarray:
        """The score of each image, float32 (images,)."""
        farthest = [
            apply(lambda part: ops.max(self.distances(part), axis=(1, 2)), features)
            for features in self.embedded(inputs)
        ]
        return np.concatenate(farthest) if farthest else np.zeros(0, np.float32)

    def is_anomaly(self, inputs: np.ndarray) -> np.ndarray:
        """Whether the score is over `threshold`, bool (images,)."""
        return self.score(inputs) > float(self.threshold)

    def embedded(self, inputs: np.ndarray) -> Iterator[np.ndarray]:
        """Patch features of some images after the other, float32 (images, rows, columns, width)."""
        batch = together(int(np.prod(self.features.output_shape[1:])), BATCH)
        if self.embed is None or inputs.dtype != np.uint8:
            for start in range(0, len(inputs), batch):
                yield apply(self.features, inputs[start : start + batch], batch=BATCH)
            return
        some: list[np.ndarray] = []
        for at, features in enumerate(self.embed(inputs), 1):
            some.append(features)
            if len(some) == batch or at == len(inputs):
                yield np.stack(some)
                some = []

    def adapt(self, inputs: np.ndarray, positions: np.ndarray | None = None, seed: int = 0) -> None:
        """Fill the memory with patches of normal images.

        Args:
            inputs: images as `features` takes them.
            positions: of the images to learn from, int64; None for all. With them, several memories share the
                features of the same images.
            seed: of the patches that the memory is chosen from.

        Source: Roth et al. 2022, "Towards Total Recall in Industrial Anomaly Detection", section 3.2: the patches of
            the memory are chosen so that the farthest other patch is near.
        """
        rng = np.random.default_rng(seed)
        patches, images = self.candidates.of(self, inputs, rng)
        if positions is not None:
            patches = patches[np.isin(images, positions)]
        mean, deviation = patches.mean(axis=0), patches.std(axis=0)
        scale = (1 / np.maximum(deviation, LEAST * deviation.max() or 1.0)).astype(np.float32)
        patches = (patches - mean) * scale
        chosen = patches[spread(patches, self.patches, rng)]
        self.memory.assign(np.resize(chosen, (self.patches, chosen.shape[1])))  # of few patches, some twice
        self.mean.assign(mean)
        self.scale.assign(scale)

    def signatures(self, assemble: Any, specs: Mapping[str, Any]) -> dict[str, Any]:
        """Further signatures of a SavedModel: none."""
        return {}


class _Candidates:
    """Some patch features of the images of one array, computed once for several memories."""

    def __init__(self) -> None:
        self.array: weakref.ref | None = None
        self.kept: tuple[np.ndarray, np.ndarray] | None = None

    def of(self, model: PatchMemory, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Patches drawn from all images alike, float32 (patches, width), and the position of the image of each."""
        if self.array is None or self.array() is not inputs or self.kept is None:
            rows, columns, width = model.features.output_shape[1:]
            each = min(rows * columns, max(1, CANDIDATES // len(inputs)))
            drawn, images = [], np.arange(len(inputs))
            for features in model.embedded(inputs):
                patches = features.reshape(len(features), -1, width)
                at = rng.permuted(np.tile(np.arange(rows * columns), (len(patches), 1)), axis=1)[:, :each]
                drawn.append(np.take_along_axis(patches, at[..., None], axis=1).reshape(-1, width))
            self.kept = np.concatenate(drawn), np.repeat(images, each)
            self.array = weakref.ref(inputs)
        return self.kept


def spread(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of `count` rows, or of all if there are fewer, so that each other row is near one of them.

    The farthest rows are taken one after the other, and distances of all rows to them are computed a round at a time.

    Args:
        rows: float32 (rows, width).
        count: how many.
        rng: draws the first one.

    Source: Gonzalez 1985, "Clustering to Minimize the Maximum Intercluster Distance", the farthest-first traversal.
    """
    square = np.square(rows).sum(axis=1)
    new = rng.integers(len(rows), size=1)
    chosen, nearest = [new], np.full(len(rows), np.inf, np.float32)
    left = min(count, len(rows)) - 1
    while left > 0:
        known = square[new][:, None] + square - 2 * (rows[new] @ rows.T)
        nearest = np.minimum(nearest, np.maximum(known.min(axis=0), 0))
        nearest[new] = -1  # never again
        some = min(ROUND, left, sum(map(len, chosen)))
        pool = np.argpartition(-nearest, min(8 * some, len(rows)) - 1)[: 8 * some]
        apart = square[pool][:, None] + square[pool] - 2 * (rows[pool] @ rows[pool].T)
        away, new = nearest[pool].copy(), np.zeros(some, np.int64)
        for at in range(some):
            farthest = int(away.argmax())
            new[at] = pool[farthest]
            away = np.minimum(away, np.maximum(apart[farthest], 0))
            away[farthest] = -1
        chosen.append(new)
        left -= some
    return np.concatenate(chosen)


def stretching(count: int, wanted: int) -> np.ndarray:
    """The matrix that stretches a line of `count` values to `wanted` ones bilinearly: float32 (wanted, count).

    Centres of values are half a value from their edges, and the line goes on beyond its ends as it ends.
    """
    places = (np.arange(wanted) + 0.5) * count / wanted - 0.5
    return np.stack([np.interp(places, np.arange(count), line) for line in np.eye(count)], axis=1).astype(np.float32)
