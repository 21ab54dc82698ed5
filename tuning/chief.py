"""The chief of a search, and the workers' way to it."""

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
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from tuning.workers import Crew
from zoo.errors import InputError

LOOK = 0.2  # seconds between two looks at the workers
CONNECT = 60.0  # seconds that a worker waits for the chief to be there
RETURN = 600.0  # and for one that was there to come back


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(oracle: keras_tuner.Oracle, host: str, port: int, crew: Crew | None, tick: Callable[[], None]) -> None:
    """Give out trials until the search ends.

    Args:
        oracle: one out of `tuning.oracles`.
        host: address of this machine that workers reach it by.
        port: to listen on.
        crew: workers of this machine; None where they are elsewhere.
        tick: called now and then.

    Raises:
        InputError: the port is in use. JobError: the workers of this machine end at once.
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
        if crew is not None:
            crew.start(host, port)
        with contextlib.redirect_stdout(None):  # Keras Tuner prints values as it sends them
            while not _over(oracle, crew):
                time.sleep(LOOK)
                tick()
                if crew is not None:
                    crew.look(oracle)
    finally:
        if crew is not None:
            crew.stop()
        server.stop(grace=2).wait()


def _over(oracle: keras_tuner.Oracle, crew: Crew | None) -> bool:
    if crew is not None:
        return crew.gone
    now = time.monotonic()
    late = oracle.deadline is not None and now > oracle.deadline + 60
    return bool(oracle.ended or late) and not oracle.ongoing_trials and not oracle.untold


def join(host: str, port: int) -> None:
    """Make this process a worker of the chief at that address.

    Raises:
        InputError: nobody answers there.
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


class Patient:
    """A worker's way to the chief, which waits for one that is away: each question may be asked twice.

    Args:
        stub: of Keras Tuner's service.
    """

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Callable[..., Any]:
        ask = getattr(self._stub, name)

        def asked(request: Any, **options: Any) -> Any:
            ends = time.monotonic() + RETURN
            while True:
                try:
                    return ask(request, **options | {"timeout": RETURN})
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > ends:
                        raise
                    time.sleep(1)

        return asked
