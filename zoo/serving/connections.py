"""Limits of connections: the size of request heads, the time for them to arrive, and the connections of a client.

uvicorn has no such limits.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = 64 * 2**10  # bytes of a request line and its headers, give or take a read
PATIENCE = 60.0  # seconds for them to arrive
MOST = 2048  # connections
SPARE = 256  # files that a server has open beside its connections
LOG_EVERY = 10.0  # seconds between two lines in the log about connections that were closed

_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class ConnectionLimiter:
    """Limits the connections of a server: of too many, the oldest one that waits for its client is closed.

    Args:
        most: connections, at most; one client may have half as many.
        on_event: called with an event's name and facts, for the log.
    """

    def __init__(self, most: int = MOST, on_event: Callable[..., None] = lambda event, **facts: None) -> None:
        self.most, self._on_event = most, on_event
        self._clients: Counter[str] = Counter()  # address -> number of connections
        self._idle: dict[Connection, None] = {}  # connections without an open request, the oldest first
        self._closed, self._logged = 0, -LOG_EVERY

    def enter(self, connection: Connection) -> None:
        """Add a connection. If all others have an open request, it is closed itself."""
        host = connection.host
        self._clients[host] += 1
        self._idle[connection] = None
        if self._clients[host] > max(1, self.most // 2):
            closed = next(each for each in self._idle if each.host == host)
        elif self._clients.total() > self.most:
            closed = next(iter(self._idle))
        else:
            return
        self.leave(closed)
        closed.transport.close()
        self._closed += 1
        if time.monotonic() - self._logged > LOG_EVERY:
            reason = f"there may be {self.most} connections, and {self.most // 2} of one client"
            self._on_event("connections closed", count=self._closed, last=closed.host, reason=reason)
            self._closed, self._logged = 0, time.monotonic()

    def leave(self, connection: Connection) -> None:
        """Remove a connection; a second call does nothing."""
        if connection.host:
            self._clients[connection.host] -= 1
            if not self._clients[connection.host]:
                del self._clients[connection.host]
            connection.host = ""
        self._idle.pop(connection, None)

    def mark(self, connection: Connection, busy: bool) -> None:
        """Mark a connection as busy with an open request, or as idle."""
        if busy:
            self._idle.pop(connection, None)
        elif connection.host:
            self._idle.setdefault(connection)


class Connection(HttpToolsProtocol):
    """A connection that is closed if a request head is too long or too late.

    Args:
        limiter: of all connections.
    """

    host = ""  # address of the client; empty if the connection is not counted
    _read = 0  # bytes since the last complete head or part of a body
    _progressed = False
    _timeout: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, limiter: ConnectionLimiter, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limiter = limiter

    def connection_made(self, transport: Any) -> None:
        """Start the timeout of the first head."""
        super().connection_made(transport)
        self._start_timeout()
        self.host = self.client[0] if self.client else "unknown"
        self._limiter.enter(self)

    def data_received(self, data: bytes) -> None:
        """Count bytes that complete neither a head nor a part of a body."""
        if self.transport.is_closing():
            return
        self._progressed = False
        super().data_received(data)
        self._read = 0 if self._progressed else self._read + len(data)
        if self._read > HEAD and not self.transport.is_closing():
            if self._timeout is not None:  # no answer is being sent
                self.transport.write(_TOO_LONG)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Start the timeout of a head."""
        super().on_message_begin()
        self._start_timeout()

    def on_headers_complete(self) -> None:
        """Stop the timeout of the head."""
        self._progressed = True
        self._stop_timeout()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Record that a part of a body arrived."""
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Mark the connection as busy, now that the request is complete."""
        super().on_message_complete()
        self._limiter.mark(self, self._is_busy())

    def on_response_complete(self) -> None:
        """Mark the connection as idle, unless further requests are in the pipeline."""
        super().on_response_complete()
        self._limiter.mark(self, self._is_busy())

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout, and leave the limiter."""
        self._stop_timeout()
        self._limiter.leave(self)
        super().connection_lost(exc)

    def _is_busy(self) -> bool:
        """Whether a complete request has no answer yet."""
        last = self.cycle  # of the request that is being answered, or of the last one in the pipeline
        return bool(self.pipeline) or not (last is None or last.response_complete or last.more_body)

    def _start_timeout(self) -> None:
        self._stop_timeout()
        self._timeout = self.loop.call_later(PATIENCE, self._close)

    def _stop_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _close(self) -> None:
        self.transport.close()


def file_limit() -> int:
    """Number of files that this process may have open, after raising the limit as far as the system allows."""
    try:
        import resource
    except ImportError:  # Windows has no such module, and sockets are no files there
        return MOST + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    requested = 2 * MOST + SPARE if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < requested:
        with suppress(ValueError, OSError):  # macOS may allow less than its hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (requested, hard))
            soft = requested
    return MOST + SPARE if soft == resource.RLIM_INFINITY else soft
