"""Scores of generated images, by a judge that is trained on the same data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.dataset import Data
from zoo.evaluation import judge
from zoo.evaluation.baselines import few, flat
from zoo.evaluation.samples import GenerationEvaluation
from zoo.tasks.classification import Classification

COMPONENTS = 64  # of the Gaussian that is the baseline, and of the embedding where there are no classes


def has_judge(data: Data) -> bool:
    """Whether a classifier can be trained to judge images like those of `data`."""
    return not data.task.several and len(data.task.counts(data.train.targets)) > 1


def scorer(
    data: Data, inputs: np.ndarray, asked: np.ndarray, seed: int, train: Callable[..., Any]
) -> Callable[[np.ndarray, np.ndarray | None], GenerationEvaluation]:
    """A function that scores generated images against held-out ones, beside Gaussians of principal components.

    Args:
        data: where it has classes, a classifier trained on it is the judge; else principal components are.
        inputs: real images, uint8, of the training part.
        asked: of the held-out part.
        seed: of what is drawn.
        train: as `zoo.train`, for the judge.

    Returns:
        of float32 (images, height, width, channels), pixels 0-255, and int (images,), what each was to be, or None.
    """

    def scored(images: np.ndarray, labels: np.ndarray | None) -> GenerationEvaluation:
        eye, known = (judge.judge(data, train), data) if has_judge(data) else (_components(inputs), _unlabelled(data))
        return judge.judged(
            np.clip(np.round(images), 0, 255).astype(np.uint8),
            known,
            asked,
            eye,
            asked=labels,
            components=COMPONENTS,
            train_pixels=inputs,
            seed=seed,
            part="test" if data.test is not None else "validation",
        )

    return scored


def keep(data: Data, evaluation: Any, run: Path, train: Callable[..., Any]) -> None:
    """Write the judge that `evaluation` is of, if there is one, to the folder `run` as ``judge.keras``."""
    samples = evaluation if isinstance(evaluation, GenerationEvaluation) else getattr(evaluation, "samples", None)
    if samples is not None and has_judge(data):
        judge.judge(data, train).model.save(run / "judge.keras")


def _components(inputs: np.ndarray) -> judge.Judge:
    """Principal components of images as an embedding, where there are no classes to learn one by."""
    import keras
    from sklearn.decomposition import PCA

    rows = flat(inputs)
    rows = rows[few(rows)]
    found = PCA(min(COMPONENTS, *rows.shape), random_state=0).fit(rows)
    images = keras.Input(inputs.shape[1:])
    layer = keras.layers.Dense(len(found.components_), name="components")
    embedding = layer(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images)))
    layer.set_weights([found.components_.T, -found.components_ @ found.mean_])
    single = keras.layers.Dense(1, "sigmoid")(embedding)  # the one class that there is
    return judge.Judge(keras.Model(images, [embedding, single]), None, 0, ("image",))


def _unlabelled(data: Data) -> Data:
    parts = {name: replace(part, targets=np.zeros(len(part), np.int64)) for name, part in data.parts.items()}
    return replace(data, task=Classification(("image",)), **parts)
