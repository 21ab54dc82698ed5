"""Dispatching of requests: limits of bytes, memory and examples, and the way to a model."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from fastapi import Request

from zoo.data.unseen import counted
from zoo.serving.model_manager import ModelManager, Version
from zoo.serving.monitoring import Metrics
from zoo.serving.request_errors import RequestError, bad_request, check_count, too_large

DRAIN = 256 * 2**20  # bytes of a refused body that are read, so that its sender reads the refusal
PATIENCE = 60.0  # seconds for a body to arrive
HELD = 16  # requests of the largest size that fit into memory at the same time
# Parsing JSON holds the interpreter lock, and so blocks all other requests. Its time depends on the marks between
# values, not on bytes: 16 MiB of base64 take 20 ms, 16 MiB of empty objects a second. A name costs as three numbers.
MARKS = {b",": 1, b"[": 1, b"{": 1, b"\\": 1, b":": 3}
SHORT = 5_000  # marks of JSON that is parsed at once: some milliseconds
LONGEST = 500_000
DIGITS = 400  # of an integer: parsing time grows with their square, and no float has more
_LATER = {"Retry-After": "1"}

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Attributes:
        request: bytes of a request.
        queue: examples that are accepted and not yet answered.
    """

    request: int = 16 * 2**20
    queue: int = 256


class Answered(NamedTuple):
    """The answers to a request.

    Attributes:
        answers: one an example, in order.
        notes: what should be known about them: values that training never had, in words.
    """

    answers: list[dict[str, Any]]
    notes: list[str]


class Dispatcher:
    """Enforces the limits, counts accepted examples, and passes them on to a model.

    Args:
        models: to serve.
        limits: of requests.
        metrics: to count in.
    """

    def __init__(self, models: ModelManager, limits: Limits, metrics: Metrics) -> None:
        self.models, self.limits, self.metrics = models, limits, metrics
        self.waiting = self.held = 0  # examples in the queue, and bytes of requests in memory
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.threads = ThreadPoolExecutor(cores, "decode")
        self.reader = ThreadPoolExecutor(1, "read")

    def close(self) -> None:
        """End the threads."""
        self.threads.shutdown()
        self.reader.shutdown()

    async def threaded(self, work: Callable[..., T], *arguments: Any) -> T:
        """The result of `work`, which runs in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, *arguments)

    async def one_by_one(self, work: Callable[..., T], *arguments: Any) -> T:
        """The result of `work`, which runs in the one thread for long messages, so that short ones need not wait."""
        return await asyncio.get_running_loop().run_in_executor(self.reader, work, *arguments)

    async def read(self, body: bytes, parse: Callable[[Any], T]) -> T:
        """The result of `parse` for a body of JSON. Long bodies are read one at a time, beside other requests.

        Raises:
            RequestError: the body is no JSON, or has too many values.
        """
        marks = sum(body.count(mark) * weight for mark, weight in MARKS.items())
        if marks > LONGEST:
            reason = f"expected JSON of at most {LONGEST:,} numbers, a name counting as three"
            raise too_large(f"{reason}; send fewer examples, or binary tensors")
        if marks <= SHORT:
            return parse(parse_json(body))
        return await self.one_by_one(lambda: parse(parse_json(body, with_pauses=True)))

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Reserve memory for `size` bytes of a request within the block.

        Raises:
            RequestError: 429, other requests hold too much.
        """
        if self.held + size > HELD * self.limits.request:
            raise RequestError(429, "other requests hold the memory there is; ask again later", _LATER)
        self.held += size
        try:
            yield
        finally:
            self.held -= size

    @asynccontextmanager
    async def place(self, examples: int) -> AsyncIterator[None]:
        """Reserve places in the queue within the block.

        Raises:
            RequestError: 429, the queue is full.
        """
        if self.waiting + examples > self.limits.queue:
            raise RequestError(429, f"{self.waiting} examples wait already; ask again later", _LATER)
        self.waiting += examples
        self.metrics.waiting.set(self.waiting)
        try:
            yield
        finally:
            self.waiting -= examples
            self.metrics.waiting.set(self.waiting)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body of a request, whose memory is reserved within the block.

        Raises:
            RequestError: 413, the body is too long; 408, it did not arrive; 429, other requests hold too much.
        """
        most, header = self.limits.request, request.headers.get("content-length", "0")
        length = int(header) if header.isdigit() and len(header) < 19 else 0
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
                    if size > most:  # read on and keep nothing, so that the sender reads the error
                        parts.clear()
                        continue
                    parts.append(part)
                    held += len(part)
                    self.held += len(part)
                    if self.held > HELD * most:
                        raise RequestError(429, "other requests hold the memory there is; ask again later", _LATER)
            if size > most:
                raise too_large(f"{reason}, received {size:,}")
            yield b"".join(parts)
        except TimeoutError as error:
            raise RequestError(408, f"the request did not arrive within {PATIENCE:.0f} s") from error
        finally:
            self.held -= held

    async def answers(
        self, version: Version, signature: str, rows: Sequence[dict[str, Any]], facts: dict[str, Any]
    ) -> Answered:
        """Answers to `rows`, in their order; one bad example makes all fail. `ModelManager.using` holds `version`."""
        loop, servable = asyncio.get_running_loop(), version.servable
        facts["examples"] = len(rows)
        check_count(len(rows), self.limits.queue)
        async with self.place(len(rows)):
            checked = await _all(
                [loop.run_in_executor(self.threads, servable.row, signature, fields) for fields in rows], len(rows)
            )
            unseen = await self.threaded(version.unseen, [row for _, row in checked]) if version.training_values else {}
            positions_by_key: dict[Any, list[int]] = {}
            for at, (key, _) in enumerate(checked):
                positions_by_key.setdefault(key, []).append(at)
            answers: list[Any] = [None] * len(rows)
            for key, positions in positions_by_key.items():
                batch = await version.batcher.submit(key, [checked[at][1] for at in positions])
                for at, answer in zip(positions, batch, strict=True):
                    answers[at] = answer
        self.metrics.examples.labels(facts["model"]).inc(len(rows))
        if unseen:
            facts["unseen"] = len(unseen)
        notes = [f"{note.name}: {note.reason}" for note in counted(unseen.values(), len(rows), version.kind.plural)]
        return Answered(answers, notes)


async def _all(futures: Sequence[Awaitable[Any]], count: int) -> list[Any]:
    results = await asyncio.gather(*futures, return_exceptions=True)
    for at, each in enumerate(results):
        if isinstance(each, RequestError) and count > 1:
            raise RequestError(each.status, f"example {at}: {each.reason}", each.headers)
        if isinstance(each, BaseException):
            raise each
    return results


def parse_json(text: bytes, with_pauses: bool = False) -> Any:
    """The value of a text of JSON.

    Args:
        text: in UTF-8.
        with_pauses: whether other threads may run between two numbers, which takes half as long again.

    Raises:
        RequestError: the text is no JSON.
    """
    pauses: dict[str, Any] = {"parse_float": lambda digits: float(digits)} if with_pauses else {}
    try:
        return json.loads(text, parse_int=_integer, **pauses)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"expected JSON: {str(error)[:200]}") from error


def _integer(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
