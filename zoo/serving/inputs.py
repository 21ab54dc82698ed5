"""What one request of a model is made of, field by field, as a form shows it to a person."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.artifacts import example
from zoo.artifacts.card import requested_kind
from zoo.serving.answering import DEFAULT, Answering


def inputs_of(folder: Path, card: dict[str, Any], answering: Answering) -> list[dict[str, Any]]:
    """The fields of a request, in the order in which the training data has them.

    Args:
        folder: of the version.
        card: of the version.
        answering: opened from it.

    Returns:
        of each input a dict with ``name``, by which it is asked, ``type``, and perhaps ``example``, a value that a
        training example had. By type: ``image``; ``number`` and ``category`` have ``column``, the name in the table,
        and a category the ``categories`` that training knew; ``text`` has ``words``, the vocabulary, and ``length``,
        how many words are read; ``sequence`` has ``features``, ``length``, None for any, and ``shorter``, whether
        nulls may follow the last step; ``code`` has ``length``; ``numbers`` have ``shape``. What the files don't say is
        left out.
    """
    shapes = {name: tensor.shape[1:] for name, tensor in answering.signatures[DEFAULT].inputs.items()}
    values = example.read(folder) or {}
    found = requested_kind(card).form(shapes, _layers(folder / "model.keras"))
    return [each | ({"example": values[each["name"]]} if each["name"] in values else {}) for each in found]


def _layers(path: Path) -> dict[str, dict[str, Any]]:
    """Class name -> arguments of the layers in a Keras file, which is read without Keras."""
    try:
        with zipfile.ZipFile(path) as file:
            return dict(_configs(json.loads(file.read("config.json"))))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # served without it, as TensorFlow Serving would be
        return {}


def _configs(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(config, list):
        for each in config:
            yield from _configs(each)
    elif isinstance(config, dict):
        if isinstance(config.get("config"), dict):
            yield str(config.get("class_name")), config["config"]
        for each in config.values():
            yield from _configs(each)
