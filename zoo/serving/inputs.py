"""The fields of a request, as the form on the page shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.artifacts import example
from zoo.artifacts.card import requested_kind
from zoo.artifacts.layers import layers_of
from zoo.serving.servables import DEFAULT, Servable


def inputs_of(folder: Path, card: dict[str, Any], servable: Servable) -> list[dict[str, Any]]:
    """The fields of a request, in the order of the training data.

    Args:
        folder: of the version.
        card: of the version.
        servable: opened from it.

    Returns:
        for each input a dict with ``name``, its name in a request, ``type``, and perhaps ``example``, the value of a
        training example. By type: ``image``; ``number``, ``written``, ``date`` and ``category`` have ``column``, the
        name in the table, a category the ``categories`` of training and a number that is a string a ``pattern`` of how
        it is written; ``text`` has ``words``, the vocabulary, ``length``, the number of words that are read, and
        ``column``, of a table; ``sequence`` has ``features``, ``length``, None for any, and ``shorter``, whether nulls
        may follow the last step; ``code`` has ``length``; ``numbers`` have ``shape``. Facts that the files lack are
        left out.
    """
    shapes = {name: tensor.shape[1:] for name, tensor in servable.signatures[DEFAULT].inputs.items()}
    values = example.read(folder) or {}
    fields = requested_kind(card).form(shapes, layers_of(folder))
    return [each | ({"example": values[each["name"]]} if each["name"] in values else {}) for each in fields]
