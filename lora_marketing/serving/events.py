"""Server-sent events as OpenAI's clients read them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from lora_marketing.serving.batches import Batch
from lora_marketing.serving.errors import ApiError
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.schema import CompletionSettings
from lora_marketing.serving.service import Service
from lora_marketing.serving.writing import heard, usage

if TYPE_CHECKING:
    from lora_marketing.engine.request import Progress

ChoiceBody = Mapping[str, Any]
DONE = "data: [DONE]\n\n"


def event(value: Any) -> str:
    """One event with a JSON value."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


async def events(
    service: Service,
    wanted: Batch,
    record: RequestLog,
    asked: CompletionSettings,
    head: Mapping[str, Any],
    choices: Callable[[int, Progress, bool], Iterable[ChoiceBody]],
) -> AsyncGenerator[str]:
    """Chunks of all rows as they come, their usage if it is wanted, and the end.

    Args:
        service, wanted, record, asked: what is written, and for whom.
        head: what all chunks have in common.
        choices: the choices that tell of a row's progress; True with the first of a row.

    Raises:
        ApiError: before the first event; later it becomes the last event.
    """
    with_usage = asked.stream_options is not None and asked.stream_options.include_usage
    common = {**head, "usage": None} if with_usage else head
    lengths: dict[int, int] = {}
    try:
        async with aclosing(heard(service, wanted, record)) as rows:
            async for index, progress in rows:
                is_first = index not in lengths
                lengths[index] = len(progress.written.tokens) if progress.written else progress.tokens
                for choice in choices(index, progress, is_first):
                    yield event({**common, "choices": [choice]})
    except ApiError as error:
        if not lengths:
            raise
        yield event(error.body.model_dump())
        return
    if with_usage:
        used = usage(wanted, list(lengths.values()))
        yield event({**head, "choices": [], "usage": used.model_dump()})
    yield DONE
