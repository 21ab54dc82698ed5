"""Export to a SavedModel, for every task."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data.kind import Kind
from zoo.keras_internals import all_layers
from zoo.tasks import forms

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from zoo.tasks.task import Task


def saved_model(model: keras.Model, folder: Path, *, task: Task, kind: Kind) -> None:
    """Write `model` to `folder` as a SavedModel that needs no code of this project.

    Its signature ``serving_default`` takes raw inputs, as `Kind.specification` says, and answers with the values of the
    task, names as strings. A model of several networks has further signatures of its own; see `Composite.signatures`. A
    model of one network has those of its kind of input; see `Kind.called`.

    Args:
        model: raw inputs to outputs; of images, pixels 0-255.
        folder: made if absent.
        task: with its names and the values that training set.
        kind: of its inputs, as `zoo.artifacts.card.requested_kind` gives it.
    """
    import tensorflow as tf
    from keras import ops

    specs, _ = kind.specification()
    read = tf.function(kind.reading(task.asks))  # traced once for all signatures

    def assemble(*given: tf.Tensor, **tensors: tf.Tensor) -> tf.Tensor:
        return read(**dict(zip(specs, given, strict=False)), **tensors)[0]

    def values_of(outputs: dict[str, tf.Tensor], request: dict[str, tf.Tensor] | None = None) -> dict[str, tf.Tensor]:
        return forms.in_graph(task, task.answer(outputs, request or {}, ops))

    if hasattr(model, "signatures"):
        run, signatures = task.network_outputs(model), model.signatures(assemble, specs)
    else:
        run, signatures = kind.called(model, task, assemble, values_of)

    @tf.function
    def serve(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs, request = read(**tensors)
        return values_of(run(inputs), request)

    signatures = {"serving_default": serve.get_concrete_function(**specs), **signatures}
    signatures = {name: _concrete(function) for name, function in signatures.items()}
    module = module_of(model, list(signatures.values()))
    with tempfile.TemporaryDirectory() as place:
        if task.names:
            labels = Path(place, "labels.txt")
            labels.write_text("\n".join(task.names) + "\n", encoding="utf-8")
            module.labels = tf.saved_model.Asset(str(labels))
        for name, function in signatures.items():
            setattr(module, name, function)
        tf.saved_model.save(module, str(folder), signatures=signatures)


def module_of(model: keras.Model, functions: Sequence[tf.types.experimental.ConcreteFunction]) -> tf.Module:
    """A module with the resources of `model` that `functions` read: their variables, and the tables of words.

    It does not have the model, nor variables of Keras. A SavedModel would hold copies of these, and a load into a
    session, as that of TensorFlow Serving, would restore the copies instead of the variables that the signatures
    read. (Seen with Keras 3.15; `tf.saved_model.load` sets both.)
    """
    import tensorflow as tf

    read = {id(tensor) for function in functions for tensor in function.captured_inputs}
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables if id(variable.value.handle) in read]
    # Layer by layer, because TensorFlow does not find resources in a list of a layer.
    parts = [part for layer in all_layers(model) for part in tf.train.TrackableView(layer).descendants()]
    table = tf.saved_model.experimental.TrackableResource
    module.tables = list({id(part): part for part in parts if isinstance(part, table)}.values())
    return module


def _concrete(function: Any) -> Any:
    """A function of one signature as traced, so that it is not traced once more to be saved."""
    return function.get_concrete_function() if hasattr(function, "get_concrete_function") else function
