"""What all requests go through: limits of bytes, memory and examples, and the way to a model."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request

from zoo.serving.hosting import Host, Version
from zoo.serving.observing import Metrics
from zoo.serving.refusals import Refused, bad, enough, too_large

DRAIN = 256 * 2**20  # bytes of a refused body that are read, so that its sender reads the refusal
PATIENCE = 60.0  # seconds for a body to arrive
HELD = 16  # requests of the largest size that are in memory at once, or as many bytes of smaller ones
# JSON keeps the interpreter, and so all other requests, while it reads. Its time goes with the marks between values
# rather than with bytes: 16 MiB of base64 take 20 ms, of empty objects a second. A name costs as much as three numbers.
MARKS = {b",": 1, b"[": 1, b"{": 1, b"\\": 1, b":": 3}
SHORT = 5_000  # marks that are read at once: some milliseconds
LONGEST = 500_000
DIGITS = 400  # of a whole number: its time goes with their square, and no float has more
_LATER = {"Retry-After": "1"}

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What is taken at a time.

    Attributes:
        request: bytes of a request.
        queue: examples that are accepted and have no answer yet.
    """

    request: int = 16 * 2**20
    queue: int = 256


class Front:
    """What all requests go through: the limits, and the count of what was accepted.

    Args:
        host: the models.
        limits: of requests.
        metrics: what is counted.
    """

    def __init__(self, host: Host, limits: Limits, metrics: Metrics) -> None:
        self.host, self.limits, self.metrics = host, limits, metrics
        self.waiting = self.held = 0  # examples, and bytes of requests
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.threads = ThreadPoolExecutor(cores, "decode")
        self.reader = ThreadPoolExecutor(1, "read")

    def close(self) -> None:
        """End the threads."""
        self.threads.shutdown()
        self.reader.shutdown()

    async def threaded(self, work: Callable[..., T], *arguments: Any) -> T:
        """What `work` gives, in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, *arguments)

    async def one_by_one(self, work: Callable[..., T], *arguments: Any) -> T:
        """What `work` gives, in the thread for what takes long to read, in which none of the others wait."""
        return await asyncio.get_running_loop().run_in_executor(self.reader, work, *arguments)

    async def read(self, body: bytes, ask: Callable[[Any], T]) -> T:
        """What `ask` makes of a body of JSON; long ones are read one at a time, while others are answered.

        Raises:
            Refused: it is no JSON, or has too many values.
        """
        marks = sum(body.count(mark) * weight for mark, weight in MARKS.items())
        if marks > LONGEST:
            reason = f"expected JSON of at most {LONGEST:,} numbers, a name counting as three"
            raise too_large(f"{reason}; send fewer examples, or binary tensors")
        if marks <= SHORT:
            return ask(parsed(body))
        return await self.one_by_one(lambda: ask(parsed(body, with_pauses=True)))

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Room in memory for `size` bytes of a request.

        Raises:
            Refused: 429 where others hold too much.
        """
        if self.held + size > HELD * self.limits.request:
            raise Refused(429, "other requests hold the memory there is; ask again later", _LATER)
        self.held += size
        try:
            yield
        finally:
            self.held -= size

    @asynccontextmanager
    async def place(self, examples: int) -> AsyncIterator[None]:
        """Room in the queue.

        Raises:
            Refused: 429 where there is none.
        """
        if self.waiting + examples > self.limits.queue:
            raise Refused(429, f"{self.waiting} examples wait already; ask again later", _LATER)
        self.waiting += examples
        self.metrics.waiting.set(self.waiting)
        try:
            yield
        finally:
            self.waiting -= examples
            self.metrics.waiting.set(self.waiting)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """All of it, held for as long as the block runs.

        Raises:
            Refused: 413 where it is too long, 408 where it does not come, 429 where others hold too much.
        """
        most, said = self.limits.request, request.headers.get("content-length", "0")
        length = int(said) if said.isdigit() and len(said) < 19 else 0
        reason = f"expected a request of at most {most:,} bytes"
        if length > DRAIN:
            raise too_large(f"{reason}, received {length:,}")
        parts, size, held = [], 0, 0
        try:
            async with asyncio.timeout(PATIENCE):
                async for part in request.stream():
                    size += len(part)
                    if size > DRAIN:
                        break
                    if size > most:  # read on, so that its sender reads the refusal, and keep nothing
                        parts.clear()
                        continue
                    parts.append(part)
                    held += len(part)
                    self.held += len(part)
                    if self.held > HELD * most:
                        raise Refused(429, "other requests hold the memory there is; ask again later", _LATER)
            if size > most:
                raise too_large(f"{reason}, received {size:,}")
            yield b"".join(parts)
        except TimeoutError as error:
            raise Refused(408, f"the request did not arrive within {PATIENCE:.0f} s") from error
        finally:
            self.held -= held

    async def answers(
        self, version: Version, signature: str, rows: Sequence[dict[str, Any]], facts: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Of each of `rows`, in order; one bad example refuses them all. `version` is one that `Host.using` holds."""
        loop, answering = asyncio.get_running_loop(), version.answering
        facts["examples"] = len(rows)
        enough(len(rows), self.limits.queue)
        async with self.place(len(rows)):
            checked = await _all(
                [loop.run_in_executor(self.threads, answering.row, signature, fields) for fields in rows], len(rows)
            )
            asked: dict[Any, list[int]] = {}
            for at, (key, _) in enumerate(checked):
                asked.setdefault(key, []).append(at)
            found: list[Any] = [None] * len(rows)
            for key, positions in asked.items():
                given = await version.batcher.ask(key, [checked[at][1] for at in positions])
                for at, answer in zip(positions, given, strict=True):
                    found[at] = answer
        self.metrics.examples.labels(facts["model"]).inc(len(rows))
        return found


async def _all(futures: Sequence[Awaitable[Any]], count: int) -> list[Any]:
    found = await asyncio.gather(*futures, return_exceptions=True)
    for at, each in enumerate(found):
        if isinstance(each, Refused) and count > 1:
            raise Refused(each.status, f"example {at}: {each.reason}", each.headers)
        if isinstance(each, BaseException):
            raise each
    return found


def parsed(text: bytes, with_pauses: bool = False) -> Any:
    """JSON.

    Args:
        text: in UTF-8.
        with_pauses: whether other threads may go on between two numbers, which takes half as long again.

    Raises:
        Refused: it is none.
    """
    pauses: dict[str, Any] = {"parse_float": lambda digits: float(digits)} if with_pauses else {}
    try:
        return json.loads(text, parse_int=_whole, **pauses)
    except (ValueError, RecursionError) as error:
        raise bad(f"expected JSON: {str(error)[:200]}") from error


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
