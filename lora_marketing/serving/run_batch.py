"""Run the rows of a request on the engine: wait for all of them, or follow them as they are written."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lora_marketing.common.errors import AdapterRefused, EngineStopped, RowFailed
from lora_marketing.serving.batches import Batch
from lora_marketing.serving.errors import internal_error, model_unavailable, stopping, timeout
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.rows import RequestRows
from lora_marketing.serving.schema import FinishReason, TokenUsage
from lora_marketing.serving.served_models import LOG
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
"""Why a row ended, in OpenAI's words. Rows that were cancelled or failed have none."""


async def finished_rows(service: Service, batch: Batch, request_log: RequestLog) -> list[RowOutput]:
    """All rows of a batch, in its order, when the last one has ended.

    Raises:
        ApiError: 503 for a damaged adapter, a full queue or a stopping server, 504 for lack of time,
            500 if the engine failed.
    """
    done: dict[int, RowOutput] = {}
    async for index, progress in row_progress(service, batch, request_log):
        if progress.written:
            done[index] = progress.written
    return [done[index] for index in range(len(batch.requests))]


async def row_progress(
    service: Service, batch: Batch, request_log: RequestLog
) -> AsyncGenerator[tuple[int, Progress]]:
    """(number of a row, its progress) of all rows of a batch. Closing it cancels those not ended.

    Raises:
        ApiError: as `finished_rows`.
    """
    with _faults_as_errors(service):
        caller = request_log.caller
        assert caller is not None
        service.require_room(len(batch.requests), caller)
        service.metrics.count_request(batch.model.version.name.brand, batch.model.line)
        before_first_token = True
        requests = [replace(request, client=caller.id) for request in batch.requests]
        left = request_log.seconds_left(service.limits.seconds)
        async with (
            _charged(service, caller, batch) as written,
            RequestRows(service.worker, requests, left) as rows,
        ):
            async for index, progress in rows:
                written[index] = progress.tokens
                if progress.error or (progress.written and progress.written.finish not in REASONS):
                    raise _fault(batch, progress)
                if before_first_token and progress.tokens:
                    before_first_token = False
                    service.metrics.first_token.observe(time.monotonic() - request_log.started)
                if progress.written:
                    request_log.tokens += len(progress.written.tokens)
                    request_log.finish.append(progress.written.finish)
                yield index, progress


def usage(batch: Batch, rows: Sequence[int]) -> TokenUsage:
    """Usage of a batch whose rows have so many tokens."""
    prompt, completion = batch.prompt_tokens, sum(rows)
    return TokenUsage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


@asynccontextmanager
async def _charged(service: Service, caller: Caller, batch: Batch) -> AsyncIterator[dict[int, int]]:
    """Count the tokens of a batch against its key's rate, however it ends. Yields those by row, to set."""
    written: dict[int, int] = {}
    try:
        yield written
    finally:
        service.rates.charge(caller, batch.prompt_tokens + sum(written.values()))


@contextmanager
def _faults_as_errors(service: Service) -> Iterator[None]:
    """Turn what can go wrong while rows are written into HTTP errors."""
    try:
        yield
    except TimeoutError as error:
        raise timeout() from error
    except EngineStopped as error:
        raise (internal_error() if service.engine_failed else stopping(retry_after=5)) from error


def _fault(batch: Batch, progress: Progress) -> Exception:
    error = progress.error
    if isinstance(error, EngineStopped):
        return error
    if isinstance(error, RowFailed):
        LOG.error("a row of %s failed", batch.model.version, exc_info=error.__cause__)
        return internal_error()
    LOG.error("%s cannot be used: %s", batch.model.version, error.problems[0] if error else "no reason given")
    return model_unavailable() if isinstance(error, AdapterRefused) else internal_error()
