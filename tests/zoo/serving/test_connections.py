"""Connections whose client stops, or never comes to an end."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path

import numpy as np
import pytest

from support.pictures import b64, encoded
from support.servers import Client, served
from zoo.serving import connections, dispatcher
from zoo.serving.dispatcher import Limits
from zoo.serving.model_manager import ModelManager
from zoo.serving.monitoring import Log


def test_clients_that_stop_in_the_middle_hold_nothing_up(
    classifier: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "PATIENCE", 1.0)
    body = json.dumps({"instances": [b64(encoded(pixels[0]))]}).encode()
    head = f"POST /v1/models/digits:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    out = io.StringIO()
    with served(
        ModelManager({"digits": classifier}, runtime="saved_model"), limits=Limits(queue=2), log=Log(out)
    ) as client:
        slow = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(8)]
        for each in slow:
            each.sendall(head + body[:100])
        slow.pop().close()
        assert client("/v1/models/digits:predict", body)[0] == 200
        for each in slow:
            each.settimeout(20)
            assert b" 408 " in each.recv(100)
            each.close()
        monkeypatch.setattr(dispatcher, "HELD", 0)
        assert client("/v1/models/digits:predict", body)[0] == 429
        monkeypatch.setattr(dispatcher, "HELD", 16)
        assert client("/v1/models/digits:predict", body)[0] == 200
    statuses = {json.loads(line)["status"] for line in out.getvalue().splitlines()}
    assert statuses == {200, 408, 429, 499}


@pytest.mark.parametrize(
    "before", [b"GET /v2 HTTP/1.1\r\nA: ", b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: "]
)
def test_a_head_without_end_is_refused(server: Client, before: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection, pytest.raises(OSError):
        connection.sendall(before)
        for _ in range(1000):
            connection.sendall(b"a" * 100_000)
    assert server("/v2")[0] == 200


def test_a_head_that_does_not_come_is_not_waited_for(server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.2)
    for begun in (b"", b"GET /v2 HTTP/1.1\r\n", b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v2"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(begun)
            while connection.recv(10_000):
                pass
