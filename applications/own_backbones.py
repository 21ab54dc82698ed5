"""Keras models of users as backbones: what they preprocess, which of their layers is the embedding, and where they end.

A model becomes a file in the cache, from raw pixels to its embedding, which everything else takes as it takes the
network of an artifact.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from applications.backbones import RESCALING
from zoo.artifacts import checksums
from zoo.builders.loading import loaded, unknown
from zoo.errors import InputError
from zoo.files import atomic_folder, cache_folder, digest
from zoo.keras_internals import arguments_of, operation_of
from zoo.settings import integer, suggestion

if TYPE_CHECKING:
    import keras

# What is done to pixels from 0 to 255 before the network: nothing, as it does it itself; a division by 255; or what
# the families of `keras.applications` expect.
PREPROCESSING = ("none", "unit", *RESCALING)
PROBABILITIES = ("softmax", "sigmoid")


class Own(NamedTuple):
    """A network of a user, ready to embed.

    Attributes:
        name: the name of its file, which ends ``.keras``.
        path: its embedding network in the cache; the name has the sha256 of what it was made of.
        input_size: side of the square that it takes, in pixels.
        note: which layer is the embedding, in words.
    """

    name: str
    path: Path
    input_size: int
    note: str


def own_backbone(
    source: str | Path | keras.Model, preprocessing: str | None = None, input_size: int | None = None
) -> Own:
    """The embedding network of a Keras model.

    The embedding is what the last Dense layer takes if the model ends in probabilities (softmax or sigmoid); else the
    output, of feature maps (batch, height, width, channels) their mean over height and width.

    Args:
        source: a ``.keras`` file, or a functional or Sequential model with one input, (batch, height, width, 3).
        preprocessing: one of `PREPROCESSING`; None where the model begins with a Rescaling or Normalization layer: it
            is then taken to expect pixels from 0 to 255.
        input_size: side of the square in pixels; needed where the model takes any.

    Raises:
        InputError: no such file, one that can't be loaded, another form of input or output, or an argument that the
            model needs.
    """
    if preprocessing is not None and preprocessing not in PREPROCESSING:
        hint = suggestion(preprocessing, PREPROCESSING)
        raise InputError(
            f"expected preprocessing to be one of {', '.join(PREPROCESSING)}, received {preprocessing!r}{hint}"
        )
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise InputError(f"{path} does not exist; expected a Keras model, or the name of a backbone")
        name, model, identity = path.name, _opened(path), digest(path)
    else:
        name, model, identity = f"{source.name}.keras", source, _identity(source)
    pixels = _pixels(model, name)
    size = _size(pixels.shape, name, input_size)
    if preprocessing is None and not _begins_with_preprocessing(model):
        raise InputError(
            f"{name} begins with no Rescaling or Normalization layer, so how to preprocess must be said: "
            f"preprocessing (--preprocessing) none where it takes pixels from 0 to 255, unit for 0 to 1, tf for -1 to "
            f"1, or {', '.join(each for each in RESCALING if each != 'tf')}"
        )
    embedding, what = _embedding(model, name)
    preprocessing = preprocessing or "none"
    place = cache_folder("backbones") / f"{identity}-{preprocessing}-{size}.keras"
    if not checksums.sealed(place):
        network = _network(pixels, embedding, preprocessing, size, name)
        with atomic_folder(place.parent) as partial:
            network.save(partial / place.name)
            if names := unknown(partial / place.name):
                raise InputError(
                    f"{name} has layers that can't be opened again: {', '.join(names)}; register them with "
                    "keras.saving.register_keras_serializable, and write a lambda as a layer"
                )
            os.replace(partial / place.name, place)
        checksums.seal(place)
    return Own(name, place, size, f"the embedding of {name} is {what}; preprocessing is {preprocessing}")


def _opened(path: Path) -> keras.Model:
    try:
        return loaded(path)
    except Exception as error:  # Keras raises whatever it meets in a damaged file
        if names := unknown(path):
            raise InputError(
                f"{path}: it has layers that are not known here: {', '.join(names)}; name the file that registers them "
                "with --import FILE, or import it first"
            ) from error
        raise InputError(
            f"{path}: it can't be opened as a Keras model: {' '.join(str(error).split())[:200]}"
        ) from error


def _identity(model: keras.Model) -> str:
    """A sha256 of the layers and the weights of a model in memory."""
    content = sha256(model.to_json().encode())
    for value in model.get_weights():
        content.update(np.ascontiguousarray(value).tobytes())
    return content.hexdigest()


def _pixels(model: keras.Model, name: str) -> Any:
    """The input of a model.

    Raises:
        InputError: it has not one input of three channels and one output.
    """
    try:
        inputs, outputs = model.inputs, model.outputs
    except (AttributeError, ValueError):
        inputs, outputs = None, None
    if not inputs or not outputs:
        raise InputError(
            f"{name}: expected a functional model, or a Sequential one with an Input layer; of others the layers are "
            "not known"
        )
    shape = inputs[0].shape
    if len(inputs) != 1 or len(outputs) != 1 or len(shape) != 4 or shape[-1] != 3:
        received = ", ".join(_shape(each.shape) for each in inputs)
        raise InputError(
            f"{name}: expected one input of images with three channels, (height, width, 3), and one output, received "
            f"{received} and {len(outputs)} of outputs"
        )
    return inputs[0]


def _size(shape: tuple[int | None, ...], name: str, input_size: int | None) -> int:
    """Side of the square of pixels that a model with this input takes."""
    height, width = (side or input_size for side in shape[1:3])
    if height is None or width is None:
        raise InputError(f"{name} takes images of any size: say which with input_size (--input-size)")
    if height != width or input_size not in (None, height):
        wanted = "the input size to be that" if height == width else "an input as high as wide"
        raise InputError(
            f"{name} takes {_shape(shape)}: expected {wanted}, received {height if height != width else input_size}"
        )
    return integer("input_size", height, least=1)


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if side is None else str(side) for side in shape[1:]) + ")"


def _begins_with_preprocessing(model: keras.Model) -> bool:
    """Whether a Rescaling or Normalization layer comes before the first layer that learns."""
    import keras

    for layer in _leaves(model):
        if isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization):
            return True
        if layer.trainable_weights:
            return False
    return False


def _leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model and of those inside it, in order."""
    for layer in model.layers:
        yield from _leaves(layer) if hasattr(layer, "layers") else (layer,)


def _embedding(model: keras.Model, name: str) -> tuple[Any, str]:
    """The embedding of a model, (batch, width) or feature maps, and what it is in words."""
    import keras

    output = model.outputs[0]
    last = operation_of(output)
    if isinstance(last, keras.Model):  # a network inside of this one
        inner, what = _embedding(last, name)
        return keras.Model(last.inputs, inner)(arguments_of(output)), what
    if isinstance(last, keras.layers.Softmax) or _activation(last) in PROBABILITIES:
        logits = output if isinstance(last, keras.layers.Dense) else arguments_of(output)[0]
        if isinstance(head := operation_of(logits), keras.layers.Dense):
            return arguments_of(logits)[0], f"what its last layer, {head.name}, takes"
    if len(output.shape) == 4:
        return output, f"the mean of the feature maps of {last.name}"
    if len(output.shape) == 2 and output.shape[-1] is not None:
        return output, f"its output, that of {last.name}"
    raise InputError(
        f"{name}: expected its output to be an embedding (width), probabilities, or feature maps (height, width, "
        f"channels), received {_shape(output.shape)}"
    )


def _activation(layer: Any) -> str | None:
    return getattr(getattr(layer, "activation", None), "__name__", None)


def _network(pixels: Any, embedding: Any, preprocessing: str, size: int, name: str) -> keras.Model:
    """The network from raw pixels to an embedding. Its last layer does nothing: it is where a head would be."""
    import keras
    from keras import layers

    x = inputs = keras.Input((size, size, 3), name="pixels")
    if preprocessing == "caffe":
        x = keras.ops.flip(x, axis=-1)
    if preprocessing != "none":
        scale, offset = RESCALING.get(preprocessing, (1 / 255, 0.0))
        x = layers.Rescaling(scale, offset, name="preprocessing")(x)
    try:
        x = keras.Model(pixels, embedding, name="own_network")(x)
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{name} takes no images of {size} by {size} pixels: {reason}") from error
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name="mean_of_feature_maps")(x)
    model = keras.Model(inputs, layers.Activation("linear", name="embedding")(x), name="own_backbone")
    model.trainable = False
    return model
