"""Monitoring: metrics for Prometheus, and a log of one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from zoo.errors import Notice

__all__ = ["CONTENT_TYPE_LATEST", "Log", "Metrics", "gathered"]

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        options: dict[str, Any] = {"registry": self._registry}
        self.requests = Counter("zoo_requests", "Requests answered", ["model", "protocol", "code"], **options)
        self.seconds = Histogram(
            "zoo_request_seconds", "Time from request to answer", ["model"], buckets=_SECONDS, **options
        )
        self.examples = Counter("zoo_examples", "Examples answered", ["model"], **options)
        self.batches = Histogram(
            "zoo_batch_examples", "Examples that were answered together", buckets=(1, 2, 4, 8, 16, 32, 64), **options
        )
        self.waiting = Gauge("zoo_waiting_examples", "Examples that were accepted and have no answer yet", **options)
        self.versions = Gauge("zoo_model_version", "The version that answers", ["model"], **options)
        self.broken = Counter("zoo_versions_broken", "Versions that could not be opened", ["model"], **options)

    def text(self) -> bytes:
        """The metrics in Prometheus' format."""
        return generate_latest(self._registry)


class Log:
    """Writes events as lines of JSON.

    Args:
        out: the stream to write to; None for none.
    """

    def __init__(self, out: TextIO | None = sys.stderr) -> None:
        self._out, self._lock = out, threading.Lock()

    def __call__(self, event: str, **facts: Any) -> None:
        """Write one line."""
        if self._out is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event} | facts, ensure_ascii=True, default=str)
        with self._lock, suppress(OSError):  # the server goes on if the reader of the log is gone
            self._out.write(line + "\n")
            self._out.flush()


@contextmanager
def gathered(log: Log) -> Iterator[None]:
    """Within the block, logs of libraries and warnings of this package become events of `log`."""
    handler = _Handler(log)
    root = logging.getLogger()
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=Notice)
        warnings.showwarning = lambda message, category, *_, **__: (
            log("warning", reason=str(message)) if issubclass(category, Notice) else None
        )
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.ERROR)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        raised = record.exc_info[1] if record.exc_info else None
        reason = f"{record.getMessage()} {type(raised).__name__ + ': ' if raised else ''}{raised or ''}"
        self._log("error", source=record.name, reason=" ".join(reason.split())[:500])
