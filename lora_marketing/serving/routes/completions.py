"""`POST /v1/completions`: text that is gone on with as it stands, without a chat template."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response

from lora_marketing.serving.answer_guard import AnswerGuard, GuardedText, answer_guard
from lora_marketing.serving.batches import Batch, SamplingOverrides, batch_of
from lora_marketing.serving.dependencies import EVENTS, TheCaller, TheRequestLog, TheService
from lora_marketing.serving.disconnect import EventStream, unless_disconnected
from lora_marketing.serving.errors import invalid
from lora_marketing.serving.events import ChoiceBody, events
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.prompts import require_short
from lora_marketing.serving.run_batch import finished_rows, usage
from lora_marketing.serving.schema import Completion, CompletionRequest, TextChoice
from lora_marketing.serving.service import Service

if TYPE_CHECKING:
    from lora_marketing.engine.request import Progress
    from lora_marketing.serving.worker import WritingEngine
    from lora_marketing.writing.copywriter import Prompt

router = APIRouter()


@dataclass(frozen=True)
class _CompletionJob:
    """Rows to write, and the guards that look at them."""

    batch: Batch
    guard: AnswerGuard


@router.post("/v1/completions", response_model=Completion, responses=EVENTS)
async def complete(
    body: CompletionRequest,
    request: Request,
    service: TheService,
    caller: TheCaller,
    request_log: TheRequestLog,
) -> Completion | Response:
    """Go on with one or more texts; choice `i` belongs to prompt `i // n`."""
    job = await service.while_awaited(request.receive, request_log, _job(service, body, caller))
    batch = job.batch
    if body.stream:
        head = {**_head(body, batch), "object": "text_completion"}
        chunks = events(service, batch, request_log, body, head, job.guard, _pieces)
        return EventStream(await unless_disconnected(request.receive, anext(chunks)), chunks)
    rows = await unless_disconnected(request.receive, finished_rows(service, batch, request_log))
    texts = await unless_disconnected(request.receive, job.guard.look_at_all(rows))
    return Completion(
        **_head(body, batch),
        choices=[
            TextChoice(index=index, text=text.text, finish_reason=text.finish_reason, guards=text.report)
            for index, text in enumerate(texts)
        ],
        usage=usage(batch, [len(row.tokens) for row in rows]),
    )


async def _job(service: Service, body: CompletionRequest, caller: Caller) -> _CompletionJob:
    from lora_marketing.writing.rules import brand_rules

    overrides = SamplingOverrides.of(body)
    model = await service.in_thread(lambda: service.models.resolve(body.model, caller), caller.id)
    prompts = await service.tokenize(lambda: _prompts(body.prompt, service.engine), caller.id)
    batch = batch_of(model, prompts, overrides, service.engine)
    said = _texts(body.prompt, service.engine)
    held = [
        replace(request, constraints=brand_rules(model.brand, said[number // overrides.variants]))
        for number, request in enumerate(batch.requests)
    ]
    batch = replace(batch, requests=service.prefixes.kept_apart(held, caller, None))
    guard = await answer_guard(service, model, said, caller, shown=bool(body.stream))
    return _CompletionJob(batch, guard)


def _texts(prompt: str | list[str] | list[int], engine: WritingEngine) -> list[str]:
    """What the client said, in words."""
    if isinstance(prompt, str):
        return [prompt]
    ids = [item for item in prompt if isinstance(item, int)]
    return [engine.base.decode(ids)] if ids else [item for item in prompt if isinstance(item, str)]


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


def _pieces(
    index: int, progress: Progress, is_first: bool, guarded: GuardedText | None
) -> Iterator[ChoiceBody]:
    piece = {"index": index, "text": progress.text, "logprobs": None}
    if guarded:
        report = guarded.report.model_dump(mode="json")
        yield {**piece, "finish_reason": guarded.finish_reason, "guards": report}
    elif progress.text:
        yield {**piece, "finish_reason": None}
