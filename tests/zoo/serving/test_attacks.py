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
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.pictures import b64, encoded
from support.places import ROOT
from support.servers import Client, served
from zoo.serving import connections, dispatcher
from zoo.serving.model_manager import ModelManager
from zoo.serving.request_errors import RequestError

COLUMNS = tuple(f"feature_{at}" for at in range(4))
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
def attacked(tabular: Path, classifier: Path) -> Iterator[Client]:
    host = ModelManager({"table": tabular, "digits": classifier}, runtime="saved_model")
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
    assert 3 * 250 * len(COLUMNS) < dispatcher.SHORT < len(json.dumps([rows] * 2))
    long = attacked("/v1/models/table:predict", {"inputs": {name: [row[name] for row in rows] for name in COLUMNS}})
    few = attacked("/v1/models/table:predict", {"instances": rows[:3]})
    padded = attacked("/v1/models/table:predict", {"instances": rows[:3], "more": [[1, 2.5, None, "x", {}]] * 2000})
    assert long[0] == few[0] == 200 and padded == few
    assert [row["label"] for row in few[1]["predictions"]] == long[1]["outputs"]["label"][:3]
    for pauses in (False, True):
        for text in (b"[1, -2.5e3, 1E400, null, true, -7, {}]", b'{"a": "\\ud83d\\ude42"}'):
            assert dispatcher.parse_json(text, pauses) == json.loads(text)
        with pytest.raises(RequestError, match="number of 401 digits"):
            dispatcher.parse_json(b"[" + b"7" * 401 + b"]", pauses)


def crowd(client: Client, count: int, sent: bytes = b"") -> list[socket.socket]:
    found = []
    for _ in range(count):
        found.append(socket.create_connection(("127.0.0.1", client.port), timeout=10))
        found[-1].sendall(sent)
    return found


@pytest.mark.parametrize(
    "sent", [b"", b"GET /v2 HTTP/1.1\r\n", b"POST /v1/models/table:predict HTTP/1.1\r\nContent-Length: 900\r\n\r\n{"]
)
def test_connections_without_a_request_make_room(tabular: Path, sent: bytes) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    few = connections.ConnectionLimiter(20, lambda event, **facts: events.append((event, facts)))
    with served(ModelManager({"table": tabular}), limiter=few) as client:
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


def test_connections_that_are_owed_an_answer_stay(tabular: Path) -> None:
    host = ModelManager({"table": tabular})
    batcher, go = host.get("table").batcher, threading.Event()
    real = batcher._run
    batcher._run = lambda key, rows: (go.wait(30), real(key, rows))[1]
    body = {"instances": [dict.fromkeys(COLUMNS, 1.0)]}
    with served(host, limiter=connections.ConnectionLimiter(8)) as client, ThreadPoolExecutor(3) as pool:
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
    code = "import resource; from zoo.serving.connections import file_limit; print(file_limit(), file_limit()); "
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
        assert code == status and (status == 200 or "--allowed-hosts" in found["error"] or not host)


def test_names_are_free_where_a_token_is_asked_for_or_any_will_do(tabular: Path) -> None:
    bearer = {"Authorization": "Bearer a-long-secret"}
    with served(ModelManager({"table": tabular}), token="a-long-secret") as client:
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
    with served(ModelManager({"table": tabular}), allowed_hosts=["*"]) as client:
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
