"""Examples of many requests, answered together."""

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
    """Takes what waits, and no more than `most` at a time; nothing waits for others to come.

    While a batch is answered the next one gathers, so batches grow with the load and a lone request is not held up.

    Args:
        run: answers, in order, for rows of one key; called from threads.
        most: rows at a time.
        lanes: batches at a time.
        told: called with the number of rows of each batch.
    """

    def __init__(self, run: Run, most: int = 32, lanes: int = 1, told: Callable[[int], None] = lambda rows: None):
        self._run, self._most, self._told = run, most, told
        self._queue: deque[_Waiting] = deque()
        self._there = threading.Condition()
        self._closed, self._held = False, 0
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(lanes)]
        for thread in self._threads:
            thread.start()

    def hold(self) -> bool:
        """Whether it is open; if so, it stays until `release`."""
        with self._there:
            self._held += not self._closed
            return not self._closed

    def release(self) -> None:
        """Undo `hold`."""
        with self._there:
            self._held -= 1
            self._there.notify_all()

    async def ask(self, key: Hashable, rows: Sequence[Any]) -> list[Any]:
        """The answers for `rows`, which only share a batch with others of the same `key`.

        Raises:
            Exception: what `run` raised for one of them, asked by itself.
        """
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(key, row, loop.create_future(), loop) for row in rows]
        with self._there:
            if self._closed and not self._held:
                raise RuntimeError("closed")
            self._queue.extend(waiting)
            self._there.notify(len(waiting))
        return await asyncio.gather(*(each.future for each in waiting))

    def close(self) -> None:
        """Answer what waits and what those who hold it ask, and end."""
        with self._there:
            self._closed = True
            self._there.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next():
            self._told(len(batch))
            rows = [each.row for each in batch]
            try:
                found = list(self._run(batch[0].key, rows))
            except Exception as error:  # one row may be to blame: each is asked by itself
                found = [error] if len(rows) == 1 else [self._alone(batch[0].key, row) for row in rows]
            for loop in {each.loop for each in batch}:
                mine = [(each.future, answer) for each, answer in zip(batch, found, strict=True) if each.loop is loop]
                loop.call_soon_threadsafe(_deliver, mine)

    def _next(self) -> list[_Waiting]:
        with self._there:
            batch: list[_Waiting] = []
            while not batch:
                while not self._queue and not (self._closed and not self._held):
                    self._there.wait()
                if not self._queue:
                    break
                while self._queue and len(batch) < self._most and (not batch or self._queue[0].key == batch[0].key):
                    each = self._queue.popleft()
                    if not each.future.done():  # else whoever asked is gone
                        batch.append(each)
            return batch

    def _alone(self, key: Hashable, row: Any) -> Any:
        try:
            return list(self._run(key, [row]))[0]
        except Exception as error:
            return error


def _deliver(answers: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in answers:
        if future.done():  # whoever asked is gone
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
