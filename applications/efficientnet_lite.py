"""EfficientNet-Lite 0, 1, 2: one definition, read by Keras and by OpenVINO.

The network is written once, as a function of the operations it is made of (`network`). `keras_model` gives it
Keras layers, `openvino_model` gives it OpenVINO nodes: the second starts in a fraction of a second where
TensorFlow takes five, and a test holds both to the same numbers.

Source: Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", table 1; the
lite variants (no squeeze-and-excitation, ReLU6, stem and head not scaled) are those of the TPU repository's
``efficientnet/lite``, 2020.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    import keras
    import openvino


class Variant(NamedTuple):
    """Scaling of one member of the family."""

    width: float
    depth: float
    input_size: int
    dropout: float


class Stage(NamedTuple):
    """Inverted residual blocks of one width."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


VARIANTS = {
    "efficientnet_lite0": Variant(1.0, 1.0, 224, 0.2),
    "efficientnet_lite1": Variant(1.0, 1.1, 240, 0.2),
    "efficientnet_lite2": Variant(1.1, 1.2, 260, 0.3),
}
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
EMBEDDING_WIDTH = 1280
MEAN, SCALE = 127.0, 128.0  # inputs are (pixels - 127) / 128
EPSILON = 1e-3  # of the batch normalization


class Operations(Protocol):
    """What an engine brings to build the network. Tensors are the engine's own."""

    def rescale(self, x: Any) -> Any:
        """Pixels 0-255 to (pixels - 127) / 128."""

    def convolution(self, x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
        """Convolution with "same" padding and no bias."""

    def depthwise(self, x: Any, kernel: int, stride: int, name: str) -> Any:
        """Depthwise convolution with "same" padding and no bias."""

    def normalize(self, x: Any, name: str) -> Any:
        """Batch normalization."""

    def relu6(self, x: Any, name: str) -> Any:
        """Rectifier clipped at 6."""

    def add(self, x: Any, y: Any, name: str) -> Any:
        """Sum of two tensors."""

    def pool(self, x: Any) -> Any:
        """Mean over height and width."""

    def peak(self, x: Any) -> Any:
        """Maximum over height and width."""

    def join(self, tensors: Sequence[Any]) -> Any:
        """The values of all tensors (batch, width), one after the other."""

    def classify(self, x: Any, dropout: float, name: str) -> Any:
        """Dropout, then the 1,000 ImageNet classes as probabilities."""


def network(ops: Operations, pixels: Any, variant: Variant, include_top: bool, depths: bool = False) -> Any:
    """Embedding of `pixels` (or class probabilities with `include_top`), in the tensors of `ops`.

    With `depths`, the means and then the maxima of the output of each block follow the embedding; see
    `applications.depths`.
    """
    x = ops.rescale(pixels)
    x = ops.convolution(x, 32, 3, 2, "stem")
    x = ops.relu6(ops.normalize(x, "stem_norm"), "stem_relu")
    width, ends = 32, []
    for index, block in enumerate(_blocks(variant)):
        x = _block(ops, x, block.stage, width, block.filters, block.stride, f"block{index}")
        width = block.filters
        ends.append(x)
    x = ops.convolution(x, EMBEDDING_WIDTH, 1, 1, "head")
    x = ops.relu6(ops.normalize(x, "head_norm"), "head_relu")
    x = ops.pool(x)
    if depths:
        return ops.join([x, *map(ops.pool, ends), *map(ops.peak, ends)])
    return ops.classify(x, variant.dropout, "predictions") if include_top else x


def block_widths(name: str) -> tuple[int, ...]:
    """Channels of the output of each block of a variant, from the first block on."""
    return tuple(block.filters for block in _blocks(VARIANTS[name]))


class _Block(NamedTuple):
    stage: Stage
    filters: int
    stride: int


def _blocks(variant: Variant) -> Iterator[_Block]:
    for number, stage in enumerate(STAGES):
        filters = _scaled_filters(stage.filters, variant.width)
        # The first and the last stage are not deepened (the lite rule).
        ends = number in (0, len(STAGES) - 1)
        for repeat in range(stage.repeats if ends else math.ceil(stage.repeats * variant.depth)):
            yield _Block(stage, filters, stage.stride if repeat == 0 else 1)


def _block(ops: Operations, x: Any, stage: Stage, width: int, filters: int, stride: int, name: str) -> Any:
    inputs = x
    if stage.expansion > 1:
        x = ops.convolution(x, width * stage.expansion, 1, 1, f"{name}_expand")
        x = ops.relu6(ops.normalize(x, f"{name}_expand_norm"), f"{name}_expand_relu")
    x = ops.depthwise(x, stage.kernel, stride, f"{name}_depthwise")
    x = ops.relu6(ops.normalize(x, f"{name}_depthwise_norm"), f"{name}_depthwise_relu")
    x = ops.normalize(ops.convolution(x, filters, 1, 1, f"{name}_project"), f"{name}_project_norm")
    return ops.add(x, inputs, f"{name}_add") if stride == 1 and filters == width else x


def _scaled_filters(filters: int, width: float) -> int:
    """Filters times `width`, rounded to a multiple of 8, but never down by more than a tenth."""
    scaled = filters * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def rename(tensors: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Tensors of the published PyTorch checkpoint under this module's names and axis order.

    Returns:
        layer name -> variable name (``kernel``, ``bias``, ``gamma``, ``beta``, ``moving_mean``,
        ``moving_variance``) -> float32 array; kernels (height, width, in, out), depthwise (height, width, in, 1).

    Raises:
        ValueError: a name that is none of this family's.
    """
    parts = {"_expand_conv": "expand", "_depthwise_conv": "depthwise", "_project_conv": "project"}
    variables = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    plain = {"_conv_stem": "stem", "_bn0": "stem_norm", "_conv_head": "head", "_bn1": "head_norm"}
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in tensors.items():
        *path, variable = name.split(".")
        if variable == "num_batches_tracked":
            continue
        if path[0] == "_fc":
            entry, value = ("predictions", "kernel" if variable == "weight" else "bias"), tensor.T
        elif path[0] == "_blocks" and path[2].startswith("_bn"):
            layer = ("expand", "depthwise", "project")[int(path[2][3:])]
            entry, value = (f"block{path[1]}_{layer}_norm", variables[variable]), tensor
        elif path[0] == "_blocks" and path[2] in parts:
            axes = (2, 3, 0, 1) if path[2] == "_depthwise_conv" else (2, 3, 1, 0)
            entry, value = (f"block{path[1]}_{parts[path[2]]}", "kernel"), tensor.transpose(axes)
        elif path[0] in plain and tensor.ndim == 4:
            entry, value = (plain[path[0]], "kernel"), tensor.transpose(2, 3, 1, 0)
        elif path[0] in plain:
            entry, value = (plain[path[0]], variables[variable]), tensor
        else:
            raise ValueError(f"expected the tensors of an EfficientNet-Lite, received {name!r}")
        layers.setdefault(entry[0], {})[entry[1]] = np.ascontiguousarray(value, dtype=np.float32)
    return layers


def keras_model(name: str, input_size: int | None = None, *, include_top: bool = False) -> keras.Model:
    """EfficientNet-Lite with random weights.

    Input: float32 (batch, input_size, input_size, 3), pixels 0-255.
    Output: float32 (batch, 1280), the embedding; with `include_top` (batch, 1000), ImageNet probabilities.

    Raises:
        ValueError: `name` is no variant, or `input_size` is under 32.
    """
    import keras

    if name not in VARIANTS:
        raise ValueError(f"expected one of {', '.join(VARIANTS)}, received {name!r}")
    size = input_size or VARIANTS[name].input_size
    if size < 32:
        raise ValueError(f"{name} halves its input five times: expected input_size of at least 32, received {size}")
    pixels = keras.Input((size, size, 3), name="pixels")
    return keras.Model(pixels, network(_KerasOperations(), pixels, VARIANTS[name], include_top), name=name)


def assign(model: keras.Model, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Put `arrays`, as `rename` returns them, into `model`.

    Raises:
        ValueError: an array is missing or has another shape.
    """
    for layer in model.layers:
        for variable in layer.weights:
            array = arrays.get(layer.name, {}).get(variable.name)
            if array is None or array.shape != tuple(variable.shape):
                shape = None if array is None else array.shape
                raise ValueError(
                    f"{layer.name}/{variable.name}: expected shape {tuple(variable.shape)}, received {shape}"
                )
            variable.assign(array)


class _KerasOperations:
    def __init__(self) -> None:
        import keras

        self.layers = keras.layers

    def rescale(self, x: Any) -> Any:
        return self.layers.Rescaling(1 / SCALE, -MEAN / SCALE, name="rescaling")(x)

    def convolution(self, x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
        return self.layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)

    def depthwise(self, x: Any, kernel: int, stride: int, name: str) -> Any:
        return self.layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False, name=name)(x)

    def normalize(self, x: Any, name: str) -> Any:
        return self.layers.BatchNormalization(epsilon=EPSILON, momentum=0.99, name=name)(x)

    def relu6(self, x: Any, name: str) -> Any:
        return self.layers.ReLU(6.0, name=name)(x)

    def add(self, x: Any, y: Any, name: str) -> Any:
        return self.layers.Add(name=name)([x, y])

    def pool(self, x: Any) -> Any:
        return self.layers.GlobalAveragePooling2D(name="embedding")(x)

    def peak(self, x: Any) -> Any:
        raise NotImplementedError("`applications.depths` pools the blocks of a Keras model")

    def join(self, tensors: Sequence[Any]) -> Any:
        raise NotImplementedError("`applications.depths` pools the blocks of a Keras model")

    def classify(self, x: Any, dropout: float, name: str) -> Any:
        x = self.layers.Dropout(dropout, name=f"{name}_dropout")(x)
        return self.layers.Dense(1000, activation="softmax", name=name)(x)


def openvino_model(
    name: str, arrays: Mapping[str, Mapping[str, np.ndarray]], input_size: int, *, depths: bool = False
) -> openvino.Model:
    """The same network with the weights `arrays`, for OpenVINO.

    Input: uint8 (batch, input_size, input_size, 3), pixels 0-255.
    Output: float32 (batch, 1280), the embedding; with `depths` (batch, width), as `network` has them.
    """
    import openvino
    from openvino import opset13

    pixels = opset13.parameter([-1, input_size, input_size, 3], np.uint8, name="pixels")
    ops = _OpenVINOOperations(arrays)
    return openvino.Model([network(ops, pixels, VARIANTS[name], False, depths)], [pixels], name)


class _OpenVINOOperations:
    """Channels come first inside; the runtime fuses the normalizations into the convolutions."""

    def __init__(self, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        from openvino import opset13

        self.ops, self.arrays = opset13, arrays

    def rescale(self, x: Any) -> Any:
        x = self.ops.convert(x, "f32")
        x = self.ops.transpose(x, np.array([0, 3, 1, 2]))
        return self.ops.multiply(self.ops.subtract(x, np.float32(MEAN)), np.float32(1 / SCALE))

    def convolution(self, x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
        weights = np.ascontiguousarray(self.arrays[name]["kernel"].transpose(3, 2, 0, 1))
        # "same_upper" pads as TensorFlow does: the odd pixel goes to the bottom and the right.
        return self.ops.convolution(x, weights, [stride] * 2, [0, 0], [0, 0], [1, 1], auto_pad="same_upper")

    def depthwise(self, x: Any, kernel: int, stride: int, name: str) -> Any:
        weights = np.ascontiguousarray(self.arrays[name]["kernel"].transpose(2, 3, 0, 1)[:, :, None])
        return self.ops.group_convolution(x, weights, [stride] * 2, [0, 0], [0, 0], [1, 1], auto_pad="same_upper")

    def normalize(self, x: Any, name: str) -> Any:
        norm = self.arrays[name]
        return self.ops.batch_norm_inference(
            x, norm["gamma"], norm["beta"], norm["moving_mean"], norm["moving_variance"], EPSILON
        )

    def relu6(self, x: Any, name: str) -> Any:
        return self.ops.clamp(x, 0.0, 6.0)

    def add(self, x: Any, y: Any, name: str) -> Any:
        return self.ops.add(x, y)

    def pool(self, x: Any) -> Any:
        return self.ops.reduce_mean(x, np.array([2, 3]), False)

    def peak(self, x: Any) -> Any:
        return self.ops.reduce_max(x, np.array([2, 3]), False)

    def join(self, tensors: Sequence[Any]) -> Any:
        return self.ops.concat(list(tensors), 1)

    def classify(self, x: Any, dropout: float, name: str) -> Any:
        raise NotImplementedError("embeddings only")
