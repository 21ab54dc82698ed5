"""Running the server: its socket, its signals, its end."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from zoo.errors import InputError, JobError
from zoo.serving.answering import MAX_PIXELS

LONGEST_TOKEN = 4096  # a header with more may not reach the server


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
    """Serve artifacts until SIGTERM or SIGINT, after which every request that was accepted is still answered.

    Args:
        artifacts: names or folders, as ``zoo predict`` takes them, each perhaps after ``NAME=``. The newest version
            of an artifact answers, newer ones are picked up as they come; a version folder stays.
        host: address to listen on.
        port: to listen on; 0 for a free one.
        runtime: auto, openvino, litert, onnx or saved_model.
        batch: examples that are answered together at most.
        queue: examples that may wait; more are refused with 429.
        request: bytes of a request at most; more are refused with 413.
        pixels: of an image at most; more are refused with 413.
        token: that requests have to bear; None for no such check.
        allowed_hosts: names under which others reach the server, where no token is asked for. IP addresses, localhost
            and `host` always do; ``*`` is any.
        quiet: no line a request in the log.
        grpc_port: where TensorFlow Serving's gRPC is answered too; None for nowhere.
        ready: called with the address when all models answer.
        say: called with a line for people about what takes long before that.

    Raises:
        InputError: an artifact can't be opened, the port is in use. JobError: the extra ``serve`` is missing.
    """
    beside: Any = None
    try:
        import uvicorn

        from zoo.serving import connections
        from zoo.serving.app import application
        from zoo.serving.front import Limits
        from zoo.serving.hosting import Host, named
        from zoo.serving.observing import Log, Metrics, gathered
    except ImportError as error:
        raise JobError(f"needs {error.name}: pip install 'keras-model-zoo[serve]'") from error
    if grpc_port is not None and grpc_port == port:
        raise InputError(f"{host}:{port} is listened on for HTTP; name another --grpc-port")
    listening = _socket(host, port)
    if grpc_port is not None:
        _socket(host, grpc_port, "--grpc-port").close()  # in use: told before models are opened
    metrics, log = Metrics(), Log()
    most = max(16, min(connections.MOST, (connections.room() - connections.SPARE) // (1 if grpc_port is None else 2)))
    if token is None and not is_local(host):
        log("open to all", host=host, reason="no token is asked for; --token-file asks for one")

    def tell(event: str, **facts: object) -> None:
        if event == "version broken":
            metrics.broken.labels(facts["model"]).inc()
        if event == "writing format":
            say(f"writing {facts['folder']}: {facts['reason']}")
        log(event, **facts)

    with listening, gathered(log):
        models = Host(
            named(artifacts), runtime=runtime, batch=batch, most=pixels, tell=tell, told=metrics.batches.observe
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
            http=partial(connections.Connection, crowd=connections.Crowd(most, log)),  # type: ignore[arg-type]
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=90,  # who does not read what he asked for is waited for no longer
        )
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        log("listening", address=address, models=list(models.models), token=token is not None)
        listening.listen(2048)  # who asks from here on waits for the first answer, and is not turned away
        ready(address)
        # uvicorn ends well on a signal and then raises it again; to have ended well is enough.
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
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_of(path: str | None, given: str | None) -> str | None:
    """The token in a file, or as given by the environment.

    Raises:
        InputError: it is none.
    """
    where = "$ZOO_TOKEN" if path is None else path
    if path is not None:
        try:
            with open(path, "rb") as file:  # a pipe too, as the shell's <(...)
                given = file.read(LONGEST_TOKEN + 1).decode().strip()
        except OSError as error:
            raise InputError(f"{path}: the token can't be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: the token can't be read: it is no text") from error
    plain = given is not None and given.isascii() and given.isprintable() and " " not in given
    if given is not None and not (plain and 8 <= len(given) <= LONGEST_TOKEN):
        raise InputError(f"{where}: expected a token of 8 to {LONGEST_TOKEN:,} ASCII characters without spaces")
    return given


def _socket(host: str, port: int, option: str = "--port") -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"{host}:{port} is no address to listen on: {error.strerror}") from error
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(address)
    except OSError as error:
        found.close()
        raise InputError(f"{host}:{port} can't be listened on: {error.strerror}; name another {option}") from error
    return found
