"""SavedModel export, and the gate that proves it equal to the Keras model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.builders.loading import UNIT
from zoo.kinds.signatures import specification

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def saved_model(
    model: keras.Model, folder: Path, *, classes: tuple[str, ...], task: str, description: dict[str, Any]
) -> None:
    """Write `model` to `folder` as a SavedModel that needs no code of this project.

    Its signature ``serving_default`` takes raw inputs. Images: ``image_bytes``, string (batch,) of encoded files.
    Tables: a tensor (batch,) a column, float32 or string, named as `zoo.kinds.signatures.columns` says. Text: ``text``,
    string (batch,). Sequences: ``sequence``, float32 (batch, length, features).

    It answers with ``label`` string (batch,), ``probability`` float32 (batch,) and ``probabilities`` float32 (batch,
    classes), for several labels with those of at least 0.5 joined by ``;`` in ``label``; or, where numbers are asked
    for, with ``prediction`` float32 (batch, values).

    Images have two more: ``serving_pixels``: ``pixels`` float32 (batch, height, width, channels), 0-255 -> the same;
    ``embed``: ``image_bytes`` -> ``embedding`` float32 (batch, width), what the last layer takes.

    Args:
        model: raw inputs to probabilities or values; of images, pixels 0-255.
        folder: made if absent.
        classes: names, in the order of the output.
        task: as `zoo.data.Data` has it.
        description: `zoo.data.Data.input`.
    """
    import keras
    import tensorflow as tf

    specs, assemble = specification(description)
    images = description["kind"] == "images"
    last = next((layer for layer in reversed(model.layers) if layer.name != UNIT), None) if images else None
    both = keras.Model(model.inputs, [model.output, last.input]) if images else model
    names = tf.constant(classes)

    def answer(probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
        if task in ("regression", "forecasting"):
            return {"prediction": probabilities}
        if task == "multi_label":
            chosen = tf.ragged.boolean_mask(tf.broadcast_to(names, tf.shape(probabilities)), probabilities >= 0.5)
            label = tf.strings.reduce_join(chosen, axis=1, separator=";")
        else:
            label = tf.gather(names, tf.argmax(probabilities, axis=1))
        return {"label": label, "probability": tf.reduce_max(probabilities, axis=1), "probabilities": probabilities}

    module = module_of(both)
    signatures = {}
    if images:

        @tf.function(input_signature=[tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="pixels")])
        def run(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return tuple(both(pixels, training=False))

        signatures["serving_default"] = tf.function(
            lambda image_bytes: answer(run(assemble(image_bytes))[0]), list(specs.values())
        )
        signatures["serving_pixels"] = tf.function(lambda pixels: answer(run(pixels)[0]), run.input_signature)
        signatures["embed"] = tf.function(
            lambda image_bytes: {"embedding": run(assemble(image_bytes))[1]}, list(specs.values())
        )
    else:
        serve = tf.function(lambda **tensors: answer(both(assemble(**tensors), training=False)))
        signatures["serving_default"] = serve.get_concrete_function(**specs)
    with tempfile.TemporaryDirectory() as place:
        labels = Path(place, "labels.txt")
        labels.write_text("\n".join(classes) + "\n", encoding="utf-8")
        module.labels = tf.saved_model.Asset(str(labels))
        for name, function in signatures.items():
            setattr(module, name, function)
        tf.saved_model.save(module, str(folder), signatures=signatures)


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
