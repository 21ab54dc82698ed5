"""Columns of categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.data import frames
from zoo.data.frames import Frame
from zoo.data.unseen import KnownCategories, TrainingValues
from zoo.kinds.tables.group import Group

if TYPE_CHECKING:
    import tensorflow as tf

UNSEEN = "\2 never seen"


@dataclass(frozen=True)
class Categories(Group):
    """Categories, strings (rows, columns); empty where missing."""

    name: ClassVar[str] = "categorical"
    layer: ClassVar[str] = "categories"
    tensor: ClassVar[str] = "categorical"
    dtype: ClassVar[str] = "int32"

    def read(self, frame: Frame) -> tuple[np.ndarray, dict[int, str]]:
        """See `Group.read`; every value is one."""
        return frames.stacked(frame, self.columns), {}

    def missing(self, values: np.ndarray) -> np.ndarray:
        """See `Group.missing`."""
        return values == ""

    def summary(self, values: np.ndarray, at: int) -> tuple[str, str]:
        """See `Group.summary`."""
        return f"category, {len(set(values[:, at]) - {''})} different", "a category of its own"

    def field(self, at: int, layers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """With the categories that training knew."""
        known = layers.get("Categories", {}).get("categories")
        return {"type": "category"} | ({"categories": known[at]} if known else {})

    def training_values(self, tensor: str, at: int, layers: Mapping[str, Mapping[str, Any]]) -> TrainingValues | None:
        """The categories."""
        known = layers.get("Categories", {}).get("categories")
        return KnownCategories(tensor, self.columns[at], frozenset(known[at])) if known else None

    def made_up(self, preprocess: Any, count: int, rng: np.random.Generator) -> np.ndarray:
        """Known categories."""
        columns = [rng.choice(np.array(names, object), count) for names in self._known(preprocess)]
        return np.stack(columns, axis=1)

    def unseen(self) -> str:
        """A new category."""
        return UNSEEN

    def meaning(self) -> str:
        """See `Group.meaning`."""
        unknown = "positions in the lists of categories.json, -1 for another value"
        return f"columns {', '.join(self.columns)}; {unknown}"

    def numbers(self, preprocess: Any, values: np.ndarray) -> np.ndarray:
        """The position of each category among those of training, -1 for others."""
        places = [{each: at for at, each in enumerate(names)} for names in self._known(preprocess)]
        ids = [[place.get(str(each), -1) for each in column] for column, place in zip(values.T, places, strict=True)]
        return np.array(ids, np.int32).T.reshape(-1, len(places))

    def prepare(self, preprocess: Any, tensor: tf.Tensor) -> tf.Tensor:
        """A column of 0 and 1 for each category; all are 0 for -1."""
        import tensorflow as tf

        hot = [
            tf.cast(tf.equal(tensor[:, at : at + 1], tf.range(len(names))[None]), tf.float32)
            for at, names in enumerate(self._known(preprocess))
        ]
        return tf.concat(hot, axis=1)

    def beside(self, preprocess: Any) -> tuple[str, Sequence[Sequence[str]]]:
        """The categories of each column."""
        return "categories.json", self._known(preprocess)

    def _known(self, preprocess: Any) -> Sequence[Sequence[str]]:
        return preprocess.get_layer(self.layer).categories
