"""The chief of a search, a gRPC service that hands out trials, and its clients."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import keras_tuner

from tuning.keras_tuner_internals import OracleServicer, protos
from tuning.worker_pool import WorkerPool
from zoo.errors import InputError

POLL = 0.2  # seconds between two checks of the workers
CONNECT = 60.0  # seconds that a worker waits for the chief to start
RETURN = 600.0  # seconds that a worker waits for a chief to come back


def free_port() -> int:
    """A free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(oracle: keras_tuner.Oracle, host: str, port: int, pool: WorkerPool | None, tick: Callable[[], None]) -> None:
    """Hand out trials until the search ends.

    Args:
        oracle: one of `tuning.oracles`.
        host: address of this machine for the workers.
        port: to listen on.
        pool: workers of this machine; None if they run on others.
        tick: called at every poll.

    Raises:
        InputError: the port is in use. JobError: workers of this machine die as soon as they start.
    """
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(oracle), server)
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise InputError(f"{host}:{port} can't be listened on: is the port in use? Name another one") from error
    if not bound:
        raise InputError(f"{host}:{port} can't be listened on: is the port in use? Name another one")
    server.start()
    try:
        if pool is not None:
            pool.start(host, port)
        with contextlib.redirect_stdout(None):  # Keras Tuner prints the values that it sends
            while not _is_over(oracle, pool):
                time.sleep(POLL)
                tick()
                if pool is not None:
                    pool.restart_dead(oracle)
    finally:
        if pool is not None:
            pool.stop()
        server.stop(grace=2).wait()


def _is_over(oracle: keras_tuner.Oracle, pool: WorkerPool | None) -> bool:
    if pool is not None:
        return pool.finished
    now = time.monotonic()
    late = oracle.deadline is not None and now > oracle.deadline + 60
    return bool(oracle.ended or late) and not oracle.ongoing_trials and not oracle.has_waiting_workers


def join(host: str, port: int) -> None:
    """Make this process a worker of the chief at that address.

    Raises:
        InputError: no chief answers at that address.
    """
    ends = time.monotonic() + CONNECT
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
            break
        except OSError as error:
            if time.monotonic() > ends:
                raise InputError(
                    f"no chief answers at {host}:{port} ({error}); start it with the same command and --role chief"
                ) from error
            time.sleep(1)
    os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"] = host, str(port)
    os.environ["KERASTUNER_TUNER_ID"] = f"worker-{socket.gethostname()}-{os.getpid()}"


class RetryingStub:
    """The stub of Keras Tuner's service, which repeats a call while the chief is away.

    A call may reach the chief twice, so the oracles of `tuning.oracles` are idempotent.

    Args:
        stub: of Keras Tuner's service.
    """

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._stub, name)

        def call_until_answered(request: Any, **options: Any) -> Any:
            ends = time.monotonic() + RETURN
            while True:
                try:
                    return call(request, **options | {"timeout": RETURN})
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > ends:
                        raise
                    time.sleep(1)

        return call_until_answered
