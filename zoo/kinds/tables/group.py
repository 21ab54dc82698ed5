"""A group of columns, which one array of the inputs holds: what numbers, dates, categories and texts each do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.data.frames import Frame
from zoo.data.unseen import TrainingValues
from zoo.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Group(ABC):
    """Columns that are read and prepared alike.

    Attributes:
        columns: their names.
    """

    columns: tuple[str, ...]

    name: ClassVar[str]  # of the array in the inputs
    layer: ClassVar[str]  # of the preprocessing, from an array without strings to features
    tensor: ClassVar[str]  # in formats without strings
    dtype: ClassVar[str]  # of that
    values: ClassVar[int] = 1  # of a column in the array

    @property
    def size(self) -> int:
        """Width of the array."""
        return self.values * len(self.columns)

    # ---- reading ----

    @abstractmethod
    def read(self, frame: Frame) -> tuple[np.ndarray, dict[int, str]]:
        """Rows of a table to predict: the array, and by row why one can't be used."""

    def of(self, frame: Frame) -> np.ndarray:
        """The array of rows to learn from.

        Raises:
            InputError: one can't be used.
        """
        values, errors = self.read(frame)
        if errors:
            at = min(errors)
            raise InputError(f"{frame.where}: {frame.names[at]}, {errors[at]}")
        return values

    @abstractmethod
    def missing(self, values: np.ndarray) -> np.ndarray:
        """Bool (rows, columns)."""

    def summary(self, values: np.ndarray, at: int) -> tuple[str, str]:
        """What a column is read as, and what stands in for missing values, in words; of the training part."""
        raise NotImplementedError

    # ---- requests ----

    def is_string(self, at: int) -> bool:
        """Whether the tensor of a column, (batch,), holds strings rather than float32."""
        return True

    def column(self, values: np.ndarray, at: int) -> np.ndarray:
        """The tensor of a column, (rows,)."""
        return values[:, at]

    def from_tensors(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """The array from the tensors of all columns, in the graph of a model."""
        import tensorflow as tf

        return tf.stack(tensors, axis=1)

    @abstractmethod
    def field(self, at: int, layers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The control of a column on a page: its ``type``, and what is known of the values."""

    @abstractmethod
    def training_values(self, tensor: str, at: int, layers: Mapping[str, Mapping[str, Any]]) -> TrainingValues | None:
        """What training had of a column, whose tensor has that name; None where it is not known."""

    # ---- checks of exports ----

    @abstractmethod
    def made_up(self, preprocess: Any, count: int, rng: np.random.Generator) -> np.ndarray:
        """Values (rows, ...) as those of training."""

    @abstractmethod
    def unseen(self) -> Any:
        """A value that training did not have."""

    # ---- formats without strings ----

    def width(self, preprocess: Any) -> int:
        """Of the tensor."""
        return self.size

    @abstractmethod
    def meaning(self) -> str:
        """What the tensor holds, in words."""

    def numbers(self, preprocess: Any, values: np.ndarray) -> np.ndarray:
        """The tensor of an array."""
        return values.astype(self.dtype)

    def prepare(self, preprocess: Any, tensor: tf.Tensor) -> tf.Tensor:
        """Features of a tensor."""
        return preprocess.get_layer(self.layer)(tensor)

    def beside(self, preprocess: Any) -> tuple[str, Sequence[Sequence[str]]] | None:
        """Name of a file, and for each column the strings that positions in the tensor stand for."""
        return None
