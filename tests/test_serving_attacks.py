"""Requests that are made to harm: each is refused in words, and costs others neither memory nor time."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_serving_server import ROOT, Client, b64, encoded, served

import zoo
from zoo.serving import connections, front, tensors
from zoo.serving.answering import Tensor
from zoo.serving.hosting import Host
from zoo.serving.refusals import Refused

grpc = pytest.importorskip("grpc")
predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
COLUMNS = tuple(f"feature_{at}" for at in range(4))
SIGNATURE = {name: Tensor("float32", (None,)) for name in COLUMNS}
PHOTOS = {"image_bytes": Tensor("string", (None,))}
WIDE = {"code": Tensor("float32", (None, None, 3))}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact of four numbers."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 4))
    data = zoo.data.arrays(rows, (rows[:, 0] > 0).astype(int))
    return zoo.train("mlp", data, model={"units": (4,)}, epochs=1).export(tmp_path_factory.mktemp("made") / "table")


@contextmanager
def asked(host: Host, token: str | None = None) -> Iterator[Any]:
    """A function that asks by gRPC: a request or bytes to a reply, or to an RpcError that is raised."""
    from tuning.workers import free_port
    from zoo.serving.grpc_service import PREDICT, beside
    from zoo.serving.observing import Log

    port = free_port()
    run = partial(beside, host="127.0.0.1", port=port, token=token, log=Log(None))
    with served(host, beside=run) as client, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(PREDICT)

        def ask(request: Any, **options: Any) -> Any:
            message = request if isinstance(request, bytes) else request.SerializeToString()
            return predict_pb2.PredictResponse.FromString(call(message, 30, wait_for_ready=True, **options))

        ask.client = client
        yield ask


def of_floats(values: dict[str, float], shape: list[int], name: str = "table", dtype: int = 1) -> Any:
    """A request whose tensors say one value each, and any shape."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    for key, value in values.items():
        request.inputs[key].dtype = dtype
        request.inputs[key].float_val.append(value)
        for size in shape:
            request.inputs[key].tensor_shape.dim.add().size = size
    return request


def peak() -> float:
    """MB that this process ever had, since it was last asked."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_small_messages_of_large_tensors_make_none(table: Path) -> None:
    ones = dict.fromkeys(COLUMNS, 1.0)
    with asked(Host({"table": table})) as ask:
        ask(of_floats(ones, [2]))
        before, started = (peak(), peak())[1], time.monotonic()
        for shape in ([16_000_000], [256, 16_000_000], [1, 2**40], [2**62], [-1], [0], [], [1] * 300):
            with pytest.raises(grpc.RpcError) as error:
                ask(of_floats(ones, shape))
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "expected" in error.value.details()
        assert peak() - before < 50 and time.monotonic() - started < 5
        assert len(ask(of_floats(ones, [256])).outputs["label"].string_val) == 256


def test_grpc_takes_the_tensors_of_the_signature_alone(table: Path) -> None:
    ones = dict.fromkeys(COLUMNS, 1.0)
    with asked(Host({"table": table}), token="a-long-secret") as ask:
        bearer = ("authorization", "bEARER a-long-secret")
        assert ask(of_floats(ones, [1]), metadata=[bearer]).outputs["label"].string_val
        wrong: list[tuple[Any, str]] = [(of_floats(ones, [1], dtype=dtype), "DT_") for dtype in (7, 8, 10, 11, 20, 21)]
        wrong += [(of_floats(ones, [1], dtype=dtype), "type of numbers") for dtype in (0, 101, 999)]
        wrong += [(of_floats({**ones, "e": 1.0}, [1]), "inputs feature_0, feature_1")]
        wrong += [(of_floats({COLUMNS[1]: 1.0}, [1]), "received feature_1")]
        wrong += [(of_floats({}, [1]), "received none"), (b"\xff\xff", "PredictRequest")]
        wrong += [(of_tensor(field(8, b"") * 300_000), "at most 200,000 fields")]
        for request, reason in wrong:
            with pytest.raises(grpc.RpcError) as error:
                ask(request, metadata=[bearer])
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and reason in error.value.details()
        for metadata in ([], [("authorization", "Bearer other")], [bearer, bearer]):
            with pytest.raises(grpc.RpcError) as error:
                ask(of_floats(ones, [1]), metadata=metadata)
            assert error.value.code() != grpc.StatusCode.UNKNOWN and "expected" in error.value.details()


def proto(dtype: int, shape: list[int], **values: Any) -> Any:
    from tensorflow.core.framework import tensor_pb2

    found = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in shape:
        found.tensor_shape.dim.add().size = size
    return found


@pytest.mark.parametrize(
    ("inputs", "given", "reason"),
    [
        (WIDE, {"code": proto(1, [2, 9, 4], float_val=[1.0])}, "expected the shape examples x any x 3"),
        (WIDE, {"code": proto(1, [2, 3], float_val=[1.0])}, "received 2 x 3"),
        (WIDE, {"code": proto(1, [1, 10**6, 3], float_val=[1.0])}, "at most 1,000,000 bytes"),
        (WIDE, {"code": proto(1, [1, 1, 3], tensor_content=b"1234")}, "expected 12 bytes in tensor_content"),
        (WIDE, {"code": proto(1, [1, 1, 3], float_val=[1.0] * 4)}, "expected 3 values in float_val"),
        (PHOTOS, {"image_bytes": proto(7, [5], string_val=[b"x" * 300_000])}, "received 1,500,000"),
        (PHOTOS, {"image_bytes": proto(7, [2], string_val=[b""] * 3)}, "expected 2 values in string_val"),
        (PHOTOS, {"image_bytes": proto(7, [2])}, "expected 2 values in string_val"),
        (PHOTOS, {"image_bytes": proto(7, [9], string_val=[b""] * 9)}, "at most 8 examples"),
        (
            SIGNATURE,
            {name: proto(1, [1 + (name == COLUMNS[-1])], float_val=[1.0]) for name in COLUMNS},
            "as many values",
        ),
    ],
)
def test_tensors_are_counted_before_they_are_made(inputs: Any, given: Any, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        tensors.check(given, inputs, 8, 1_000_000)


def field(number: int, content: bytes) -> bytes:
    """One of a message, with its length before it."""
    size, length = len(content), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def of_tensor(content: bytes) -> bytes:
    return field(1, field(1, b"table")) + field(2, field(1, b"a") + field(2, content))


@pytest.mark.parametrize(
    "message",
    [
        of_tensor(field(8, b"") * 600_000),
        of_tensor(field(2, field(2, b"") * 600_000)),
        of_tensor(b"\x08\x01" * 600_000),
        field(2, b"") * 600_000,
        field(3, b"") * 600_000,
    ],
)
def test_messages_are_counted_before_they_are_read(message: bytes) -> None:
    assert not tensors.few(message) and not tensors.few(message, 10)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (of_tensor(field(15, b"")), "resource or a variant"),
        (of_tensor(field(14, field(1, b"cpu"))), "resource or a variant"),
        (of_tensor(b"\x42\x05abc"), "bytes that are none"),
        (b"\x0b" * 9, "bytes that are none"),
        (b"\xff" * 20, "bytes that are none"),
        (b"\x0a", "bytes that are none"),
    ],
)
def test_messages_that_are_no_requests_are_refused(message: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        tensors.few(message)


def test_messages_that_are_requests_are_counted_as_such() -> None:
    import tensorflow as tf

    request = of_floats(dict.fromkeys(COLUMNS, 1.0), [2, 3])
    request.model_spec.version.value = 2**62
    request.output_filter.extend(["label", ""])
    request.inputs["text"].CopyFrom(tf.make_tensor_proto([b"", b"x" * 300, b"\xff" * 20_000]))
    request.inputs["numbers"].CopyFrom(tf.make_tensor_proto(np.arange(9.0)))
    request.inputs["one"].CopyFrom(tf.make_tensor_proto(-1))
    assert tensors.few(request.SerializeToString(), 70) and not tensors.few(request.SerializeToString(), 20)
    assert tensors.few(b"", 0)


def test_tensors_are_what_tensorflow_reads() -> None:
    import tensorflow as tf

    for dtype in ("float32", "float64", "float16", "int8", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        array = np.arange(12).reshape(2, 2, 3).astype(dtype)
        for given in (tf.make_tensor_proto(array), proto(tf.as_dtype(dtype).as_datatype_enum, [2, 2, 3])):
            assert tensors.check({"code": given}, WIDE, 8, 1000) == array.nbytes
            (found,) = tensors.columns({"code": given}).values()
            assert np.array_equal(found, tf.make_ndarray(given)) and found[0].dtype == dtype
    assert tensors.columns({"text": proto(7, [3], string_val=[b"a", b"b"])}) == {"text": [b"a", b"b", b"b"]}


ATTACKS = {
    "objects": b'{"":0},',
    "lists": b"[],",
    "whole numbers": b"0,",
    "powers": b"1e5,",
    "strings": b'"",',
    "long numbers": b"9" * 4000 + b",",
    "escapes": b'"\\n\\n\\n\\n",',
}


@pytest.fixture(scope="module")
def attacked(table: Path, classifier: Path) -> Iterator[Client]:
    host = Host({"table": table, "digits": classifier}, runtime="saved_model")
    with served(host, allowed_hosts=["Models.example"]) as client:
        yield client


def test_long_json_holds_nobody_up(attacked: Client, pixels: np.ndarray) -> None:
    good, waits, done = {"instances": [b64(encoded(pixels[0]))]}, [], threading.Event()

    def ask() -> None:
        while not done.is_set():
            started = time.monotonic()
            assert attacked("/v1/models/digits:predict", good)[0] == 200
            waits.append(time.monotonic() - started)

    assert attacked("/v1/models/digits:predict", good)[0] == 200
    asking = threading.Thread(target=ask)
    asking.start()
    for unit in ATTACKS.values():
        for size in (16_000_000, 500_000):
            body = b'{"instances":[' + unit * (size // len(unit)) + b"0]}"
            status, found = attacked("/v1/models/table:predict", body)
            assert status in (400, 413) and "expected" in found["error"]
    done.set()
    asking.join()
    assert max(waits) < 3  # four and more where one call to the parser reads them


def test_many_values_are_read_in_a_thread_and_as_before(attacked: Client) -> None:
    rows = [{name: float(at) for name in COLUMNS} for at in range(250)]
    assert 3 * 250 * len(COLUMNS) < front.SHORT < len(json.dumps([rows] * 2))
    long = attacked("/v1/models/table:predict", {"inputs": {name: [row[name] for row in rows] for name in COLUMNS}})
    few = attacked("/v1/models/table:predict", {"instances": rows[:3]})
    padded = attacked("/v1/models/table:predict", {"instances": rows[:3], "more": [[1, 2.5, None, "x", {}]] * 2000})
    assert long[0] == few[0] == 200 and padded == few
    assert [row["label"] for row in few[1]["predictions"]] == long[1]["outputs"]["label"][:3]
    for pauses in (False, True):
        for text in (b"[1, -2.5e3, 1E400, null, true, -7, {}]", b'{"a": "\\ud83d\\ude42"}'):
            assert front.parsed(text, pauses) == json.loads(text)
        with pytest.raises(Refused, match="number of 401 digits"):
            front.parsed(b"[" + b"7" * 401 + b"]", pauses)


def crowd(client: Client, count: int, sent: bytes = b"") -> list[socket.socket]:
    found = []
    for _ in range(count):
        found.append(socket.create_connection(("127.0.0.1", client.port), timeout=10))
        found[-1].sendall(sent)
    return found


@pytest.mark.parametrize(
    "sent", [b"", b"GET /v2 HTTP/1.1\r\n", b"POST /v1/models/table:predict HTTP/1.1\r\nContent-Length: 900\r\n\r\n{"]
)
def test_connections_without_a_request_make_room(table: Path, sent: bytes) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    few = connections.Crowd(20, lambda event, **facts: events.append((event, facts)))
    with served(Host({"table": table}), crowd=few) as client:
        kept = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
        idle = crowd(client, 60, sent)
        for _ in range(3):
            kept.request("GET", "/v2")
            assert kept.getresponse().read()
        assert client("/v2")[0] == 200
        closed = sum(each.recv(100) == b"" for each in idle[:45])
        assert closed == 45 and [event for event, _ in events] == ["connections closed"]
        assert "10 of one client" in events[0][1]["reason"]
        for each in idle:
            each.close()
        kept.close()
        ends = time.monotonic() + 10
        while few._clients and time.monotonic() < ends:
            time.sleep(0.02)
        assert not few._clients and not few._idle


def test_connections_that_are_owed_an_answer_stay(table: Path) -> None:
    host = Host({"table": table})
    batcher, go = host.get("table").batcher, threading.Event()
    real = batcher._run
    batcher._run = lambda key, rows: (go.wait(30), real(key, rows))[1]
    body = {"instances": [dict.fromkeys(COLUMNS, 1.0)]}
    with served(host, crowd=connections.Crowd(8)) as client, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(client, "/v1/models/table:predict", body) for _ in range(3)]
        ends = time.monotonic() + 20
        while "zoo_waiting_examples 3.0" not in client("/metrics")[1] and time.monotonic() < ends:
            time.sleep(0.02)
        idle = crowd(client, 20)
        go.set()
        assert [each.result()[0] for each in asked] == [200] * 3
        for each in idle:
            each.close()


def test_the_limit_of_open_files_is_raised() -> None:
    resource = pytest.importorskip("resource")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    code = "import resource; from zoo.serving import connections; print(connections.room(), connections.room()); "
    code += "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    for limit in (1024, 300):
        limits = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({limit // 2}, {limit})); "
        done = subprocess.run([sys.executable, "-c", limits + code], capture_output=True, text=True, cwd=ROOT)
        assert done.stdout.split() == [str(limit)] * 4, done.stderr
    assert hard == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LocalHost.:8501", 200),
        ("zoo.localhost:80", 200),
        ("127.0.0.1:8501", 200),
        ("192.168.1.7:8501", 200),
        ("[::1]:8501", 200),
        ("models.example:8501", 200),
        ("MODELS.example.", 200),
        ("attacker.example", 403),
        ("localhost.attacker.example:8501", 403),
        ("127.0.0.1.attacker.example", 403),
        ("other.models.example", 403),
        ("", 403),
        ("\u00e9", 403),
    ],
)
def test_names_that_are_not_its_own_are_refused(attacked: Client, host: str, status: int) -> None:
    for path in ("/v2", "/", "/v2/health/live"):
        code, found = attacked(path, headers={"Host": host})
        assert code == status and (status == 200 or "--allowed-hosts" in found["error"])


def test_names_are_free_where_a_token_is_asked_for_or_any_will_do(table: Path) -> None:
    bearer = {"Authorization": "Bearer a-long-secret"}
    with served(Host({"table": table}), token="a-long-secret") as client:
        assert client("/v2", headers={"Host": "other.example"} | bearer)[0] == 200
        for value in ("bearer a-long-secret", "BEARER  a-long-secret ", "beareR a-long-secret"):
            assert client("/v2", headers={"Authorization": value})[0] == 200
        for value in (
            "Bearer",
            "a-long-secret",
            "Bearer a-long-secret-too",
            "Bearera-long-secret",
            "Basic a-long-secret",
        ):
            assert client("/v2", headers={"Authorization": value})[0] == 401
        assert raw(client, b"GET /v2", b"Authorization: Bearer a-long-secret", b"Authorization: Bearer no") == 400
    with served(Host({"table": table}), allowed_hosts=["*"]) as client:
        assert client("/v2", headers={"Host": "other.example"})[0] == 200


def test_hosts_are_one_or_none(attacked: Client) -> None:
    assert raw(attacked, b"GET /v2", b"Host: localhost", b"Host: attacker.example") == 400
    assert raw(attacked, b"GET /v2") == 200  # browsers send one


def test_head_is_answered_as_get_without_a_body(attacked: Client) -> None:
    for path in (
        "/",
        "/v2",
        "/v1/models/table",
        "/v2/models/table",
        "/metrics",
        "/nothing",
        "/v1/models/table:predict",
    ):
        replies = {}
        for method in ("GET", "HEAD"):
            connection = http.client.HTTPConnection("127.0.0.1", attacked.port, timeout=30)
            connection.request(method, path)
            reply = connection.getresponse()
            body = reply.read()
            replies[method] = reply.status, reply.headers["Content-Type"]
            assert bool(body) == (method == "GET") and int(reply.headers["Content-Length"])
            connection.request("GET", "/v2/health/live")  # the connection goes on
            assert connection.getresponse().status == 200
            connection.close()
        assert replies["GET"] == replies["HEAD"]


def raw(client: Client, *lines: bytes) -> int:
    """Status of a request with these headers and no others."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as connection:
        connection.sendall(b"\r\n".join([lines[0] + b" HTTP/1.1", *lines[1:], b"", b""]))
        return int(connection.recv(1000).split()[1])
