"""Graphs for other runtimes: functions of named tensors of numbers, without strings and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.artifacts.card import requested_kind
from zoo.builders.loading import loaded
from zoo.keras_internals import all_layers
from zoo.tasks.forms import FORMS, portable
from zoo.tasks.registry import task_of

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

CODES = {
    "code": "what the decoder takes",
    "mean": "of the code; what the decoder takes",
    "log_variance": "of the code",
}


class Graph(NamedTuple):
    """One file of a format.

    Attributes:
        name: model, encoder or decoder.
        function: tensors by name to a dict of tensors.
        specs: what it takes; the batch axis is free.
        meanings: of inputs and outputs, in words.
    """

    name: str
    function: Callable[..., dict[str, tf.Tensor]]
    specs: dict[str, tf.TensorSpec]
    meanings: dict[str, str]

    def answers(self) -> dict[str, tf.TensorSpec]:
        """What it gives: name -> type and shape."""
        import tensorflow as tf

        outputs = tf.function(self.function, autograph=False).get_concrete_function(**self.specs).structured_outputs
        return {name: tf.TensorSpec(value.shape, value.dtype) for name, value in outputs.items()}


def graphs(model: keras.Model, card: dict[str, Any]) -> list[Graph]:
    """The graphs of an artifact's model for other runtimes: one, and one for each network that can be used alone.

    Args:
        model: as `zoo.builders.loading.loaded` gives it.
        card: of the artifact.
    """
    import tensorflow as tf
    from keras import ops

    from zoo.builders.models import without_preprocess

    task, kind = task_of(card), requested_kind(card, model)
    raw, meanings = _specs(kind.tensors(model)), kind.meanings()
    preprocess = kind.preprocess_of(model)
    network = model if preprocess is None else without_preprocess(model)
    run, values = task.network_outputs(network), portable(task)

    def ready(tensors: dict[str, tf.Tensor]) -> Any:
        return kind.prepare(preprocess, tensors)

    def answer(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = run(ready(tensors))
        answers = task.answer(outputs, {}, ops).values
        return {name: FORMS[value.form].graph(task.names, answers[name]) for name, value in values.items()}

    meanings |= {name: value.meaning for name, value in values.items()}
    made = [Graph("model", answer, raw, meanings)]
    for name, (takes_inputs, function) in (model.parts() if hasattr(model, "parts") else {}).items():
        if takes_inputs:

            def part(function: Any = function, **tensors: tf.Tensor) -> dict[str, tf.Tensor]:
                return function(ready(tensors))

            made.append(Graph(name, part, raw, meanings | CODES))
        else:
            code = {"code": tf.TensorSpec([None, *model.code_shape], tf.float32, name="code")}
            made.append(Graph(name, function, code, meanings | CODES))
    return made


def in_float32(path: Path) -> keras.Model:
    """The model in a file with every layer in float32, for runtimes without mixed precision."""
    model = loaded(path)
    for layer in all_layers(model):
        layer.dtype_policy = "float32"
    return model


def is_float32(model: keras.Model) -> bool:
    """Whether no layer of `model` computes in half precision."""
    return all(layer.compute_dtype not in ("float16", "bfloat16") for layer in all_layers(model))


def _specs(tensors: dict[str, tuple[str, tuple[int | None, ...]]]) -> dict[str, tf.TensorSpec]:
    import tensorflow as tf

    return {name: tf.TensorSpec([None, *shape], dtype, name=name) for name, (dtype, shape) in tensors.items()}
