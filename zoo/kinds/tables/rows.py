"""Rows of a table as arrays, and the columns that they come from."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence

import numpy as np

from zoo.data import assembling


def tensor_names(groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, int]]:
    """Name of a tensor -> group of columns (``numeric``, ``categorical``) and position in it.

    Tensors have the names of the columns, with ``_`` for every character that is no letter, digit or underscore. In
    TensorFlow, names of signatures are parameters of a function and don't depend on case. So a keyword of Python and
    ``self`` get the prefix ``column_``, and of names that would be equal, all but the first get a number at the end.
    """
    places: dict[str, tuple[str, int]] = {}
    taken: set[str] = set()
    for group, columns in groups.items():
        for position, column in enumerate(columns):
            plain = re.sub(r"\W", "_", column, flags=re.ASCII)
            if not plain[:1].isalpha() or keyword.iskeyword(plain) or plain == "self":
                plain = f"column_{plain}"
            name, number = plain, 1
            while name.lower() in taken:
                number += 1
                name = f"{plain}_{number}"
            taken.add(name.lower())
            places[name] = (group, position)
    return places


def digests_of(inputs: dict[str, np.ndarray]) -> list[str]:
    """Sha256 of each row."""
    order = ("numeric", "categorical", "dates", "texts")
    return assembling.row_digests(*(inputs[name] for name in order if name in inputs))
