"""SavedModel export of every task, from the answer that it says itself."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.builders.loading import UNIT
from zoo.kinds.signatures import specification
from zoo.tasks import forms

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from zoo.tasks.task import Task


def saved_model(model: keras.Model, folder: Path, *, task: Task, description: dict[str, Any]) -> None:
    """Write `model` to `folder` as a SavedModel that needs no code of this project.

    Its signature ``serving_default`` takes raw inputs. Images: ``image_bytes``, string (batch,) of encoded files.
    Tables: a tensor (batch,) a column, float32 or string, named as `zoo.kinds.signatures.columns` says. Text: ``text``,
    string (batch,). Sequences: ``sequence``, float32 (batch, length, features). Generators: ``code`` float32 (batch,
    width), and with classes ``label`` string (batch,). It answers with the values of the task, names as strings.

    A model of images and one network has two more: ``serving_pixels``: ``pixels`` float32 (batch, height, width,
    channels), 0-255 -> the same; ``embed``: ``image_bytes`` -> ``embedding`` float32 (batch, width), what the last
    layer takes. A model of several networks has those that it says itself; see `Composite.signatures`.

    Args:
        model: raw inputs to outputs; of images, pixels 0-255.
        folder: made if absent.
        task: with its names, and what was found in training.
        description: `zoo.data.Data.input`, or that of codes.
    """
    import tensorflow as tf

    if description.get("length", 0) is None and hasattr(model, "longest"):  # shorter ones are padded with rows of NaN
        description = description | {"length": model.longest}
    specs, assemble = specification(description)
    assemble = tf.function(assemble)  # traced once for all signatures
    signatures: dict[str, Any] = {}
    if hasattr(model, "signatures"):
        run = task.network_outputs(model)
        signatures = model.signatures(assemble, specs)
    elif description["kind"] == "images":
        both = _with_embedding(model)
        pixels = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="pixels")
        called = tf.function(lambda pixels: tuple(both(pixels, training=False)), [pixels])
        signatures["serving_pixels"] = tf.function(lambda pixels: _said(task, task.named(called(pixels)[0])), [pixels])
        signatures["embed"] = tf.function(
            lambda image_bytes: {"embedding": called(assemble(image_bytes))[1]}, list(specs.values())
        )

        def run(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
            return task.named(called(pixels)[0])
    else:
        run = task.network_outputs(model)
    serve = tf.function(lambda **tensors: _said(task, run(assemble(**tensors))))
    signatures = {"serving_default": serve.get_concrete_function(**specs), **signatures}
    module = module_of(model)
    with tempfile.TemporaryDirectory() as place:
        if task.names:
            labels = Path(place, "labels.txt")
            labels.write_text("\n".join(task.names) + "\n", encoding="utf-8")
            module.labels = tf.saved_model.Asset(str(labels))
        for name, function in signatures.items():
            setattr(module, name, function)
        tf.saved_model.save(module, str(folder), signatures=signatures)


def _said(task: Task, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    from keras import ops

    return forms.in_graph(task, task.answer(outputs, {}, ops))


def _with_embedding(model: keras.Model) -> keras.Model:
    """`model` with a second output, what its last layer takes."""
    import keras

    last = next(layer for layer in reversed(model.layers) if layer.name != UNIT)
    return keras.Model(model.inputs, [model.output, last.input])


def module_of(model: keras.Model) -> tf.Module:
    """What a SavedModel keeps of `model`: its variables, and the tables of words in it.

    Not the model, nor Keras' own variables: of these a SavedModel has copies, and where it is loaded into a session, as
    TensorFlow Serving does, the copies are restored rather than what the signatures read. (Seen with Keras 3.15;
    `tf.saved_model.load` sets both.)
    """
    import tensorflow as tf

    table = tf.saved_model.experimental.TrackableResource
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    # Layer by layer: TensorFlow does not see those in a list of a layer.
    parts = [part for layer in model._flatten_layers() for part in tf.train.TrackableView(layer).descendants()]
    module.tables = list({id(part): part for part in parts if isinstance(part, table)}.values())
    return module
