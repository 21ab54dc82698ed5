"""Loading of saved Keras models, after the layers of this project are registered."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError
from zoo.keras_internals import operation_of

if TYPE_CHECKING:
    import keras

# Names of layers that are added to a network: they convert outputs to the unit of the target, turn logits into
# probabilities, and give each of two classes its own.
UNIT = "unit_of_the_target"
PROBABILITIES, OTHER, BOTH = "probabilities", "probability_of_the_first", "probability_of_both"
FEATURES = "features"  # name of the layer that joins features of several depths of a backbone, the embedding first
KNOWN = "known_"  # beginning of the names of layers that compare inputs with training examples


def last_layer(model: keras.Model) -> keras.layers.Layer:
    """The last layer of a network, without those that were added behind it or beside it."""
    added = (UNIT, PROBABILITIES, OTHER, BOTH)
    return next(
        layer for layer in reversed(model.layers) if layer.name not in added and not layer.name.startswith(KNOWN)
    )


def embedding_of(model: keras.Model) -> keras.KerasTensor:
    """The embedding of a network: what its last layer takes; of features of several depths, those of the last one."""
    features = last_layer(model).input
    operation = operation_of(features)
    return features if operation is None or operation.name != FEATURES else operation.input[0]


def loaded(path: Path) -> keras.Model:
    """The Keras model in a file, with the layers of this project known to Keras."""
    import keras

    import zoo.builders.layers  # noqa: F401 - makes them known

    return keras.models.load_model(path, safe_mode=True, compile=False)


class UnknownLayersError(InputError):
    """A saved model has layers or functions of a user that are not registered in this process."""


def unknown(path: Path) -> list[str]:
    """Layers and functions in a ``.keras`` file that are not registered in this process; none if it is damaged."""
    try:
        with zipfile.ZipFile(path) as file:
            config = json.loads(file.read("config.json"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return []
    return _in_thread(lambda: list(dict.fromkeys(name for name, _ in _foreign(config))))


def _foreign(config: Any) -> Iterator[tuple[str, bool]]:
    """Unregistered layers and functions in the configuration of a model: name, and whether it is a lambda."""
    import keras

    if isinstance(config, list):
        for each in config:
            yield from _foreign(each)
    if not isinstance(config, dict):
        return
    kind, name = config.get("class_name"), config.get("registered_name")
    if kind == "__lambda__" or (set(config) == {"value"} and isinstance(config["value"], list)):
        yield "lambda", True
    elif kind == "function":
        try:
            keras.saving.deserialize_keras_object(config)
        except (TypeError, ValueError):
            yield str(config.get("config")), False
    else:
        own = isinstance(kind, str) and isinstance(name, str) and str(config.get("module")).split(".")[0] != "keras"
        if own and keras.saving.get_registered_object(name) is None:
            yield name, False
        for each in config.values():
            yield from _foreign(each)


def _in_thread(work: Callable[[], Any]) -> Any:
    """The result of `work`, which runs in a thread of its own."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()
