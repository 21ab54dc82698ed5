"""What a generator takes: drawn codes, and perhaps the class of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.data.kind import Kind, Raw
from zoo.data.notes import Note
from zoo.data.parts import Inputs, Part
from zoo.errors import InputError
from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclass(frozen=True)
class Codes(Kind):
    """Codes from a standard normal distribution; no file has them.

    Attributes:
        width: of a code.
        classes: that can be requested; empty for a model without.
    """

    width: int
    classes: tuple[str, ...] = ()

    name: ClassVar[str] = "code"
    plural: ClassVar[str] = "codes"
    title: ClassVar[str] = "generators"
    takes: ClassVar[str] = "code float32 (batch, width); of a conditional model also label int32 (batch,)"
    fits_int8: ClassVar[bool] = False

    def raw(self, source: Any, *, every: bool = False) -> Raw:
        """There are none to be read."""
        raise InputError("a generator takes drawn codes, which are in no file; leave the path out")

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """There are none to be read."""
        raise InputError("a generator takes drawn codes, which are in no file; leave the path out")

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Of one code."""
        return (self.width,)

    def specification(self) -> tuple[dict[str, tf.TensorSpec], Callable[..., Any]]:
        """Codes, and of a conditional model labels; one that is none of the classes is an error."""
        import tensorflow as tf

        specs = {"code": tf.TensorSpec([None, self.width], tf.float32, name="code")}
        if not self.classes:
            return specs, lambda code: code
        names = tf.constant(self.classes)

        def both(code: tf.Tensor, label: tf.Tensor) -> list[tf.Tensor]:
            same = label[:, None] == names[None]
            known = tf.debugging.Assert(tf.reduce_all(tf.reduce_any(same, axis=1)), ["no such label", label])
            with tf.control_dependencies([known] if known is not None else []):
                return [code, tf.argmax(tf.cast(same, tf.int32), axis=1, output_type=tf.int32)]

        return specs | {"label": tf.TensorSpec([None], tf.string, name="label")}, both

    def feeds(self, inputs: Inputs) -> dict[str, Any]:
        """As they are."""
        return inputs

    def made_up(self, model: keras.Model, count: int, rng: np.random.Generator) -> Inputs:
        """Drawn codes; classes take turns."""
        inputs = {"code": rng.standard_normal((count, self.width), np.float32)}
        labels = [self.classes[at % len(self.classes)] for at in range(count)] if self.classes else []
        return inputs | ({"label": np.array(labels, object)} if labels else {})

    def preprocess_of(self, model: keras.Model) -> keras.Model | None:
        """There is none."""
        return None

    def tensors(self, model: keras.Model) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        """Codes, and classes as whole numbers."""
        label: dict[str, tuple[str, tuple[int | None, ...]]] = {"label": ("int32", ())} if self.classes else {}
        return {"code": ("float32", (self.width,)), **label}

    def meanings(self) -> dict[str, str]:
        """See `Kind.meanings`."""
        return {"code": "drawn from a standard normal distribution", "label": "position in labels.txt"}

    def numbers(self, model: keras.Model, inputs: Inputs) -> dict[str, np.ndarray]:
        """See `Kind.numbers`."""
        place = {name: at for at, name in enumerate(self.classes)}
        labels = {"label": np.array([place[str(each)] for each in inputs["label"]], np.int32)} if place else {}
        return {"code": np.asarray(inputs["code"], np.float32)} | labels

    def form(self, shapes: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The length of a code, and the classes."""
        code = {"name": "code", "type": "code", "length": shapes["code"][-1]}
        label = {"name": "label", "type": "category", "column": "label", "categories": list(self.classes), "only": True}
        return [code, *([label] if self.classes else [])]
