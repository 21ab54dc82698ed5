"""Scores of generated images, by a judge that is trained on the same data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.dataset import Data
from zoo.evaluation.baselines import few, flat
from zoo.evaluation.judge import Judge, evaluate_samples, trained_judge
from zoo.evaluation.samples import GenerationEvaluation
from zoo.tasks.classification import Classification

COMPONENTS = 64  # of the Gaussian that is the baseline, and of the embedding where there are no classes


def has_judge(data: Data) -> bool:
    """Whether a classifier can be trained to judge images like those of `data`."""
    return not data.task.several and len(data.task.counts(data.train.targets)) > 1


def scorer(
    data: Data, inputs: np.ndarray, held_out: np.ndarray, seed: int, train: Callable[..., Any]
) -> Callable[[np.ndarray, np.ndarray | None], GenerationEvaluation]:
    """A function that scores generated images against held-out ones, beside Gaussians of principal components.

    Args:
        data: if it has classes, a classifier trained on it is the judge; else principal components are.
        inputs: real images, uint8, of the training part.
        held_out: real images of the held-out part.
        seed: of the draws.
        train: as `zoo.train`, for the judge.

    Returns:
        a function of float32 (images, height, width, channels), pixels 0-255, and of int (images,), the requested
        classes, or None.
    """

    def scored(images: np.ndarray, labels: np.ndarray | None) -> GenerationEvaluation:
        if has_judge(data):
            judge, labelled = trained_judge(data, train), data
        else:
            judge, labelled = _components(inputs), _unlabelled(data)
        return evaluate_samples(
            np.clip(np.round(images), 0, 255).astype(np.uint8),
            labelled,
            held_out,
            judge,
            requested=labels,
            components=COMPONENTS,
            train_pixels=inputs,
            seed=seed,
            part="test" if data.test is not None else "validation",
        )

    return scored


def keep(data: Data, evaluation: Any, run: Path, train: Callable[..., Any]) -> None:
    """Write the judge behind `evaluation`, if there is one, to the folder `run` as ``judge.keras``."""
    if getattr(evaluation, "is_judged", False) and has_judge(data):
        trained_judge(data, train).model.save(run / "judge.keras")


def _components(inputs: np.ndarray) -> Judge:
    """A judge whose embedding are principal components, for images without classes."""
    import keras
    from sklearn.decomposition import PCA

    rows = flat(inputs)
    rows = rows[few(rows)]
    components = PCA(min(COMPONENTS, *rows.shape), random_state=0).fit(rows)
    images = keras.Input(inputs.shape[1:])
    layer = keras.layers.Dense(len(components.components_), name="components")
    embedding = layer(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images)))
    layer.set_weights([components.components_.T, -components.components_ @ components.mean_])
    single = keras.layers.Dense(1, "sigmoid")(embedding)  # a single class
    return Judge(keras.Model(images, [embedding, single]), None, 0, ("image",))


def _unlabelled(data: Data) -> Data:
    parts = {name: replace(part, targets=np.zeros(len(part), np.int64)) for name, part in data.parts.items()}
    return replace(data, task=Classification(("image",)), **parts)
