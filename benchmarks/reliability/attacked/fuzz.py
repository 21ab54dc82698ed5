"""Requests that are somehow wrong, one in twenty of which is right after all."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.reliability.attacked.serving import Server

GOOD = 0.05
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    10**300,
    "",
    "a",
    "\ud800",
    [],
    {},
    [[]],
    {"b64": "%"},
    {"b64": ""},
)
KEYS = (
    "instances",
    "inputs",
    "signature_name",
    "name",
    "shape",
    "datatype",
    "data",
    "parameters",
    "outputs",
    "b64",
    "id",
)


class Request(NamedTuple):
    """Of HTTP; `label` is the answer where it is right, else None."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None
    label: str | None


def http(server: Server, protocol: str, count: int) -> Iterator[Request]:
    """Requests of one protocol, ``v1`` or ``v2``, seeded."""
    draw = random.Random(protocol)
    bodies = [(path, *found) for path, found in server.bodies().items() if path.startswith(f"/{protocol}/")]
    paths = [
        "/",
        f"/{protocol}",
        f"/{protocol}/models",
        "/metrics",
        "/v2/health/ready",
        "/openapi.json",
        "/%00",
        "//",
        "/é",
    ]
    for _ in range(count):
        path, body, label = draw.choice(bodies)
        if draw.random() < GOOD:
            yield Request("POST", path, {"Content-Type": "application/json"}, body, label)
            continue
        way = draw.randrange(6)
        method, headers = "POST", {"Content-Type": draw.choice(["application/json", "image/png", "text/plain", "é"])}
        if way == 0:
            body = _bytes(draw, body)
        elif way == 1:
            body = _json(draw, body)
        elif way == 2:
            method, path = draw.choice(["GET", "PUT", "HEAD", "DELETE", "OPTIONS", "POST"]), draw.choice([*paths, path])
        elif way == 3:
            path = path.replace(draw.choice("/:sm"), draw.choice(["//", "%2f", "..", "é", "\x7f", "versions/9"]), 1)
        elif way == 4:
            headers["Inference-Header-Content-Length"] = draw.choice(["-1", "0", str(len(body) - 1), "9" * 30, "a"])
            body += draw.randbytes(draw.randrange(40))
        else:
            body = _json(draw, _json(draw, body))
            headers |= {
                draw.choice(["Accept", "Expect", "Content-Encoding", "Transfer-Encoding"]): draw.choice(["gzip", "é"])
            }
        yield Request(
            method, path.encode("ascii", "replace").decode().replace("\x7f", "?"), _latin(headers), body, None
        )


def grpc(server: Server, count: int) -> Iterator[tuple[bytes, str | None]]:
    """Messages of Predict, and the label of those that are right; seeded."""
    draw = random.Random("grpc")
    for _ in range(count):
        model = draw.choice(["pictures", "rows"])
        request = server.message(model)
        if draw.random() < GOOD:
            yield request.SerializeToString(), server.labels[model == "rows"]
        elif draw.random() < 0.3:
            yield _bytes(draw, request.SerializeToString()), None
        else:
            for _ in range(draw.randrange(1, 4)):
                _change(draw, request)
            yield request.SerializeToString(), None


def _change(draw: random.Random, request: Any) -> None:
    name = draw.choice([*request.inputs, "other", ""])
    tensor, way = request.inputs[name], draw.randrange(8)
    size = draw.choice([-1, 0, 1, 2, 255, 256, 257, 10**6, 2**31, 2**62])
    if way == 0:
        tensor.dtype = draw.randrange(130)
    elif way == 1:
        tensor.tensor_shape.dim.add().size = size
    elif way == 2 and tensor.tensor_shape.dim:
        tensor.tensor_shape.dim[0].size = size
    elif way == 3:
        tensor.tensor_content = draw.randbytes(draw.randrange(20))
    elif way == 4:
        tensor.float_val.extend([draw.choice([0.0, float("nan"), 1e38])] * draw.randrange(300))
    elif way == 5:
        tensor.string_val.extend([draw.randbytes(9)] * draw.randrange(300))
    elif way == 6:
        field = draw.choice(["name", "signature_name"])
        setattr(request.model_spec, field, draw.choice(["", "é", "pictures", "embed", "serving_pixels", "x" * 999]))
    else:
        request.model_spec.version.value = draw.choice([-1, 0, 1, 2, 2**62])


def _bytes(draw: random.Random, body: bytes) -> bytes:
    changed, at = bytearray(body), draw.randrange(len(body))
    way = draw.randrange(3)
    if way == 0:
        changed[at] = draw.randrange(256)
    elif way == 1:
        del changed[at:]
    else:
        changed[at:at] = draw.randbytes(8)
    return bytes(changed)


def _json(draw: random.Random, body: bytes) -> bytes:
    """One value or name of it is another."""
    try:
        told = json.loads(body)
    except ValueError:
        return _bytes(draw, body)
    places = list(_places(told))
    if not places:
        return b"[]"
    holder, key = draw.choice(places)
    if isinstance(holder, dict) and draw.random() < 0.3:
        holder[draw.choice(KEYS)] = holder.pop(key)
    else:
        holder[key] = draw.choice([*VALUES, [holder[key]], [holder[key]] * 300])
    return json.dumps(told).encode()


def _places(told: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(told) if isinstance(told, dict) else range(len(told)) if isinstance(told, list) else ():
        yield told, key
        yield from _places(told[key])


def _latin(headers: dict[str, str]) -> dict[str, str]:
    return {name: value.encode("latin-1").decode("latin-1") for name, value in headers.items()}
