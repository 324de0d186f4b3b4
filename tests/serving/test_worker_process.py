"""A process for what clients make the server compute: it ends when it should, and begins anew."""

from __future__ import annotations

import asyncio
import time

import pytest

from lora_marketing.common.errors import EngineStopped
from lora_marketing.serving.worker_process import WorkerProcess

STUBBORN = "tests.serving.stubborn_process"


def test_what_takes_too_long_or_too_much_ends_the_process_and_the_next_is_answered() -> None:
    async def work() -> None:
        process = WorkerProcess(STUBBORN, lambda: b"set up")
        assert await process.ask(b"fine", 60) == b"FINE\n"
        first = (await process._started()).pid
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await process.ask(b"hang", 0.2)
        assert time.monotonic() - begun < 3
        assert await process.ask(b"eat", 60) == b""
        leaving = asyncio.create_task(process.ask(b"hang", 60))
        await asyncio.sleep(0.1)
        leaving.cancel()
        await asyncio.wait([leaving], timeout=60)
        assert leaving.cancelled()
        assert await process.ask(b"fine", 60) == b"FINE\n"
        assert (await process._started()).pid != first
        assert not process.fails
        await process.end()

    asyncio.run(work())


def test_one_that_does_not_start_says_so_and_is_tried_again() -> None:
    async def work() -> None:
        setups = [b"wrong", b"set up"]
        process = WorkerProcess(STUBBORN, lambda: setups.pop(0))
        with pytest.raises(EngineStopped, match="does not start"):
            await process.ask(b"fine", 60)
        assert process.fails
        assert await process.ask(b"fine", 60) == b"FINE\n"
        assert not process.fails
        await process.end()

    asyncio.run(work())
