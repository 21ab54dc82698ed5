"""Messages of gRPC and their tensors; their size in memory is computed before they are parsed.

A message of a hundred bytes can declare a thousand million values, by repeating one. And a message of two bytes a
value, as of empty strings, takes twenty times its size in memory.

Source: tensorflow/core/framework/tensor.proto; protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from zoo.serving.request_errors import bad_request, check_count, too_large
from zoo.serving.servables import Tensor

# Type -> NumPy's type, and the field of the message with the values that are not in `tensor_content`.
_FIELDS = {
    "DT_FLOAT": (np.float32, "float_val"),
    "DT_DOUBLE": (np.float64, "double_val"),
    "DT_HALF": (np.float16, "half_val"),
    "DT_INT8": (np.int8, "int_val"),
    "DT_INT16": (np.int16, "int_val"),
    "DT_INT32": (np.int32, "int_val"),
    "DT_INT64": (np.int64, "int64_val"),
    "DT_UINT8": (np.uint8, "int_val"),
    "DT_UINT16": (np.uint16, "int_val"),
    "DT_UINT32": (np.uint32, "uint32_val"),
    "DT_UINT64": (np.uint64, "uint64_val"),
}

SHORT = 2_000  # fields of a message that can be counted in a millisecond or two
FIELDS = 200_000
# Fields of a PredictRequest that are messages themselves, by their numbers. None marks refused fields of a tensor:
# handles of resources, and variants.
_TENSOR: dict[int, Any] = {2: {2: {}}, 14: None, 15: None}
_REQUEST: dict[int, Any] = {1: {2: {}}, 2: {2: _TENSOR}}


def few(message: bytes, most: int = FIELDS) -> bool:
    """Whether a PredictRequest has at most `most` fields, counted without parsing it.

    Raises:
        RequestError: the bytes are no PredictRequest.
    """
    try:
        return _left(message, 0, len(message), _REQUEST, most) >= 0
    except IndexError:
        raise bad_request("expected a PredictRequest, received bytes that are none") from None


def _left(message: bytes, at: int, end: int, nested: Mapping[int, Any], left: int) -> int:
    """How many of `left` fields remain after those from `at` to `end`; -1 if there are more fields."""
    while at < end and left >= 0:
        left -= 1
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            size, at = _varint(message, at)
            if at + size > end:
                raise IndexError
            if number in nested:
                if nested[number] is None:
                    raise bad_request("expected tensors of strings or numbers, received a resource or a variant")
                left = _left(message, at, at + size, nested[number], left)
            at += size
        elif kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:  # a group, which a PredictRequest never has
            raise IndexError
    return left


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number in base 128, and the position after it."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise IndexError


def check(protos: Mapping[str, Any], inputs: Mapping[str, Tensor], examples: int, most: int) -> int:
    """Check that tensors fit a signature and are not too large.

    Args:
        protos: name -> TensorProto.
        inputs: of the signature.
        examples: of a request, at most.
        most: bytes of all tensors together, at most.

    Returns:
        bytes of the arrays that `columns` returns.

    Raises:
        RequestError: a name, type, shape or number of values does not fit, or the tensors are too large.
    """
    if set(protos) != set(inputs):
        raise bad_request(f"expected the inputs {', '.join(inputs)}, received {', '.join(protos)[:200] or 'none'}")
    sizes = {name: _shape(name, protos[name], inputs[name]) for name in inputs}
    first = {shape[0] for shape in sizes.values()}
    if len(first) > 1:
        raise bad_request(f"expected as many values of each input, received {sorted(first)[:20]}")
    check_count(max(first), examples)
    total = 0
    for name, shape in sizes.items():
        total += _bytes(name, protos[name], math.prod(shape), most)
        if total > most:
            raise too_large(f"expected inputs of at most {most:,} bytes, received {total:,}")
    return total


def columns(protos: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of checked tensors: name -> an array, or bytes, for each example."""
    columns_by_name: dict[str, list[Any]] = {}
    for name, tensor in protos.items():
        if tensor.dtype == types_pb2.DT_STRING:
            values, count = list(tensor.string_val), math.prod(_sizes(tensor))
            columns_by_name[name] = values + values[-1:] * (count - len(values))
        else:
            columns_by_name[name] = list(tf.make_ndarray(tensor))
    return columns_by_name


def _shape(name: str, tensor: Any, expected_tensor: Tensor) -> list[int]:
    """Sizes of a tensor, after a check of its type and rank."""
    known = types_pb2.DataType.values()
    dtype = types_pb2.DataType.Name(tensor.dtype) if tensor.dtype in known else f"number {tensor.dtype}"
    if dtype != "DT_STRING" if expected_tensor.dtype == "string" else dtype not in _FIELDS:
        expected = "DT_STRING" if expected_tensor.dtype == "string" else "a type of numbers, as DT_FLOAT"
        raise bad_request(f"{name}: expected {expected}, received {dtype}")
    sizes, rank = _sizes(tensor), len(expected_tensor.shape)
    fits = len(sizes) == rank and all(
        want in (None, size) for want, size in zip(expected_tensor.shape[1:], sizes[1:], strict=True)
    )
    if not fits or min(sizes) < 1:
        shape = " x ".join(["examples", *("any" if size is None else str(size) for size in expected_tensor.shape[1:])])
        raise bad_request(
            f"{name}: expected the shape {shape}, received {' x '.join(map(str, sizes[:20])) or 'one value'}"
        )
    return sizes


def _sizes(tensor: Any) -> list[int]:
    return [each.size for each in tensor.tensor_shape.dim]


def _bytes(name: str, tensor: Any, count: int, most: int) -> int:
    """Bytes of `count` values of a tensor; the last value stands for missing ones."""
    if tensor.dtype == types_pb2.DT_STRING:
        values = tensor.string_val
        if not 1 <= len(values) <= count or tensor.tensor_content:
            raise bad_request(f"{name}: expected {count} values in string_val, received {len(values)}")
        return sum(map(len, values)) + len(values[-1]) * (count - len(values))
    dtype, field = _FIELDS[types_pb2.DataType.Name(tensor.dtype)]
    size = count * np.dtype(dtype).itemsize
    if size > most:
        raise too_large(f"{name}: expected at most {most:,} bytes, received {size:,}")
    if tensor.tensor_content:
        if len(tensor.tensor_content) != size:
            raise bad_request(f"{name}: expected {size} bytes in tensor_content, received {len(tensor.tensor_content)}")
    elif len(getattr(tensor, field)) > count:
        raise bad_request(f"{name}: expected {count} values in {field}, received {len(getattr(tensor, field))}")
    return size
