"""`POST /v1/completions`: text that is gone on with as it stands, without a chat template."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response

from lora_marketing.serving.batches import Batch, SamplingOverrides, batch_of
from lora_marketing.serving.dependencies import EVENTS, TheCaller, TheRequestLog, TheService
from lora_marketing.serving.disconnect import EventStream, unless_disconnected
from lora_marketing.serving.errors import invalid
from lora_marketing.serving.events import ChoiceBody, events
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.prompts import require_short
from lora_marketing.serving.run_batch import REASONS, finished_rows, usage
from lora_marketing.serving.schema import Completion, CompletionRequest, TextChoice
from lora_marketing.serving.service import Service

if TYPE_CHECKING:
    from lora_marketing.engine.request import Progress
    from lora_marketing.serving.worker import WritingEngine
    from lora_marketing.writing.copywriter import Prompt

router = APIRouter()


@router.post("/v1/completions", response_model=Completion, responses=EVENTS)
async def complete(
    body: CompletionRequest,
    request: Request,
    service: TheService,
    caller: TheCaller,
    request_log: TheRequestLog,
) -> Completion | Response:
    """Go on with one or more texts; choice `i` belongs to prompt `i // n`."""
    batch = await service.while_awaited(request.receive, request_log, _batch(service, body, caller))
    if body.stream:
        head = {**_head(body, batch), "object": "text_completion"}
        chunks = events(service, batch, request_log, body, head, _pieces)
        return EventStream(await unless_disconnected(request.receive, anext(chunks)), chunks)
    rows = await unless_disconnected(request.receive, finished_rows(service, batch, request_log))
    return Completion(
        **_head(body, batch),
        choices=[
            TextChoice(index=index, text=row.text, finish_reason=REASONS[row.finish])
            for index, row in enumerate(rows)
        ],
        usage=usage(batch, [len(row.tokens) for row in rows]),
    )


async def _batch(service: Service, body: CompletionRequest, caller: Caller) -> Batch:
    model = await service.in_thread(lambda: service.models.resolve(body.model, caller), caller.id)
    prompts = await service.tokenize(lambda: _prompts(body.prompt, service.engine), caller.id)
    return batch_of(model, prompts, SamplingOverrides.of(body), service.engine)


def _prompts(prompt: str | list[str] | list[int], engine: WritingEngine) -> list[Prompt]:
    from lora_marketing.writing.copywriter import Prompt

    return [Prompt.of(tokens) for tokens in _encoded(prompt, engine)]


def _encoded(prompt: str | list[str] | list[int], engine: WritingEngine) -> list[list[int]]:
    if isinstance(prompt, str):
        prompt = [prompt]
    texts = [item for item in prompt if isinstance(item, str)]
    if texts:
        for text in texts:
            require_short([text], engine, "prompt")
        return [list(engine.base.tokenizer(text)["input_ids"]) for text in texts]
    ids = [item for item in prompt if isinstance(item, int)]
    known = min(len(engine.base.tokenizer), engine.vocabulary)
    if any(id >= known for id in ids):
        raise invalid(f"Token ids are less than {known}.", "prompt")
    return [ids]


def _head(body: CompletionRequest, batch: Batch) -> dict[str, Any]:
    return {
        "id": f"cmpl-{uuid4().hex}",
        "created": int(time.time()),
        "model": body.model,
        "system_fingerprint": batch.fingerprint,
    }


def _pieces(index: int, progress: Progress, is_first: bool) -> Iterator[ChoiceBody]:
    reason = REASONS[progress.written.finish] if progress.written else None
    if progress.text or reason:
        yield {"index": index, "text": progress.text, "logprobs": None, "finish_reason": reason}
