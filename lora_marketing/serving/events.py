"""Server-sent events as OpenAI's clients read them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from lora_marketing.serving.answer_guard import AnswerGuard, GuardedText
from lora_marketing.serving.batches import Batch
from lora_marketing.serving.errors import ApiError
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.run_batch import row_progress, usage
from lora_marketing.serving.schema import CompletionSettings
from lora_marketing.serving.service import Service

if TYPE_CHECKING:
    from lora_marketing.engine.request import Progress

ChoiceBody = Mapping[str, Any]
Choices = Callable[[int, "Progress", bool, GuardedText | None], Iterable[ChoiceBody]]
"""What a row's progress becomes: (its number, the progress, whether it is its first, and of its last what the
guards say) to choices."""
LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}
"""What Unicode calls the end of a line, as JSON escapes; json.dumps escapes the rest of them itself."""
CHUNK = 128
"""Bytes whose multiple an obfuscated choice takes up."""
DONE = "data: [DONE]\n\n"


def event(value: Any) -> str:
    """One event with a JSON value, free of what some clients take for the end of a line."""
    text = json.dumps(value, ensure_ascii=False).translate(LINE_ENDS)
    return f"data: {text}\n\n"


async def events(
    service: Service,
    batch: Batch,
    request_log: RequestLog,
    body: CompletionSettings,
    head: Mapping[str, Any],
    guard: AnswerGuard,
    choices: Choices,
) -> AsyncGenerator[str]:
    """Chunks of all rows as they come, their usage if it is wanted, and the end.

    Args:
        service: the server.
        batch: the rows to write.
        request_log: the request's log entry.
        body: the request's settings; says whether the usage is wanted.
        head: what all chunks have in common.
        guard: looks at every row when it is finished; what was shown by then stays shown.
        choices: makes a chunk's choices.

    Raises:
        ApiError: before the first event; later it becomes the last event.
    """
    with_usage = body.stream_options is not None and body.stream_options.include_usage
    common = {**head, "usage": None} if with_usage else head
    lengths: dict[int, int] = {}
    try:
        async with aclosing(row_progress(service, batch, request_log)) as rows:
            async for index, progress in rows:
                is_first = index not in lengths
                lengths[index] = len(progress.written.tokens) if progress.written else progress.tokens
                guarded = await guard.look(progress.written) if progress.written else None
                for choice in choices(index, progress, is_first, guarded):
                    yield event({**common, "choices": [choice], **_obfuscation(body, choice)})
    except ApiError as error:
        if not lengths:
            raise
        yield event(error.body.model_dump())
        return
    if with_usage:
        used = usage(batch, list(lengths.values()))
        yield event({**head, "choices": [], "usage": used.model_dump()})
    yield DONE


def _obfuscation(body: CompletionSettings, choice: ChoiceBody) -> Mapping[str, str]:
    """A field that makes all chunks nearly as long, if it is wanted: lengths tell words on the wire."""
    if body.stream_options is None or not body.stream_options.include_obfuscation:
        return {}
    missing = -len(json.dumps(choice, ensure_ascii=False).encode()) % CHUNK
    return {"obfuscation": token_hex(missing // 2 + 1)[:missing]}
