"""Turns in a pool: one thread for a client, also for one that asks and leaves."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from lora_marketing.serving.turns import Turns


def test_who_leaves_keeps_its_turn_until_the_thread_is_free(caplog: pytest.LogCaptureFixture) -> None:
    may = Event()

    def fail() -> None:
        may.wait(60)
        raise ValueError("nobody waits for this")

    async def work() -> None:
        turns, pool = Turns(), ThreadPoolExecutor(2)
        left = [asyncio.create_task(turns.run("hog", pool, fail)) for _ in range(5)]
        await asyncio.sleep(0.01)
        for task in left:
            task.cancel()
        await asyncio.wait(left)
        waiting = asyncio.create_task(turns.run("hog", pool, lambda: "its turn"))
        assert await turns.run("other", pool, lambda: "at once") == "at once"
        assert not waiting.done()
        may.set()
        assert await waiting == "its turn"
        pool.shutdown()

    with caplog.at_level(logging.ERROR, "asyncio"):
        asyncio.run(work())
    assert caplog.text == ""
