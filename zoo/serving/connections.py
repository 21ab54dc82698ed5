"""Connections: heads of requests are short and come in time, and no client takes all there may be.

uvicorn's own knows no such limits.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = 64 * 2**10  # bytes of a request line and its headers, give or take what is read at a time
PATIENCE = 60.0  # seconds for them to arrive
MOST = 2048  # connections
SPARE = 256  # files that a server has open beside its connections
TOLD = 10.0  # seconds between two lines in the log about connections that were closed

_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Crowd:
    """The connections of a server. Where there are too many, the oldest that waits for its client is closed.

    Args:
        most: connections; of one client half as many.
        tell: called with an event's name and facts, for the log.
    """

    def __init__(self, most: int = MOST, tell: Callable[..., None] = lambda event, **facts: None) -> None:
        self.most, self._tell = most, tell
        self._clients: Counter[str] = Counter()  # connections of each
        self._idle: dict[Connection, None] = {}  # those that owe no answer, the oldest first
        self._closed, self._told = 0, -TOLD

    def enter(self, connection: Connection) -> None:
        """One more; it is closed itself where all others are owed an answer."""
        host = connection.host
        self._clients[host] += 1
        self._idle[connection] = None
        if self._clients[host] > max(1, self.most // 2):
            gone = next(each for each in self._idle if each.host == host)
        elif self._clients.total() > self.most:
            gone = next(iter(self._idle))
        else:
            return
        self.leave(gone)
        gone.transport.close()
        self._closed += 1
        if time.monotonic() - self._told > TOLD:
            reason = f"there may be {self.most} connections, and {self.most // 2} of one client"
            self._tell("connections closed", count=self._closed, last=gone.host, reason=reason)
            self._closed, self._told = 0, time.monotonic()

    def leave(self, connection: Connection) -> None:
        """One less; those that left before are none."""
        if connection.host:
            self._clients[connection.host] -= 1
            if not self._clients[connection.host]:
                del self._clients[connection.host]
            connection.host = ""
        self._idle.pop(connection, None)

    def owes(self, connection: Connection, owes: bool) -> None:
        """A connection waits for its answer, or no longer."""
        if owes:
            self._idle.pop(connection, None)
        elif connection.host:
            self._idle.setdefault(connection)


class Connection(HttpToolsProtocol):
    """Closed where a head is too long or too late.

    Args:
        crowd: that it is one of.
    """

    host = ""  # address of the client; empty where it is not counted
    _read = 0  # bytes since the last whole head or part of a body: of a head, or of what may follow a body
    _onward = False
    _late: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, crowd: Crowd, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._crowd = crowd

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._await()
        self.host = self.client[0] if self.client else "unknown"
        self._crowd.enter(self)

    def data_received(self, data: bytes) -> None:
        """Count what is neither a whole head nor a part of a body."""
        if self.transport.is_closing():
            return
        self._onward = False
        super().data_received(data)
        self._read = 0 if self._onward else self._read + len(data)
        if self._read > HEAD and not self.transport.is_closing():
            if self._late is not None:  # no answer is on its way
                self.transport.write(_TOO_LONG)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._await()

    def on_headers_complete(self) -> None:
        """It is there."""
        self._onward = True
        self._rest()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._onward = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of a request is there."""
        super().on_message_complete()
        self._crowd.owes(self, self._owes())

    def on_response_complete(self) -> None:
        """All of an answer is sent."""
        super().on_response_complete()
        self._crowd.owes(self, self._owes())

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for."""
        self._rest()
        self._crowd.leave(self)
        super().connection_lost(exc)

    def _owes(self) -> bool:
        """Whether a whole request has no answer yet."""
        last = self.cycle  # of what is answered, or of the last of what waits in the pipeline
        return bool(self.pipeline) or not (last is None or last.response_complete or last.more_body)

    def _await(self) -> None:
        self._rest()
        self._late = self.loop.call_later(PATIENCE, self._end)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        self.transport.close()


def room() -> int:
    """Files that may be open at once, after this process has asked for as many as the system gives it."""
    try:
        import resource
    except ImportError:  # not on Windows, where sockets are none
        return MOST + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST + SPARE if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # of macOS "hard" may be more than it gives
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return MOST + SPARE if soft == resource.RLIM_INFINITY else soft
