"""A served model under attack: requests that are made to harm, and versions that are damaged while it serves."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.reliability.attacked import fuzz
from benchmarks.reliability.attacked.serving import COLUMNS, Server, attacked, label_of, served
from benchmarks.reliability.table import Row

COUNT = 1000  # requests of each protocol's fuzz
LONG = 15_900_000  # bytes of JSON, just under what a request may have
UNITS = {"objects": b'{"":0},', "lists": b"[],", "numbers": b"0,", "powers": b"1e5,", "digits": b"9" * 4000 + b","}
NAMES = ("attacker.example", "localhost.attacker.example", "127.0.0.1.attacker.example", "xn--e1a", "", "a" * 300)


def rows(work: Path) -> list[Row]:
    """One server meets all of them, one after the other."""
    attacks: list[tuple[str, str, Callable[[Server], list[str]]]] = [
        ("gRPC: tensors of a few bytes that would be gigabytes", "refused, INVALID_ARGUMENT", _tensors),
        ("gRPC: VARIANT, RESOURCE and other types", "refused, INVALID_ARGUMENT", _types),
        ("16 MB of JSON, four at once", "refused in words, 400 or 413", _json),
        ("1,300 idle connections, 1,024 files open at most", "the oldest make room", _idle),
        ("names of others in `Host`, no token asked for", "refused, 403", _names),
        ("fuzz of TensorFlow Serving's REST", "no 5xx, and what is right is answered", lambda s: _http(s, "v1")),
        ("fuzz of the Open Inference Protocol", "no 5xx, and what is right is answered", lambda s: _http(s, "v2")),
        ("fuzz of gRPC", "no internal error, and what is right is answered", _grpc),
        (
            "versions damaged, half-copied or exchanged",
            "refused, and the last good one goes on",
            lambda s: _versions(s, work),
        ),
    ]
    with served(work) as server:
        return [attacked(server, tried, right, partial(attack, server)) for tried, right, attack in attacks]


def _codes(server: Server, messages: list[bytes]) -> list[str]:
    """The end of each call of gRPC: the name of its code."""
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

        def ended(message: bytes) -> str:
            try:
                call(message, 60, wait_for_ready=True)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(ended, messages))


def _refused(codes: list[str]) -> list[str]:
    return ["" if code == "INVALID_ARGUMENT" else code for code in codes]


def _tensors(server: Server) -> list[str]:
    messages = []
    for shape in ([16_000_000], [256, 10**6], [2**40], [1] * 300):
        request = server.message()
        for name in COLUMNS:
            request.inputs[name].ClearField("tensor_shape")
            for size in shape:
                request.inputs[name].tensor_shape.dim.add().size = size
        messages.append(request.SerializeToString())
    texts = server.message("pictures")
    texts.inputs["image_bytes"].string_val[:] = [b"x" * 10_000_000]
    texts.inputs["image_bytes"].tensor_shape.dim[0].size = 256
    large = [texts.SerializeToString(), *(_of_tensor(bytes([number << 3 | 2, 0]) * 7_000_000) for number in (2, 8, 15))]
    return _refused(_codes(server, messages * 10 + large * 2))


def _of_tensor(content: bytes) -> bytes:
    """A request whose only input has these bytes for a tensor."""
    return _field(1, _field(1, b"pictures")) + _field(2, _field(1, b"image_bytes") + _field(2, content))


def _field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _types(server: Server) -> list[str]:
    messages = []
    for dtype in (0, 7, 8, 10, 11, 18, 20, 21, 101, 999):
        request = server.message()
        request.inputs["a"].dtype = dtype
        messages.append(request.SerializeToString())
    return _refused(_codes(server, messages))


def _json(server: Server) -> list[str]:
    bodies = [b'{"instances":[' + unit * (LONG // len(unit)) + b"0]}" for unit in UNITS.values()]
    bodies.append(b'{"instances":[' + UNITS["objects"] * 190_000 + b"0]}")  # as many as are read
    bodies.append(b"{" + b",".join(b'"%d":0' % at for at in range(240_000)) + b"}")

    def ended(body: bytes) -> str:
        status, answer = server.ask("POST", "/v1/models/rows:predict", body)
        return "" if status in (400, 413) and b"expected" in answer else f"{status} {answer[:100]!r}"

    with ThreadPoolExecutor(4) as pool:
        return [end for body in bodies for end in pool.map(ended, [body] * 4)]


def _idle(server: Server) -> list[str]:
    connections, ends = [], []
    for _ in range(1300):
        try:
            connections.append(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            ends.append("")
        except OSError as error:
            ends.append(str(error))
    time.sleep(2)
    for connection in connections:
        connection.close()
    return ends


def _names(server: Server) -> list[str]:
    statuses = [server.ask("GET", path, None, {"Host": name})[0] for name in NAMES for path in ("/", "/v1/models")]
    return ["" if status == 403 else str(status) for status in statuses]


def _http(server: Server, protocol: str) -> list[str]:
    def ended(request: fuzz.Request) -> str:
        try:
            status, answer = server.ask(request.method, request.path, request.body, request.headers)
        except (TimeoutError, ConnectionRefusedError) as error:
            return f"{type(error).__name__}: {request}"
        except (OSError, http.client.HTTPException):
            return ""  # closed, as it was no request
        if request.label is not None and status != 429:  # the queue may be full
            return "" if status == 200 and label_of(answer) == request.label else f"{status} {answer[:100]!r}"
        return "" if status < 500 else f"{status}: {request}"

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(ended, fuzz.http(server, protocol, COUNT)))


def _grpc(server: Server) -> list[str]:
    made = list(fuzz.grpc(server, COUNT))
    refused = {"INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}
    codes = _codes(server, [message for message, _ in made])
    allowed = [{"OK", "RESOURCE_EXHAUSTED"} if label is not None else {"OK", *refused} for _, label in made]
    return ["" if code in right else code for code, right in zip(codes, allowed, strict=True)]


def _versions(server: Server, work: Path) -> list[str]:
    base = work / "saved_models" / "pictures"
    ends = []
    for name, harm in _harms(base / "1", work / "saved_models" / "rows" / "1").items():
        shutil.copytree(base / "1", work / "new")
        harm(work / "new")
        (work / "new").rename(base / "2")
        ends.append(_state(server, name, "END", "1"))
        shutil.rmtree(base / "2")
        time.sleep(2.5)  # so that it sees that there is none
    for file in sorted(path for path in (base / "1").rglob("*") if path.is_file()):  # copied while it serves
        place = base / "3" / file.relative_to(base / "1")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
        time.sleep(0.2)
    ends.append(_state(server, "a copy that ends", "AVAILABLE", "3"))
    return ends


def _state(server: Server, name: str, state: str, answering: str) -> str:
    """Wait for a state of the newest version; what is wrong with it, or with the one that answers."""
    ends = time.monotonic() + 30
    told: list[dict[str, str]] = []
    while time.monotonic() < ends:
        told = json.loads(server.ask("GET", "/v1/models/pictures")[1])["model_version_status"]
        if told[0]["state"] == state and told[-1]["version"] == answering:
            return ""
        time.sleep(0.1)
    return f"{name}: {told}"


def _harms(whole: Path, other: Path) -> dict[str, Callable[[Path], object]]:
    """What is done to a copy of a version, by name."""
    weights = "variables/variables.data-00000-of-00001"

    def changed(name: str) -> Callable[[Path], object]:
        def harm(folder: Path) -> None:
            content = bytearray((folder / name).read_bytes())
            content[len(content) // 2] ^= 1
            (folder / name).write_bytes(content)

        return harm

    def exchanged(name: str) -> Callable[[Path], object]:
        return lambda folder: shutil.copyfile(other / name, folder / name)

    files = ("card.json", "saved_model.pb", weights, "model.keras")
    harms = {f"a byte of {name}": changed(name) for name in files}
    harms |= {f"half of {name}": lambda folder, name=name: _halved(folder / name) for name in files}
    harms |= {f"{name} of another": exchanged(name) for name in files}
    harms["no weights yet"] = lambda folder: shutil.rmtree(folder / "variables")
    harms["no checksums yet"] = lambda folder: (folder / "SHA256SUMS").unlink()
    harms["checksums of another"] = exchanged("SHA256SUMS")
    return harms


def _halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)
