"""Servers of artifacts, and clients that ask them."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from support.places import ROOT
from zoo.serving.app import application
from zoo.serving.connections import Connection, ConnectionLimiter
from zoo.serving.model_manager import ModelManager
from zoo.serving.server import bound_socket


class Client:
    """Asks one server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None, method: str | None = None
    ) -> tuple[int, Any]:
        """Status, and JSON or text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection.request(method or ("GET" if body is None else "POST"), path, body, headers or {})
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        return reply.status, json.loads(text) if "json" in reply.headers["Content-Type"] else text.decode()


@contextmanager
def served(host: ModelManager, limiter: ConnectionLimiter | None = None, **options: Any) -> Iterator[Client]:
    """A client of a server in this process."""
    app = application(host, **options)
    protocol = partial(Connection, limiter=limiter or ConnectionLimiter())
    with bound_socket("127.0.0.1", 0) as listening:
        listening.listen()
        app_server = uvicorn.Server(uvicorn.Config(app, http=protocol, ws="none", log_level="error", lifespan="on"))
        thread = threading.Thread(target=app_server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Client(listening.getsockname()[1])
        finally:
            app_server.should_exit = True
            thread.join()


@contextmanager
def process(*arguments: str, env: dict[str, str] | None = None) -> Iterator[tuple[subprocess.Popen, Client, Path]]:
    """`zoo serve` in a process of its own, a client of it, and the file of its log."""
    command = [sys.executable, "-c", "from zoo.cli import main; main()", "serve", *arguments, "--port", "0"]
    log = Path("serve.log")
    with log.open("wb") as errors:
        given = os.environ | {"PYTHONPATH": str(ROOT)} | (env or {})
        found = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=given)
    try:
        line = found.stdout.readline()
        assert line, log.read_text()
        yield found, Client(int(line.split()[0].rsplit(":", 1)[1])), log
    finally:
        found.kill()
        found.wait()


@contextmanager
def served_by_grpc(host: ModelManager, token: str | None = None) -> Iterator[Any]:
    """A function that asks by gRPC: a request or bytes to a reply, or to an RpcError that is raised."""
    import grpc
    from tensorflow_serving.apis import predict_pb2

    from tuning.chief import free_port
    from zoo.serving.grpc_service import PREDICT, beside
    from zoo.serving.monitoring import Log

    port = free_port()
    run = partial(beside, host="127.0.0.1", port=port, token=token, log=Log(None))
    with served(host, beside=run) as client, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(PREDICT)

        def ask(request: Any, **options: Any) -> Any:
            message = request if isinstance(request, bytes) else request.SerializeToString()
            return predict_pb2.PredictResponse.FromString(call(message, 30, wait_for_ready=True, **options))

        ask.client, ask.channel = client, channel
        yield ask
