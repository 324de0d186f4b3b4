"""`POST /v1/chat/completions`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response

from lora_marketing.common.errors import RenderContractError
from lora_marketing.serving.answer_guard import AnswerGuard, GuardedText, answer_guard
from lora_marketing.serving.batches import Batch, SamplingOverrides, batch_of
from lora_marketing.serving.dependencies import EVENTS, TheCaller, TheRequestLog, TheService
from lora_marketing.serving.disconnect import EventStream, unless_disconnected
from lora_marketing.serving.errors import invalid, system_turn_refused
from lora_marketing.serving.events import ChoiceBody, events
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.prompts import require_no_control_tokens, require_short
from lora_marketing.serving.run_batch import finished_rows, usage
from lora_marketing.serving.schema import AnswerMessage, ChatChoice, ChatCompletion, ChatMessage, ChatRequest
from lora_marketing.serving.service import Service
from lora_marketing.tasks import Message, system_turn

if TYPE_CHECKING:
    from lora_marketing.engine.request import Progress
    from lora_marketing.serving.worker import WritingEngine
    from lora_marketing.writing.copywriter import Prompt

router = APIRouter()


@dataclass(frozen=True)
class _ChatJob:
    """Rows to write, and the guards that look at them."""

    batch: Batch
    guard: AnswerGuard


@router.post("/v1/chat/completions", response_model=ChatCompletion, responses=EVENTS)
async def chat(
    body: ChatRequest, request: Request, service: TheService, caller: TheCaller, request_log: TheRequestLog
) -> ChatCompletion | Response:
    """Answer a chat in the brand's voice.

    The brand's own system turn stands before it, unless the client sends one and its key may.
    """
    job = await service.while_awaited(request.receive, request_log, _job(service, body, caller))
    batch = job.batch
    if body.stream:
        head = {**_head(body, batch), "object": "chat.completion.chunk"}
        chunks = events(service, batch, request_log, body, head, job.guard, _deltas)
        return EventStream(await unless_disconnected(request.receive, anext(chunks)), chunks)
    rows = await unless_disconnected(request.receive, finished_rows(service, batch, request_log))
    texts = await unless_disconnected(request.receive, job.guard.look_at_all(rows))
    return ChatCompletion(
        **_head(body, batch),
        choices=[
            ChatChoice(
                index=index,
                message=AnswerMessage(content=text.text),
                finish_reason=text.finish_reason,
                guards=text.report,
            )
            for index, text in enumerate(texts)
        ],
        usage=usage(batch, [len(row.tokens) for row in rows]),
    )


async def _job(service: Service, body: ChatRequest, caller: Caller) -> _ChatJob:
    from lora_marketing.writing.rules import brand_rules

    model = await service.in_thread(lambda: service.models.resolve(body.model, caller), caller.id)
    own = system_turn(model.brand) if _may_be_led(body.messages, caller) else None
    prompt = await service.tokenize(lambda: _prompt(body.messages, own, service.engine), caller.id)
    constraints = brand_rules(model.brand)
    if body.json_schema is not None:
        constraints += (await service.grammars.grammar(body.json_schema, caller.id),)
    batch = batch_of(model, [prompt], SamplingOverrides.of(body), service.engine, constraints)
    places = [(f"messages[{number}].content", turn.text) for number, turn in enumerate(body.messages)]
    require_no_control_tokens(places, service.engine.base)
    apart = partial(service.prefixes.kept_apart, batch.requests, caller, own)
    said = [turn.text for turn in body.messages]
    return _ChatJob(
        replace(batch, requests=await service.tokenize(apart, caller.id)),
        await answer_guard(service, model, said, caller, shown=bool(body.stream)),
    )


def _may_be_led(turns: Sequence[ChatMessage], caller: Caller) -> bool:
    """Whether the brand's own system turn goes first: the client sends none.

    Raises:
        ApiError: 403 if it does, and its key may not.
    """
    for number, turn in enumerate(turns):
        if turn.role in ("system", "developer"):
            if "system_turns" not in caller.scopes:
                raise system_turn_refused(f"messages[{number}].role")
            return False
    return True


def _prompt(turns: Sequence[ChatMessage], own: Message | None, engine: WritingEngine) -> Prompt:
    from lora_marketing.writing.copywriter import Prompt

    require_short([turn.text for turn in turns], engine, "messages")
    chat: list[Message] = [] if own is None else [own]
    chat += [
        {"role": "system" if turn.role == "developer" else turn.role, "content": turn.text} for turn in turns
    ]
    try:
        return Prompt.of(engine.base.encode(chat, header=True))
    except RenderContractError as error:
        problem = error.problems[0]
        text = f"The base's chat template does not take these messages: {problem.what}: {problem.got}"
        raise invalid(text, "messages") from error


def _head(body: ChatRequest, batch: Batch) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "created": int(time.time()),
        "model": body.model,
        "system_fingerprint": batch.fingerprint,
    }


def _deltas(
    index: int, progress: Progress, is_first: bool, guarded: GuardedText | None
) -> Iterator[ChoiceBody]:
    if is_first:
        yield _delta(index, {"role": "assistant", "content": ""})
    if progress.text:
        yield _delta(index, {"content": progress.text})
    if guarded:
        end = _delta(index, {}, guarded.finish_reason)
        yield {**end, "guards": guarded.report.model_dump(mode="json")}


def _delta(index: int, delta: dict[str, str], reason: str | None = None) -> ChoiceBody:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
