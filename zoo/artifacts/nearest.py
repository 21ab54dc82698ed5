"""The training examples that are nearest to an input, by name, from a model that says what it knows."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np

from zoo.builders.loading import KNOWN
from zoo.errors import InputError

NAMES = "known.json"  # file in the folder of a run: names of the training examples that the model holds, in its order
PRODUCTS = f"{KNOWN}examples"  # name of the layer with the similarities to all of these


class Neighbour(NamedTuple):
    """A training example: its name, and its similarity to an input, a cosine."""

    name: str
    similarity: float


def nearest(predictor: Any, source: Any, count: int) -> list[tuple[Neighbour, ...] | None]:
    """See `zoo.artifacts.predictor.Predictor.nearest`."""
    import keras

    path = predictor.folder / "run" / NAMES
    layers = [layer.name for layer in predictor.model.layers]
    if PRODUCTS not in layers or not path.is_file():
        raise InputError(f"{predictor.folder}: expected a model that holds training examples, as zoo finetune makes it")
    names = json.loads(path.read_text(encoding="utf-8"))
    products = keras.Model(predictor.model.inputs[0], predictor.model.get_layer(PRODUCTS).output)
    _, inputs, errors = predictor.kind.raw(source)
    found: dict[int, tuple[Neighbour, ...]] = {}
    for some in predictor.kind.decoded(inputs, doing="comparing", batch=32):
        errors |= some.errors
        if not len(some.positions):
            continue
        similarities = products.predict_on_batch(some.inputs.astype(np.float32))
        for at, row in zip(some.positions.tolist(), similarities, strict=True):
            order = np.argsort(-row, kind="stable")[:count]
            found[at] = tuple(Neighbour(names[place], float(row[place])) for place in order)
    return [found.get(at) for at in range(len(found) + len(errors))]
