"""Batching of examples from many requests."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

Run = Callable[[Hashable, Sequence[Any]], Sequence[Any]]


class _Waiting(NamedTuple):
    key: Hashable
    row: Any
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Batcher:
    """Runs waiting examples in batches of at most `most`. It never waits for a batch to fill.

    While a batch runs the next one gathers, so batches grow with the load, and a single request is not delayed.

    Args:
        run: a function from a key and rows to answers in their order; called from threads.
        most: rows of a batch, at most.
        lanes: batches that run at the same time.
        on_batch: called with the number of rows of each batch.
    """

    def __init__(self, run: Run, most: int = 32, lanes: int = 1, on_batch: Callable[[int], None] = lambda rows: None):
        self._run, self._most, self._on_batch = run, most, on_batch
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed, self._held = False, 0
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(lanes)]
        for thread in self._threads:
            thread.start()

    def hold(self) -> bool:
        """Whether the batcher is open; if so, it stays open until `release`."""
        with self._changed:
            self._held += not self._closed
            return not self._closed

    def release(self) -> None:
        """Undo `hold`."""
        with self._changed:
            self._held -= 1
            self._changed.notify_all()

    async def submit(self, key: Hashable, rows: Sequence[Any]) -> list[Any]:
        """The answers for `rows`, which share batches only with rows of the same `key`.

        Raises:
            Exception: raised by `run` for one of the rows alone.
        """
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(key, row, loop.create_future(), loop) for row in rows]
        with self._changed:
            if self._closed and not self._held:
                raise RuntimeError("closed")
            self._queue.extend(waiting)
            self._changed.notify(len(waiting))
        return await asyncio.gather(*(each.future for each in waiting))

    def close(self) -> None:
        """Answer what waits and what holders still submit, then end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next():
            self._on_batch(len(batch))
            rows = [each.row for each in batch]
            try:
                answers = list(self._run(batch[0].key, rows))
            except Exception as error:  # one row may be the cause, so each is run alone
                answers = [error] if len(rows) == 1 else [self._run_alone(batch[0].key, row) for row in rows]
            for loop in {each.loop for each in batch}:
                pairs = zip(batch, answers, strict=True)
                loop.call_soon_threadsafe(
                    _deliver, [(each.future, answer) for each, answer in pairs if each.loop is loop]
                )

    def _next(self) -> list[_Waiting]:
        with self._changed:
            batch: list[_Waiting] = []
            while not batch:
                while not self._queue and not (self._closed and not self._held):
                    self._changed.wait()
                if not self._queue:
                    break
                while self._queue and len(batch) < self._most and (not batch or self._queue[0].key == batch[0].key):
                    each = self._queue.popleft()
                    if not each.future.done():  # otherwise the client is gone
                        batch.append(each)
            return batch

    def _run_alone(self, key: Hashable, row: Any) -> Any:
        try:
            return list(self._run(key, [row]))[0]
        except Exception as error:
            return error


def _deliver(answers: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in answers:
        if future.done():  # the client is gone
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
