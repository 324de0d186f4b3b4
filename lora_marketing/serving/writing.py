"""Orders handed to the engine: gathered whole, or passed on as they are written."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lora_marketing.common.errors import AdapterRefused, EngineStopped
from lora_marketing.serving.batches import Batch
from lora_marketing.serving.errors import draining, internal, model_unusable, timed_out
from lora_marketing.serving.models import LOG
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.rows import RequestRows
from lora_marketing.serving.schema import FinishReason, TokenUsage
from lora_marketing.serving.service import Service

if TYPE_CHECKING:
    from lora_marketing.engine.request import Finish, Progress, RowOutput

REASONS: dict[Finish, FinishReason] = {
    "stop": "stop",
    "stop_string": "stop",
    "length": "length",
    "budget": "length",
    "stuck": "length",
}
"""What OpenAI's clients know of why a row ended. Rows that were given up or failed give no answer."""


async def written(service: Service, order: Batch, record: RequestLog) -> list[RowOutput]:
    """All rows of an order, when the last one has ended.

    Raises:
        ApiError: 503 for a damaged adapter, a full queue or a stopping server, 504 for lack of time,
            500 if the engine failed.
    """
    done: dict[int, RowOutput] = {}
    async for index, progress in heard(service, order, record):
        if progress.written:
            done[index] = progress.written
    return [done[index] for index in range(len(order.requests))]


async def heard(service: Service, order: Batch, record: RequestLog) -> AsyncGenerator[tuple[int, Progress]]:
    """(row, what it has to tell) of all rows of an order. Closing it gives up what is not written.

    Raises:
        ApiError: as `written`.
    """
    with _faults_told(service):
        service.require_room(len(order.requests))
        service.metrics.count(order.model.version.name.brand, order.model.line)
        waiting = True
        async with RequestRows(
            service.worker, order.requests, record.seconds_left(service.limits.seconds)
        ) as rows:
            async for index, progress in rows:
                if progress.error or (progress.written and progress.written.finish not in REASONS):
                    raise _fault(order, progress)
                if waiting and progress.tokens:
                    waiting = False
                    service.metrics.first_token.observe(time.monotonic() - record.begun)
                if progress.written:
                    record.tokens += len(progress.written.tokens)
                    record.finish.append(progress.written.finish)
                yield index, progress


def usage(order: Batch, rows: Sequence[int]) -> TokenUsage:
    """Usage of an order whose rows have so many tokens."""
    wrote = sum(rows)
    read = order.prompt_tokens
    return TokenUsage(prompt_tokens=read, completion_tokens=wrote, total_tokens=read + wrote)


@contextmanager
def _faults_told(service: Service) -> Iterator[None]:
    """Turn what can go wrong while rows are written into answers."""
    try:
        yield
    except TimeoutError as error:
        raise timed_out() from error
    except EngineStopped as error:
        raise (internal() if service.engine_failed else draining(retry_after=5)) from error


def _fault(order: Batch, progress: Progress) -> Exception:
    error = progress.error
    if isinstance(error, EngineStopped):
        return error
    LOG.error("%s cannot be used: %s", order.model.version, error.problems[0] if error else "no reason told")
    return model_unusable() if isinstance(error, AdapterRefused) else internal()
