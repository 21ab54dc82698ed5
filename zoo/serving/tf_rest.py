"""TensorFlow Serving's REST: parsing of requests, and replies.

Source: "RESTful API", TensorFlow Serving documentation (tensorflow.org/tfx/serving/api_rest).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.serving.request_errors import bad_request, check_count
from zoo.serving.servables import DEFAULT, Signature

_TYPES = {"string": "DT_STRING", "float32": "DT_FLOAT", "int32": "DT_INT32", "int64": "DT_INT64", "bool": "DT_BOOL"}
_TYPES |= {"uint8": "DT_UINT8", "float64": "DT_DOUBLE"}


class ParsedRequest(NamedTuple):
    """A request.

    Attributes:
        signature: its name.
        rows: fields of each example.
        by_row: whether the request, and so the reply, lists examples ("instances") instead of columns ("inputs").
    """

    signature: str
    rows: list[dict[str, Any]]
    by_row: bool


def parse(body: Any, signatures: Mapping[str, Signature], most: int | None = None) -> ParsedRequest:
    """Parse a request.

    Args:
        body: with ``instances``, a list of examples, or ``inputs``, a list for each input.
        signatures: of the model.
        most: examples of a request, at most; None for any number.

    Raises:
        RequestError: the request is not of the protocol's form.
    """
    if not isinstance(body, dict):
        raise bad_request('expected a JSON object with "instances" or "inputs"')
    name = body.get("signature_name") or DEFAULT
    if not isinstance(name, str) or name not in signatures:
        raise bad_request(f"expected a signature_name out of {', '.join(signatures)}")
    inputs = signatures[name].inputs
    only = next(iter(inputs)) if len(inputs) == 1 else None
    if ("instances" in body) == ("inputs" in body):
        raise bad_request('expected either "instances" or "inputs"')
    if "instances" in body:
        instances = body["instances"]
        if not isinstance(instances, list) or not instances:
            raise bad_request('expected "instances" to be a list of at least one example')
        check_count(len(instances), most)
        return ParsedRequest(name, [_fields(each, inputs, only) for each in instances], True)
    instances = body["inputs"]
    if only is not None and not (isinstance(instances, dict) and set(instances) == {only}):
        instances = {only: instances}
    if not isinstance(instances, dict) or not instances:
        raise bad_request('expected "inputs" to be an object with a list for each input')
    columns = {key: value if isinstance(value, list) else [value] for key, value in instances.items()}
    return ParsedRequest(name, rows_of(columns, most), False)


def rows_of(columns: Mapping[str, Sequence[Any]], most: int | None = None) -> list[dict[str, Any]]:
    """Fields of each example, from a sequence for each input.

    Raises:
        RequestError: the sequences differ in length, are empty, or longer than `most`.
    """
    sizes = {len(values) for values in columns.values()}
    if len(sizes) != 1 or sizes == {0}:
        raise bad_request(f"expected as many values of each input, at least one; received {sorted(sizes)}")
    check_count(max(sizes), most)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _fields(example: Any, inputs: Mapping[str, Any], only: str | None) -> dict[str, Any]:
    is_object = isinstance(example, dict) and set(example) != {"b64"}
    if is_object or only is None:
        if not isinstance(example, dict):
            raise bad_request(f"expected each instance to be an object with {', '.join(inputs)}")
        return example
    return {only: example}


def reply(request: ParsedRequest, answers: Sequence[Mapping[str, Any]], signature: Signature) -> dict[str, Any]:
    """The reply."""
    names = list(signature.outputs)
    if request.by_row:
        if len(names) == 1:
            return {"predictions": [plain(names[0], answer[names[0]]) for answer in answers]}
        return {"predictions": [{name: plain(name, answer[name]) for name in names} for answer in answers]}
    columns = {name: [plain(name, answer[name]) for answer in answers] for name in names}
    return {"outputs": columns[names[0]] if len(names) == 1 else columns}


def plain(name: str, value: Any) -> Any:
    """A value for JSON: bytes become text, or base64 if the output is named ``..._bytes``; NaN and infinity null."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()} if name.endswith("_bytes") else value.decode(errors="replace")
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            return _finite(value.tolist())
        return value.tolist()
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value if math.isfinite(value) else None


def metadata(name: str, version: int, signatures: Mapping[str, Signature]) -> dict[str, Any]:
    """The inputs and outputs of a model, as TensorFlow Serving describes them."""

    def tensors(given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: {
                "dtype": _TYPES[tensor.dtype],
                "tensor_shape": {
                    "dim": [{"size": str(-1 if size is None else size), "name": ""} for size in tensor.shape],
                    "unknown_rank": False,
                },
                "name": "",
            }
            for key, tensor in given.items()
        }

    described = {
        key: {
            "inputs": tensors(signature.inputs),
            "outputs": tensors(signature.outputs),
            "method_name": "tensorflow/serving/predict",
        }
        for key, signature in signatures.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": described}},
    }


def status(versions: Mapping[int, str]) -> dict[str, Any]:
    """States of versions, newest first.

    Args:
        versions: number -> why the version is not available; empty if it is.
    """
    return {
        "model_version_status": [
            {
                "version": str(number),
                "state": "END" if reason else "AVAILABLE",
                "status": {"error_code": "UNKNOWN" if reason else "OK", "error_message": reason},
            }
            for number, reason in sorted(versions.items(), reverse=True)
        ]
    }
