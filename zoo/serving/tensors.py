"""Messages of gRPC and their tensors: what they would become is counted before it is made.

A message of a hundred bytes may say that it holds a thousand million values: of one value, it is repeated. And one of
two bytes a value, as empty strings are, takes a hundred times its size once it is read.

Source: tensorflow/core/framework/tensor.proto; protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from zoo.serving.answering import Tensor
from zoo.serving.refusals import bad, enough, too_large

# Of numbers: NumPy's type, and the field of the message that has the values where `tensor_content` has not.
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

SHORT = 2_000  # fields of a message that is counted at once: a millisecond or two
FIELDS = 200_000
# Fields of a PredictRequest that are messages themselves, by their numbers; of a tensor, what is refused: handles of
# resources and variants.
_TENSOR: dict[int, Any] = {2: {2: {}}, 14: None, 15: None}
_REQUEST: dict[int, Any] = {1: {2: {}}, 2: {2: _TENSOR}}


def few(message: bytes, most: int = FIELDS) -> bool:
    """Whether a PredictRequest has no more than `most` fields, seen before it is read.

    Raises:
        Refused: it is none.
    """
    try:
        return _left(message, 0, len(message), _REQUEST, most) >= 0
    except IndexError:
        raise bad("expected a PredictRequest, received bytes that are none") from None


def _left(message: bytes, at: int, end: int, nested: Mapping[int, Any], left: int) -> int:
    """How many of `left` fields are left after those from `at` to `end`; -1 where they are more."""
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
                    raise bad("expected tensors of strings or numbers, received a resource or a variant")
                left = _left(message, at, at + size, nested[number], left)
            at += size
        elif kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:  # groups, which no such message has
            raise IndexError
    return left


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number in base 128, and where it ends."""
    found = shift = 0
    while True:
        byte = message[at]
        found |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return found, at
        if shift > 63:
            raise IndexError


def check(given: Mapping[str, Any], inputs: Mapping[str, Tensor], examples: int, most: int) -> int:
    """See that tensors are those that a signature takes, and not too large.

    Args:
        given: name -> TensorProto.
        inputs: of the signature.
        examples: of a request at most.
        most: bytes of all tensors together at most.

    Returns:
        bytes of the arrays that `columns` makes of them.

    Raises:
        Refused: a name, type, shape or number of values is another, or they are too large.
    """
    if set(given) != set(inputs):
        raise bad(f"expected the inputs {', '.join(inputs)}, received {', '.join(given)[:200] or 'none'}")
    sizes = {name: _shape(name, given[name], inputs[name]) for name in inputs}
    first = {shape[0] for shape in sizes.values()}
    if len(first) > 1:
        raise bad(f"expected as many values of each input, received {sorted(first)[:20]}")
    enough(max(first), examples)
    total = 0
    for name, shape in sizes.items():
        total += _bytes(name, given[name], math.prod(shape), most)
        if total > most:
            raise too_large(f"expected inputs of at most {most:,} bytes, received {total:,}")
    return total


def columns(given: Mapping[str, Any]) -> dict[str, list[Any]]:
    """One value an example of each tensor: arrays, or bytes. For tensors that were checked."""
    found: dict[str, list[Any]] = {}
    for name, tensor in given.items():
        if tensor.dtype == types_pb2.DT_STRING:
            values, count = list(tensor.string_val), math.prod(_sizes(tensor))
            found[name] = values + values[-1:] * (count - len(values))
        else:
            found[name] = list(tf.make_ndarray(tensor))
    return found


def _shape(name: str, tensor: Any, wanted: Tensor) -> list[int]:
    """Sizes of a tensor, whose type and rank are those that are wanted."""
    known = types_pb2.DataType.values()
    dtype = types_pb2.DataType.Name(tensor.dtype) if tensor.dtype in known else f"number {tensor.dtype}"
    if dtype != "DT_STRING" if wanted.dtype == "string" else dtype not in _FIELDS:
        expected = "DT_STRING" if wanted.dtype == "string" else "a type of numbers, as DT_FLOAT"
        raise bad(f"{name}: expected {expected}, received {dtype}")
    sizes, rank = _sizes(tensor), len(wanted.shape)
    fits = len(sizes) == rank and all(
        want in (None, size) for want, size in zip(wanted.shape[1:], sizes[1:], strict=True)
    )
    if not fits or min(sizes) < 1:
        shape = " x ".join(["examples", *("any" if size is None else str(size) for size in wanted.shape[1:])])
        raise bad(f"{name}: expected the shape {shape}, received {' x '.join(map(str, sizes[:20])) or 'one value'}")
    return sizes


def _sizes(tensor: Any) -> list[int]:
    return [each.size for each in tensor.tensor_shape.dim]


def _bytes(name: str, tensor: Any, count: int, most: int) -> int:
    """Bytes of `count` values, as many as the tensor has, or the last of fewer repeated."""
    if tensor.dtype == types_pb2.DT_STRING:
        values = tensor.string_val
        if not 1 <= len(values) <= count or tensor.tensor_content:
            raise bad(f"{name}: expected {count} values in string_val, received {len(values)}")
        return sum(map(len, values)) + len(values[-1]) * (count - len(values))
    dtype, field = _FIELDS[types_pb2.DataType.Name(tensor.dtype)]
    size = count * np.dtype(dtype).itemsize
    if size > most:
        raise too_large(f"{name}: expected at most {most:,} bytes, received {size:,}")
    if tensor.tensor_content:
        if len(tensor.tensor_content) != size:
            raise bad(f"{name}: expected {size} bytes in tensor_content, received {len(tensor.tensor_content)}")
    elif len(getattr(tensor, field)) > count:
        raise bad(f"{name}: expected {count} values in {field}, received {len(getattr(tensor, field))}")
    return size
