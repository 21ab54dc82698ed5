"""Batches: who asks gets the own answer, whoever is gone or wrong beside it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from zoo.serving.batching import Batcher


def test_a_version_that_is_replaced_answers_what_it_began() -> None:
    import asyncio

    async def asked() -> list[Any]:
        batcher = Batcher(lambda key, rows: list(rows))
        assert batcher.hold()
        closing = asyncio.get_running_loop().run_in_executor(None, batcher.close)
        while batcher.hold():
            batcher.release()
            await asyncio.sleep(0.01)
        found = await batcher.submit("key", [1])
        assert not closing.done()
        batcher.release()
        await closing
        return found

    assert asyncio.run(asked()) == [1]


def test_who_is_gone_is_not_answered() -> None:
    import asyncio

    go, seen = threading.Event(), []

    def run(key: Any, rows: Any) -> list[int]:
        seen.extend(rows)
        go.wait(10)
        return list(rows)

    async def asked() -> None:
        batcher = Batcher(run, most=1)
        first, gone = (asyncio.ensure_future(batcher.submit("key", [row])) for row in (1, 2))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0)
        go.set()
        assert await first == [1] and await batcher.submit("key", [3]) == [3] and seen == [1, 3]
        await asyncio.get_running_loop().run_in_executor(None, batcher.close)

    asyncio.run(asked())


def test_one_bad_row_spoils_no_batch() -> None:
    import asyncio

    go = threading.Event()

    def run(key: Any, rows: Any) -> list[int]:
        go.wait(10)
        if 3 in rows:
            raise ValueError("three")
        return [row * 10 for row in rows]

    async def all_of_them() -> list[Any]:
        batcher = Batcher(run, most=8)
        asked = [asyncio.ensure_future(batcher.submit("key", [row])) for row in range(6)]
        await asyncio.sleep(0.05)
        go.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, batcher.close)
        with pytest.raises(RuntimeError, match="closed"):
            await batcher.submit("key", [1])
        return found

    found = asyncio.run(all_of_them())
    assert [each for each in found if not isinstance(each, Exception)] == [[0], [10], [20], [40], [50]]
    assert isinstance(found[3], ValueError)
