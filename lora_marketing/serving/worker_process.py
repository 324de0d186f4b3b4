"""A process of its own for what clients make the server compute: it can be ended without the server.

It reads a line and answers with a line. What holds the interpreter's lock holds its own there and not the
server's, and what takes too much time or memory ends the process, which starts anew for the next client.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from lora_marketing.common.errors import EngineStopped, Problem

START_SECONDS = 120.0
"""Seconds that a process has to start. It takes about one."""
MOST_ANSWER = 32 << 20
"""Bytes of an answer."""


class WorkerProcess:
    """One process, started when it is needed, and again after it was killed.

    Args:
        module: what to run with `python -m`; its `main` calls `answer_lines`.
        setup: the first line it reads; makes one when the process starts.
    """

    def __init__(self, module: str, setup: Callable[[], bytes]) -> None:
        self._module = module
        self._setup = setup
        self._start: asyncio.Task[Process] | None = None

    @property
    def fails(self) -> bool:
        """Whether it could not be started when it was wanted last."""
        start = self._start
        return bool(start and start.done() and not start.cancelled() and start.exception())

    async def start(self) -> None:
        """Start it now.

        Raises:
            EngineStopped: it does not start.
        """
        await asyncio.shield(self._started())

    async def ask(self, line: bytes, seconds: float) -> bytes:
        """What it answers; nothing if it ended instead, as it does for want of memory.

        It is killed when the time is over, or the caller is cancelled.

        Raises:
            TimeoutError: the time is over. EngineStopped: it does not start.
        """
        process = await asyncio.shield(self._started())
        answer = b""
        try:
            async with asyncio.timeout(seconds):
                answer = await _exchange(process, line)
        finally:
            if not answer:
                await _kill(process)
        return answer

    async def end(self) -> None:
        """End the process, if there is one."""
        if self._start is not None:
            (process,) = await asyncio.gather(self._start, return_exceptions=True)
            if isinstance(process, Process):
                await _kill(process)

    def _started(self) -> asyncio.Task[Process]:
        start = self._start
        if start is not None and start.done():
            gone = start.cancelled() or start.exception() or start.result().returncode is not None
            start = None if gone else start
        self._start = start or asyncio.create_task(self._begin())
        return self._start

    async def _begin(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # what a library says of a text quotes it
            start_new_session=True,  # Ctrl-C is for the server, whose running requests may need this
            limit=MOST_ANSWER,
        )
        ready = b""
        try:
            async with asyncio.timeout(START_SECONDS):
                ready = await _exchange(process, self._setup())
        finally:
            if not ready:
                await _kill(process)
        if not ready:
            raise EngineStopped(Problem(f"{self._module} does not start"))
        return process


async def _exchange(process: Process, line: bytes) -> bytes:
    """Send a line and read one; nothing if the process has ended."""
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(line + b"\n")
        await process.stdin.drain()
        return await process.stdout.readline()
    except (BrokenPipeError, ConnectionResetError):
        return b""


async def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def answer_lines(requests: IO[str], answers: IO[str], seconds: int, answer: Callable[[str], str]) -> None:
    """In the process: say with an empty line that it is ready, then answer each line with a line.

    One that takes longer than `seconds` ends the process, whoever waits for it.
    """
    _write(answers, "")
    for line in requests:
        # the default action ends the process, also while no Python runs
        signal.alarm(seconds + 1)
        _write(answers, answer(line))
        signal.alarm(0)


def _write(answers: IO[str], line: str) -> None:
    answers.write(line + "\n")
    answers.flush()


def limit_memory(more: int) -> None:
    """Let this process have so many bytes more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
