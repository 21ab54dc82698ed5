"""Models of a backbone and a head, of plain layers of Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from applications import depths, known
from applications.features import Extractor
from applications.linear_heads import Head
from zoo.builders.loading import FEATURES, last_layer
from zoo.keras_internals import operation_of
from zoo.tasks.known import FAMILIARITY
from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras


def classifier(extractor: Extractor, head: Head) -> keras.Model:
    """One Keras model from pixels to what `head` gives: the backbone, then `head` as a Dense layer.

    Args:
        extractor: has the backbone.
        head: its kernel and bias are copied.
    """
    import keras

    backbone = extractor.keras_model
    features = depths.joined(depths.tensors(backbone, extractor.backbone, head.group))
    layer = keras.layers.Dense(len(head.bias), activation=head.activation, name="predictions")
    model = keras.Model(backbone.inputs[0], layer(features), name=f"{backbone.name}_classifier")
    layer.set_weights([head.kernel, head.bias])
    return model


def in_unit(task: Task, network: keras.Model, scale: Any) -> keras.Model:
    """The model that answers in the unit of the targets.

    Args:
        task: of the targets.
        network: from pixels to what is learnt.
        scale: as `task.learnt` returns it.
    """
    return network if scale is None else task.inference_model(network, None, scale)


def with_known(task: Task, model: keras.Model, memory: known.Memory | None) -> keras.Model:
    """The model with a second output, how familiar a photo is; `model` itself without a memory.

    Args:
        task: of the targets.
        model: a `classifier`, maybe `in_unit`.
        memory: of the training part.
    """
    import keras

    if memory is None:
        return model
    features = last_layer(model).input
    joins = operation_of(features)
    parts = list(joins.input) if joins.name == FEATURES else [features]
    outputs = {task.outputs[0]: model.output, FAMILIARITY: known.familiarity(parts, memory, model.output)}
    return keras.Model(model.inputs[0], outputs, name=model.name)
