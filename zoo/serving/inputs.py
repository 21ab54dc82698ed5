"""What one request of a model is made of, field by field, as a form shows it to a person."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.artifacts import example
from zoo.kinds.signatures import columns
from zoo.serving.answering import DEFAULT, IMAGE, Answering
from zoo.tasks.registry import task_of


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
        nulls may follow the last step; ``code`` has ``length``. What the files don't say is left out.
    """
    signature, description = answering.signatures[DEFAULT].inputs, card["input"]
    kind = description.get("kind", "images")
    if IMAGE in signature and kind == "images":
        return [{"name": IMAGE, "type": "image"}]
    if task_of(card).drawn:
        code = {"name": "code", "type": "code", "length": signature["code"].shape[-1]}
        label = {"name": "label", "type": "category", "column": "label", "categories": card["classes"], "only": True}
        return [code, *([label] if "label" in signature else [])]
    values, layers = example.read(folder) or {}, _layers(folder / "model.keras")
    if kind == "table":
        found = _fields(description, layers.get("Categories", {}).get("categories"))
    elif kind == "text":
        words = layers.get("TextVectorization", {})
        known = {"words": words.get("vocabulary"), "length": words.get("output_sequence_length")}
        found = [{"name": "text", "type": "text"} | {key: value for key, value in known.items() if value}]
    else:
        length, shorter = signature["sequence"].shape[1], description["length"] is None
        found = [{"name": "sequence", "type": "sequence", "features": description["features"]}]
        found[0] |= {"length": length, "shorter": shorter}
    return [each | ({"example": values[each["name"]]} if each["name"] in values else {}) for each in found]


def _fields(description: dict[str, Any], categories: list[list[str]] | None) -> list[dict[str, Any]]:
    """Of a table."""
    order = {column: at for at, column in enumerate(description.get("columns", ()))}
    found = []
    for name, (group, position) in columns(description).items():
        column = description[group][position]
        field = {"name": name, "column": column, "type": "number" if group == "numeric" else "category"}
        if group == "categorical" and categories:
            field["categories"] = categories[position]
        found.append(field)
    return sorted(found, key=lambda field: order.get(field["column"], len(order)))


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
