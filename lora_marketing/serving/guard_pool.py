"""Texts of requests are checked in processes of their own, one of a client at a time, within limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from lora_marketing.brands.brand import Brief
from lora_marketing.copy.checking import Draft
from lora_marketing.registry.version import Version
from lora_marketing.serving.errors import internal_error, model_unavailable, too_slow_to_check
from lora_marketing.serving.guard_process import CheckJob, CheckResult
from lora_marketing.serving.limits import GuardLimits
from lora_marketing.serving.served_models import LOG
from lora_marketing.serving.turns import Turns
from lora_marketing.serving.worker_process import WorkerProcess

MODULE = "lora_marketing.serving.guard_process"


class Checker(Protocol):
    """What checks a text: a `WorkerProcess`."""

    @property
    def fails(self) -> bool:
        """Whether it could not be started when it was wanted last."""

    async def start(self) -> None:
        """Start it now."""

    async def ask(self, line: bytes, seconds: float) -> bytes:
        """The `CheckResult` of a `CheckJob`, both as JSON; nothing if it ended instead."""

    async def end(self) -> None:
        """End it."""


def guard_processes(registry: Path, limits: GuardLimits) -> list[WorkerProcess]:
    """Processes that read brands and known texts from a registry."""
    setup = {
        "registry": str(registry.absolute()),
        "seconds": limits.seconds,
        "memory_bytes": limits.memory_bytes,
    }
    line = json.dumps(setup).encode()
    return [WorkerProcess(MODULE, lambda: line) for _ in range(limits.processes)]


class GuardPool:
    """Runs the guards. Used from one event loop.

    Args:
        processes: what checks texts, each one at a time.
        limits: what checking a text may take.
    """

    def __init__(self, processes: Sequence[Checker], limits: GuardLimits) -> None:
        self._limits = limits
        self._processes = processes
        self._free = asyncio.LifoQueue[Checker]()
        for process in self._processes:
            self._free.put_nowait(process)
        self._turns = Turns()

    @property
    def fails(self) -> bool:
        """Whether a process cannot be started."""
        return any(process.fails for process in self._processes)

    async def start(self) -> None:
        """Start all processes now, so that no first request waits for them.

        Raises:
            EngineStopped: one does not start.
        """
        await asyncio.gather(*(process.start() for process in self._processes))

    async def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            await process.end()

    async def require_usable(self, version: Version, brief: Brief, client: str) -> None:
        """Find out whether texts of a version can be checked, before any is written.

        Raises:
            ApiError: 503 if what it was trained on is damaged.
        """
        await self._results([_job(version, brief)], client)

    async def checked(
        self, version: Version, brief: Brief, drafts: Sequence[Draft], client: str
    ) -> list[CheckResult]:
        """What becomes of drafts that a version wrote for a brief, in their order.

        Raises:
            ApiError: 503 for a damaged version, or a text that takes too much time or memory; 500 if a guard
                failed.
        """
        return await self._results([_job(version, brief, draft=draft) for draft in drafts], client)

    async def checked_text(self, version: Version, brief: Brief, text: str, client: str) -> CheckResult:
        """What is found in a client's own text for a brief.

        Raises:
            ApiError: as `checked`.
        """
        (result,) = await self._results([_job(version, brief, text=text)], client)
        return result

    async def checked_answer(
        self, version: Version, brief: Brief, answer: str, client: str, *, shown: bool
    ) -> CheckResult:
        """What is found in an answer that no brief asked for: `brief` holds what the client said instead.

        `shown` says that the client sees it already.

        Raises:
            ApiError: as `checked`.
        """
        (result,) = await self._results([_job(version, brief, answer=answer, shown=shown)], client)
        return result

    async def _results(self, jobs: Sequence[CheckJob], client: str) -> list[CheckResult]:
        async with self._turns.of(client):
            return [await self._result(job) for job in jobs]

    async def _result(self, job: CheckJob) -> CheckResult:
        process = await self._free.get()
        try:
            answer = await process.ask(job.model_dump_json().encode(), self._limits.seconds)
        except TimeoutError as error:
            raise too_slow_to_check() from error
        finally:
            self._free.put_nowait(process)
        if not answer:
            raise too_slow_to_check()
        result = CheckResult.model_validate_json(answer)
        if result.refused is not None:
            LOG.error("%s cannot be used: %s", job.adapter, result.refused)
            raise model_unavailable()
        if result.fault is not None:
            LOG.error("a guard failed: %s", result.fault)
            raise internal_error()
        return result


def _job(version: Version, brief: Brief, **what: Any) -> CheckJob:
    return CheckJob(adapter=str(version.name), digest=version.digest, brief=brief, **what)
