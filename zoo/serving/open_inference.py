"""The Open Inference Protocol, version 2, with its extension for binary tensors.

Source: kserve/open-inference-protocol, specification/protocol/inference_rest.md; the extension is Triton's,
extension_binary_data.md.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.serving.request_errors import bad_request, check_count
from zoo.serving.servables import DEFAULT, Signature, Tensor, only_numbers
from zoo.serving.tf_rest import plain, rows_of

_TYPES = {"string": "BYTES", "float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64"}
_TYPES |= {"bool": "BOOL", "uint8": "UINT8"}
_BINARY = {"FP32": "<f4", "FP64": "<f8", "INT32": "<i4", "INT64": "<i8", "BOOL": "?", "UINT8": "u1"}
_NUMBERS = {*_BINARY, "INT8", "INT16", "UINT16", "UINT32", "UINT64", "FP16"} - {"BOOL"}
MAX_RANK = 32  # half of the largest rank that NumPy allows


class ParsedRequest(NamedTuple):
    """A request.

    Attributes:
        signature: its name.
        rows: fields of each example.
        outputs: name of a requested output -> whether it is to be binary.
        id: of the request, repeated in the reply.
    """

    signature: str
    rows: list[dict[str, Any]]
    outputs: dict[str, bool]
    id: str | None


def split(body: bytes, header: str | None) -> tuple[bytes, bytes]:
    """The JSON of a request, and the binary tensors behind it.

    Args:
        body: of the request.
        header: ``Inference-Header-Content-Length``; None if all of the body is JSON.

    Raises:
        RequestError: the header is no number, or larger than the body.
    """
    if header is None:
        return body, b""
    if not header.isascii() or not header.isdigit() or len(header) > 12 or int(header) > len(body):
        raise bad_request(f"expected Inference-Header-Content-Length of at most {len(body)}, received {header[:20]}")
    return body[: int(header)], body[int(header) :]


def parse(body: Any, binary: bytes, signatures: Mapping[str, Signature], most: int | None = None) -> ParsedRequest:
    """Parse a request.

    Args:
        body: of JSON.
        binary: tensors after it.
        signatures: of the model.
        most: examples of a request, at most; None for any number.

    Raises:
        RequestError: the request is not of the protocol's form.
    """
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), list):
        raise bad_request('expected a JSON object with a list "inputs"')
    parameters = _object(body.get("parameters"), "parameters")
    name = parameters.get("signature_name", DEFAULT)
    if not isinstance(name, str) or name not in signatures:
        raise bad_request(f"expected a signature_name out of {', '.join(signatures)}")
    columns: dict[str, Sequence[Any]] = {}
    for tensor in body["inputs"]:
        key = _object(tensor, "an input").get("name")
        if not isinstance(key, str) or key not in signatures[name].inputs or key in columns:
            raise bad_request(f"expected inputs {', '.join(signatures[name].inputs)}, each once")
        columns[key], binary = _column(tensor, signatures[name].inputs[key], binary, most)
    if set(columns) != set(signatures[name].inputs):
        raise bad_request(
            f"expected inputs {', '.join(signatures[name].inputs)}, received {', '.join(columns) or 'none'}"
        )
    if binary:
        raise bad_request(f"{len(binary)} bytes are left after the last tensor")
    identity = body.get("id")
    if identity is not None and not isinstance(identity, str):
        raise bad_request("expected id to be a string")
    if identity is not None and any("\ud800" <= each <= "\udfff" for each in identity):
        raise bad_request("expected id to be text, received half of a surrogate pair")
    every = bool(parameters.get("binary_data_output", False))
    return ParsedRequest(
        name, rows_of(columns), _wanted(body.get("outputs"), signatures[name].outputs, every), identity
    )


def _wanted(given: Any, outputs: Mapping[str, Tensor], every: bool) -> dict[str, bool]:
    if given is None or given == []:
        return dict.fromkeys(outputs, every)
    if not isinstance(given, list):
        raise bad_request("expected outputs to be a list")
    wanted = {}
    for each in given:
        name = _object(each, "an output").get("name")
        if not isinstance(name, str) or name not in outputs:
            raise bad_request(f"expected outputs out of {', '.join(outputs)}")
        wanted[name] = bool(_object(each.get("parameters"), "parameters").get("binary_data", every))
    return wanted


def _column(fields: dict[str, Any], tensor: Tensor, binary: bytes, most: int | None) -> tuple[list[Any], bytes]:
    name, shape, kind = fields["name"], fields.get("shape"), fields.get("datatype")
    sizes = isinstance(shape, list) and all(type(size) is int and 0 < size < 2**31 for size in shape)
    if not sizes or not 1 <= len(shape) <= MAX_RANK:
        raise bad_request(f"{name}: expected a shape, as [1]")
    check_count(shape[0], most)
    strings = tensor.dtype == "string"
    if kind != "BYTES" if strings else not isinstance(kind, str) or kind not in {*_NUMBERS, "BOOL"}:
        raise bad_request(f"{name}: expected datatype {_TYPES[tensor.dtype]}")
    count = math.prod(shape)
    length = _object(fields.get("parameters"), "parameters").get("binary_data_size")
    if length is not None:
        if type(length) is not int or not 0 <= length <= len(binary) or "data" in fields:
            raise bad_request(f"{name}: expected {length!r} bytes after the JSON, received {len(binary)}")
        values: Any = _unpacked(name, kind, count, binary[:length])
        binary = binary[length:]
    else:
        values = _flat(fields.get("data"))
    if len(values) != count:
        raise bad_request(f"{name}: expected {count} values for the shape {shape}, received {len(values)}")
    if len(shape) == 1:
        return list(values), binary
    if strings:
        if count != shape[0]:
            raise bad_request(f"{name}: expected one value an example, received the shape {shape}")
        return list(values), binary
    if not only_numbers(values):
        raise bad_request(f"{name}: expected numbers")
    try:
        numbers = np.asarray(values, np.float64 if any(each is None for each in values) else None)
    except (ValueError, TypeError, OverflowError):
        raise bad_request(f"{name}: expected numbers") from None
    return list(numbers.reshape(shape)), binary


def _unpacked(name: str, kind: str, count: int, binary: bytes) -> Any:
    if kind != "BYTES":
        if kind not in _BINARY or len(binary) != count * np.dtype(_BINARY[kind]).itemsize:
            raise bad_request(
                f"{name}: expected {count} values of {' or '.join(_BINARY)}, received {len(binary)} bytes"
            )
        return np.frombuffer(binary, _BINARY[kind])
    strings, at = [], 0
    while at + 4 <= len(binary):
        (size,) = struct.unpack_from("<I", binary, at)
        if at + 4 + size > len(binary):
            break
        strings.append(binary[at + 4 : at + 4 + size])
        at += 4 + size
    if at != len(binary):
        raise bad_request(f"{name}: expected each string after its length in four bytes")
    return strings


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise bad_request("expected data to be a list")
    while data and all(isinstance(each, list) for each in data):
        data = [value for each in data for value in each]
    return data


def _object(value: Any, what: str) -> dict[str, Any]:
    if value is None and what == "parameters":
        return {}
    if not isinstance(value, dict):
        raise bad_request(f"expected {what} to be an object")
    return value


def reply(
    request: ParsedRequest,
    answers: Sequence[Mapping[str, Any]],
    signature: Signature,
    name: str,
    version: int,
    notes: Sequence[str] = (),
) -> tuple[bytes, int | None]:
    """The body of the reply, and the length of its JSON; None if all of it is JSON.

    Notes are a parameter, a line each: the protocol has single values there.
    """
    outputs, tail = [], b""
    for key, binary in request.outputs.items():
        kind = _TYPES[signature.outputs[key].dtype]
        values = [answer[key] for answer in answers]
        described: dict[str, Any] = {"name": key, "datatype": kind}
        if kind == "BYTES":
            described["shape"] = [len(values)]
            encoded = [value if isinstance(value, bytes) else str(value).encode() for value in values]
            packed = b"".join(struct.pack("<I", len(each)) + each for each in encoded) if binary else b""
            data = [plain(key, each) for each in encoded]
            data = [each["b64"] if isinstance(each, dict) else each for each in data]
        else:
            array = np.stack([np.asarray(value) for value in values]).astype(_BINARY[kind])
            described["shape"] = list(array.shape)
            packed = array.tobytes() if binary else b""
            data = [] if binary else plain(key, array.reshape(-1))
        if binary:
            described["parameters"] = {"binary_data_size": len(packed)}
            tail += packed
        else:
            described["data"] = data
        outputs.append(described)
    message: dict[str, Any] = {"model_name": name, "model_version": str(version), "outputs": outputs}
    if notes:
        message["parameters"] = {"notes": "\n".join(notes)}
    if request.id is not None:
        message["id"] = request.id
    head = json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
    return head + tail, len(head) if tail else None


def metadata(name: str, versions: Sequence[int], runtime: str, signature: Signature) -> dict[str, Any]:
    """The inputs and outputs of a model, as the protocol describes them."""

    def tensors(given: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        return [
            {
                "name": key,
                "datatype": _TYPES[tensor.dtype],
                "shape": [-1 if size is None else size for size in tensor.shape],
            }
            for key, tensor in given.items()
        ]

    return {
        "name": name,
        "versions": [str(version) for version in versions],
        "platform": runtime,
        "inputs": tensors(signature.inputs),
        "outputs": tensors(signature.outputs),
    }
