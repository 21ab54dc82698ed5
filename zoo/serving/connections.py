"""Connections whose heads of requests are short, and come in time: uvicorn's own knows no such limits."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = 64 * 2**10  # bytes of a request line and its headers, give or take what is read at a time
PATIENCE = 60.0  # seconds for them to arrive

_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Connection(HttpToolsProtocol):
    """Closed where a head is too long or too late."""

    _read = 0  # bytes since the last whole head or part of a body: of a head, or of what may follow a body
    _onward = False
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._await()

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

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for."""
        self._rest()
        super().connection_lost(exc)

    def _await(self) -> None:
        self._rest()
        self._late = self.loop.call_later(PATIENCE, self._end)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        self.transport.close()
