"""`POST /v1/chat/completions`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jinja2
from fastapi import APIRouter, Request, Response

from lora_marketing.serving.batches import Batch, SamplingOverrides, batch_of
from lora_marketing.serving.dependencies import EVENTS, TheCaller, TheRequestLog, TheService
from lora_marketing.serving.disconnect import EventStream, unless_disconnected
from lora_marketing.serving.errors import invalid
from lora_marketing.serving.events import ChoiceBody, events
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.prompts import require_short
from lora_marketing.serving.run_batch import REASONS, finished_rows, usage
from lora_marketing.serving.schema import AnswerMessage, ChatChoice, ChatCompletion, ChatMessage, ChatRequest
from lora_marketing.serving.service import Service
from lora_marketing.tasks import Message

if TYPE_CHECKING:
    from lora_marketing.engine.constraints import Constraint
    from lora_marketing.engine.request import Progress
    from lora_marketing.serving.worker import WritingEngine
    from lora_marketing.writing.copywriter import Prompt

router = APIRouter()


@router.post("/v1/chat/completions", response_model=ChatCompletion, responses=EVENTS)
async def chat(
    body: ChatRequest, request: Request, service: TheService, caller: TheCaller, request_log: TheRequestLog
) -> ChatCompletion | Response:
    """Answer a chat in the brand's voice. The prompt is the client's: nothing is put before it."""
    batch = await service.while_awaited(request.receive, request_log, _batch(service, body, caller))
    if body.stream:
        head = {**_head(body, batch), "object": "chat.completion.chunk"}
        chunks = events(service, batch, request_log, body, head, _deltas)
        return EventStream(await unless_disconnected(request.receive, anext(chunks)), chunks)
    rows = await unless_disconnected(request.receive, finished_rows(service, batch, request_log))
    return ChatCompletion(
        **_head(body, batch),
        choices=[
            ChatChoice(
                index=index,
                message=AnswerMessage(content=row.text),
                finish_reason=REASONS[row.finish],
            )
            for index, row in enumerate(rows)
        ],
        usage=usage(batch, [len(row.tokens) for row in rows]),
    )


async def _batch(service: Service, body: ChatRequest, caller: Caller) -> Batch:
    model = await service.in_thread(lambda: service.models.resolve(body.model, caller), caller.id)
    prompt = await service.tokenize(lambda: _prompt(body.messages, service.engine), caller.id)
    constraints: tuple[Constraint, ...] = ()
    if body.json_schema is not None:
        constraints = (await service.grammars.grammar(body.json_schema, caller.id),)
    return batch_of(model, [prompt], SamplingOverrides.of(body), service.engine, constraints)


def _prompt(turns: Sequence[ChatMessage], engine: WritingEngine) -> Prompt:
    from lora_marketing.writing.copywriter import Prompt

    require_short([turn.text for turn in turns], engine, "messages")
    chat: list[Message] = [
        {"role": "system" if turn.role == "developer" else turn.role, "content": turn.text} for turn in turns
    ]
    try:
        return Prompt.of(engine.base.encode(chat, header=True))
    except jinja2.TemplateError as error:
        text = f"The base's chat template does not take these messages: {error.message}"
        raise invalid(text, "messages") from error


def _head(body: ChatRequest, batch: Batch) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "created": int(time.time()),
        "model": body.model,
        "system_fingerprint": batch.fingerprint,
    }


def _deltas(index: int, progress: Progress, is_first: bool) -> Iterator[ChoiceBody]:
    if is_first:
        yield _delta(index, {"role": "assistant", "content": ""})
    if progress.text:
        yield _delta(index, {"content": progress.text})
    if progress.written:
        yield _delta(index, {}, REASONS[progress.written.finish])


def _delta(index: int, delta: dict[str, str], reason: str | None = None) -> ChoiceBody:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
