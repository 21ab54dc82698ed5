"""The server process: its sockets, its signals, its end."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from zoo.errors import InputError, JobError
from zoo.serving.servables import MAX_PIXELS

LONGEST_TOKEN = 4096  # a longer header may not reach the server


def serve(
    artifacts: Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8501,
    runtime: str = "auto",
    batch: int = 32,
    queue: int = 256,
    request: int = 16 * 2**20,
    pixels: int = MAX_PIXELS,
    token: str | None = None,
    allowed_hosts: Sequence[str] = (),
    quiet: bool = False,
    grpc_port: int | None = None,
    ready: Callable[[str], None] = lambda address: None,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve artifacts until SIGTERM or SIGINT; accepted requests are answered before the server ends.

    Args:
        artifacts: names or folders, as ``zoo predict`` takes them, each perhaps after ``NAME=``. Of an artifact the
            newest version is served, and newer ones are loaded when they appear; a version folder is pinned.
        host: address to listen on.
        port: to listen on; 0 for a free one.
        runtime: auto, openvino, litert, onnx or saved_model.
        batch: examples of a batch, at most.
        queue: examples that may wait; more are refused with 429.
        request: bytes of a request, at most; more are refused with 413.
        pixels: of an image, at most; more are refused with 413.
        token: that requests must have; None for no such check.
        allowed_hosts: further names of this server, for requests without a token. IP addresses, localhost and `host`
            are always allowed; ``*`` allows all.
        quiet: whether to log no line for each request.
        grpc_port: port for TensorFlow Serving's gRPC; None for no gRPC.
        ready: called with the address when all models answer.
        say: called with a line for users about a step that takes long.

    Raises:
        InputError: an artifact can't be loaded, or the port is in use. JobError: the extra ``serve`` is missing.
    """
    beside: Any = None
    try:
        import uvicorn

        from zoo.serving import connections
        from zoo.serving.app import application
        from zoo.serving.dispatcher import Limits
        from zoo.serving.model_manager import ModelManager, folders_by_name
        from zoo.serving.monitoring import Log, Metrics, gathered
    except ImportError as error:
        raise JobError(f"needs {error.name}: pip install 'keras-model-zoo[serve]'") from error
    if grpc_port is not None and grpc_port == port:
        raise InputError(f"{host}:{port} is listened on for HTTP; name another --grpc-port")
    listening = bound_socket(host, port)
    if grpc_port is not None:
        bound_socket(host, grpc_port, "--grpc-port").close()  # raises before models are loaded
    metrics, log = Metrics(), Log()
    files = connections.file_limit() - connections.SPARE
    most = max(16, min(connections.MOST, files // (1 if grpc_port is None else 2)))
    if token is None and not is_local(host):
        log("open to all", host=host, reason="no token is required; --token-file requires one")

    def on_event(event: str, **facts: object) -> None:
        if event == "version broken":
            metrics.broken.labels(facts["model"]).inc()
        if event == "writing format":
            say(f"writing {facts['folder']}: {facts['reason']}")
        log(event, **facts)

    with listening, gathered(log):
        models = ModelManager(
            folders_by_name(artifacts),
            runtime=runtime,
            batch=batch,
            most=pixels,
            on_event=on_event,
            on_batch=metrics.batches.observe,
        )
        limits = Limits(request, queue)
        requests = Log(None) if quiet else log
        if grpc_port is not None:
            beside = partial(_grpc(), host=host, port=grpc_port, token=token, log=requests, connections=most)
        hosts = (host, *allowed_hosts)
        app = application(
            models, limits=limits, token=token, allowed_hosts=hosts, metrics=metrics, log=requests, beside=beside
        )
        config = uvicorn.Config(
            app,
            http=partial(connections.Connection, limiter=connections.ConnectionLimiter(most, log)),
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=90,  # for clients that do not read their answers
        )
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        log("listening", address=address, models=list(models.models), token=token is not None)
        listening.listen(2048)  # from here on requests wait instead of being refused
        ready(address)
        # uvicorn ends well on a signal and then raises it again, which is not needed.
        before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
        log("ended")


def _grpc() -> Any:
    try:
        from zoo.serving.grpc_service import beside
    except ImportError as error:
        raise JobError(f"needs {error.name}: pip install 'keras-model-zoo[serve]'") from error
    return beside


def is_local(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_of(path: str | None, given: str | None) -> str | None:
    """The token in a file, or the one given by the environment.

    Raises:
        InputError: the file can't be read, or its text is no token.
    """
    where = "$ZOO_TOKEN" if path is None else path
    if path is not None:
        try:
            with open(path, "rb") as file:  # it may be a pipe, as that of the shell's <(...)
                given = file.read(LONGEST_TOKEN + 1).decode().strip()
        except OSError as error:
            raise InputError(f"{path}: the token can't be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: the token can't be read: it is no text") from error
    plain = given is not None and given.isascii() and given.isprintable() and " " not in given
    if given is not None and not (plain and 8 <= len(given) <= LONGEST_TOKEN):
        raise InputError(f"{where}: expected a token of 8 to {LONGEST_TOKEN:,} ASCII characters without spaces")
    return given


def bound_socket(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket bound to an address, whose errors name `option`.

    Raises:
        InputError: the address is wrong, or the port is in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"{host}:{port} is no address to listen on: {error.strerror}") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise InputError(f"{host}:{port} can't be listened on: {error.strerror}; name another {option}") from error
    return bound
