"""`POST /v1/copy`: marketing copy for a brief, in variants, checked, with its provenance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import Field, field_validator

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.common.documents import Frozen
from lora_marketing.common.errors import RenderContractError, UnknownName
from lora_marketing.copy.mending import Mending
from lora_marketing.copy.record import Copy, Rewritten
from lora_marketing.engine.request import Finish
from lora_marketing.guards import Finding, Verdict
from lora_marketing.guards.cross_brand import WITHHELD
from lora_marketing.serving.batches import Batch, SamplingOverrides, request_seed, sampling_of
from lora_marketing.serving.dependencies import TheCaller, TheRequestLog, TheService
from lora_marketing.serving.disconnect import unless_disconnected
from lora_marketing.serving.errors import invalid, one_line, timeout
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.prompts import brief_texts, require_no_control_tokens, require_short
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.run_batch import finished_rows, usage
from lora_marketing.serving.schema import PositiveCount, RequestBody, Seed, TokenUsage
from lora_marketing.serving.service import Service
from lora_marketing.tasks import system_turn
from lora_marketing.text.normalise import all_as_written

if TYPE_CHECKING:
    from lora_marketing.engine.request import Request
    from lora_marketing.engine.sampling import Sampling
    from lora_marketing.serving.worker import WritingEngine
    from lora_marketing.writing.copywriter import Prepared, Prompt, PromptCache, Voice

router = APIRouter()
ResultT = TypeVar("ResultT")


class CopyRequest(RequestBody):
    """What to write, by whom, and how often."""

    model: str
    brief: Brief
    variants: Annotated[int, Field(ge=1, le=16)] = 1
    seed: Seed | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: PositiveCount | None = None
    rounds: Annotated[int, Field(ge=1, le=4)] = 1
    """How often variants that are to be fixed are written at most."""

    @field_validator("brief", mode="before")
    @classmethod
    def _brief_as_written(cls, value: Any) -> Any:
        return all_as_written(value)


class Provenance(Frozen):
    """Where a text comes from: enough to write it again. `round` is the one that it was written in."""

    brand: str
    line: str
    adapter: str
    digest: str
    base: str
    seed: int
    variant: int
    prompt_sha256: str
    stopped: bool
    tokens: int
    round: int
    rewritten: list[Rewritten]


class CopyVariant(Frozen):
    """One text, what was mended in it, what the guards found, and where it comes from.

    `text` is empty where the only finding is `cross_brand.withheld`.
    """

    id: str
    text: str
    verdict: Verdict
    findings: list[Finding]
    mended: list[Mending]
    finish: Finish
    provenance: Provenance


class CopyAnswer(Frozen):
    """All variants; `seed` gives the same ones again."""

    model: str
    seed: int
    system_fingerprint: str
    variants: list[CopyVariant]
    usage: TokenUsage


@dataclass(frozen=True)
class _CopyJob:
    """What a request wants to be written. The rows of `batch` are set anew for every round."""

    batch: Batch
    voice: Voice
    sampling: Sampling
    prompts: PromptCache
    caller: Caller


@router.post("/v1/copy", response_model=CopyAnswer)
async def copy(
    body: CopyRequest,
    request: HttpRequest,
    service: TheService,
    caller: TheCaller,
    request_log: TheRequestLog,
) -> CopyAnswer:
    """Write a brief in the brand's voice, with the brand's own prompt."""
    job = await service.while_awaited(request.receive, request_log, _job(service, body, caller))
    variants, tokens = await unless_disconnected(request.receive, _write(service, body, job, request_log))
    return CopyAnswer(
        model=body.model,
        seed=job.batch.seed,
        system_fingerprint=job.batch.fingerprint,
        variants=variants,
        usage=usage(job.batch, tokens),
    )


async def _job(service: Service, body: CopyRequest, caller: Caller) -> _CopyJob:
    from lora_marketing.writing.copywriter import PromptCache, Voice, tokens_to_write

    model = await service.in_thread(lambda: service.models.resolve(body.model, caller), caller.id)
    prompts = PromptCache(service.engine.base)
    prompt = await service.tokenize(
        lambda: _prompt(body.brief, model.brand, prompts, service.engine), caller.id
    )
    # an ad must fit whole, whatever the client gives it
    most = tokens_to_write(body.brief, model.brand, body.max_tokens or 0) or None
    overrides = SamplingOverrides(
        body.variants, body.seed, body.temperature, body.top_p, most, prompt_param="brief"
    )
    seed = request_seed(overrides)
    sampling = sampling_of(model, prompt, overrides, service.engine, seed)
    await service.guards.require_usable(model.version, body.brief, caller.id)
    version = model.version
    voice = Voice(model.brand, model.line, str(version.name), version.digest)
    return _CopyJob(Batch(model, seed, [prompt], ()), voice, sampling, prompts, caller)


def _prompt(brief: Brief, brand: Brand, prompts: PromptCache, engine: WritingEngine) -> Prompt:
    require_short([text for _, text in brief_texts(brief)], engine, "brief")
    require_no_control_tokens(brief_texts(brief), engine.base)
    try:
        return prompts.prompt(brief, brand)
    except (UnknownName, RenderContractError) as error:
        raise invalid(one_line(error), "brief") from error


async def _write(
    service: Service, body: CopyRequest, job: _CopyJob, request_log: RequestLog
) -> tuple[list[CopyVariant], list[int]]:
    """All variants as they are after the last round, and the tokens of everything that was written."""
    from lora_marketing.writing.copywriter import CopyOrder, prepare_all
    from lora_marketing.writing.until_good import Effort, RewriteLoop

    base = service.engine.base
    effort = Effort(body.variants, body.variants, body.rounds)
    loop = RewriteLoop([CopyOrder(job.voice, body.brief)], effort)
    tokens: list[int] = []
    finish: dict[int, Finish] = {}
    withheld: dict[int, bool] = {}
    while orders := loop.next_orders():
        prepare = partial(prepare_all, orders, base, job.sampling, prompts=job.prompts)
        prepared = await service.tokenize(prepare, job.caller.id)
        batch = replace(job.batch, requests=await _kept_apart(service, body, job, prepared))
        rows = await finished_rows(service, batch, request_log)
        copies = [one.copy(row, base) for one, row in zip(prepared, rows, strict=True)]
        drafts, version = loop.drafts(copies), job.batch.model.version
        results = await _in_time(
            service, request_log, service.guards.checked(version, body.brief, drafts, job.caller.id)
        )
        checked = [result.written for result in results if result.written]
        loop.add_checked(checked)
        withheld |= {copy.variant: one.withheld for copy, one in zip(checked, results, strict=True)}
        tokens += [copy.tokens for copy in copies]
        finish |= {
            copy.variant: row.finish
            for copy, row in zip(copies, rows, strict=True)
            if copy.brief == body.brief  # the end of a piece is not the ad's
        }
    return [
        _variant(_withheld(copy) if withheld[copy.variant] else copy, finish[copy.variant])
        for copy in loop.latest()
    ], tokens


async def _kept_apart(
    service: Service, body: CopyRequest, job: _CopyJob, prepared: Sequence[Prepared]
) -> list[Request]:
    turn = system_turn(job.voice.brand, body.brief.task)
    apart = partial(service.prefixes.kept_apart, [one.request for one in prepared], job.caller, turn)
    return await service.tokenize(apart, job.caller.id)


async def _in_time(service: Service, request_log: RequestLog, work: Awaitable[ResultT]) -> ResultT:
    """What `work` returns, within what is left of the request's time.

    Raises:
        ApiError: 504.
    """
    try:
        async with asyncio.timeout(request_log.seconds_left(service.limits.seconds)):
            return await work
    except TimeoutError as error:
        raise timeout() from error


def _withheld(copy: Copy) -> Copy:
    """The copy without its text and all that quotes it: it says the name of another brand.

    Nobody is to learn from a text, from what was mended in it, from what a guard says of it or from
    its id who the other clients are.
    """
    return copy.changed(text="", mended=[], findings=[WITHHELD], verdict="block")


def _variant(copy: Copy, finish: Finish) -> CopyVariant:
    provenance = {name: getattr(copy, name) for name in Provenance.model_fields}
    return CopyVariant(
        id=copy.id,
        text=copy.text,
        verdict=copy.verdict or "pass",
        findings=copy.findings,
        mended=copy.mended,
        finish=finish,
        provenance=Provenance(**provenance),
    )
