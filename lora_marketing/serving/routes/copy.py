"""`POST /v1/copy`: marketing copy for a brief, in variants, checked, with its provenance."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from lora_marketing.brands.brand import Brief
from lora_marketing.channels.structure import AD, ad_tokens
from lora_marketing.common.documents import Frozen
from lora_marketing.common.errors import UnknownName
from lora_marketing.copy.mending import Mending
from lora_marketing.copy.record import Copy, Rewritten
from lora_marketing.engine.request import Finish
from lora_marketing.guards import Case, Finding, Verdict, findings
from lora_marketing.serving.batches import Batch, SamplingOverrides, order
from lora_marketing.serving.dependencies import TheCaller, TheRecord, TheService
from lora_marketing.serving.disconnect import unless_left
from lora_marketing.serving.errors import invalid, told
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.schema import Asked, PositiveCount, Seed, TokenUsage
from lora_marketing.serving.service import Service
from lora_marketing.serving.writing import usage, written
from lora_marketing.tasks import messages

if TYPE_CHECKING:
    from lora_marketing.writing.copywriter import Voice

router = APIRouter()


class CopyRequest(Asked):
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
    """One text, what was mended in it, what is to be said against it, and where it comes from.

    `text` is empty where the only finding is `cross_brand.withheld`.
    """

    id: str
    text: str
    verdict: Verdict
    findings: list[Finding]
    mended: list[Mending]
    finish: Finish
    provenance: Provenance


WITHHELD = Finding(
    rule="cross_brand.withheld",
    severity="block",
    message="the text named another brand of the house and is not shown",
    suggestion="ask again, with another seed",
)


class CopyAnswer(Frozen):
    """All variants; `seed` gives the same ones again."""

    model: str
    seed: int
    system_fingerprint: str
    variants: list[CopyVariant]
    usage: TokenUsage


@router.post("/v1/copy", response_model=CopyAnswer)
async def copy(
    asked: CopyRequest, request: Request, service: TheService, caller: TheCaller, record: TheRecord
) -> CopyAnswer:
    """Write a brief in the brand's voice, with the brand's own prompt."""
    wanted = await service.aside(lambda: _order(service, asked, caller))
    variants, tokens = await unless_left(request.receive, _good(service, asked, wanted, record))
    return CopyAnswer(
        model=asked.model,
        seed=wanted.seed,
        system_fingerprint=wanted.fingerprint,
        variants=variants,
        usage=usage(wanted, tokens),
    )


async def _good(
    service: Service, asked: CopyRequest, wanted: Batch, record: RequestLog
) -> tuple[list[CopyVariant], list[int]]:
    """All variants as they are after the last round, and the tokens of everything that was written."""
    from lora_marketing.writing.copywriter import CopyOrder as Draw
    from lora_marketing.writing.copywriter import prepare_all
    from lora_marketing.writing.until_good import Effort, RewriteLoop

    model, base = wanted.model, service.engine.base
    voice = await service.aside(lambda: service.models.voice(model, asked.brief))
    pursuit = RewriteLoop([Draw(voice, asked.brief)], Effort(asked.variants, asked.variants, asked.rounds))
    sampling = replace(wanted.requests[0].sampling, seed=wanted.seed)
    tokens: list[int] = []
    finish: dict[int, Finish] = {}
    while draws := pursuit.asks():
        prepared = await service.aside(partial(prepare_all, draws, base, sampling))
        part = replace(wanted, requests=[one.request for one in prepared])
        rows = await written(service, part, record)
        copies = [one.copy(row, base) for one, row in zip(prepared, rows, strict=True)]
        await service.aside(partial(pursuit.take, copies))
        tokens += [copy.tokens for copy in copies]
        finish |= {
            copy.variant: row.finish
            for copy, row in zip(copies, rows, strict=True)
            if copy.brief == asked.brief  # the end of a piece is not the ad's
        }
    return [_variant(_shown(copy, voice), finish[copy.variant]) for copy in pursuit.latest()], tokens


def _shown(copy: Copy, voice: Voice) -> Copy:
    """The copy, without its text and all that quotes it if it said the name of another brand.

    Nobody is to learn from a text, from what was mended in it, from what a guard says of it or from
    its id who the other clients of the house are. A brand whose policy turns `cross_brand` off is
    taken at its word.
    """
    brief = copy.brief.model_copy(update={"field": ""})  # what was mended in an ad is no ad
    case = Case(brief, voice.brand, others=voice.others)
    mended = (found for one in copy.mended for found in findings(one.before, case, ["cross_brand"]))
    if not any(one.rule.split(".")[0] == "cross_brand" for one in (*copy.findings, *mended)):
        return copy
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


def _order(service: Service, asked: CopyRequest, caller: Caller) -> Batch:
    from lora_marketing.tokens.render import render_prompt

    model = service.models.resolve(asked.model, caller)
    try:
        prompt = render_prompt(messages(asked.brief, model.brand), service.engine.base)
    except UnknownName as error:
        raise invalid(told(error), "brief") from error
    most = asked.max_tokens
    if asked.brief.field == AD:  # as much as the writer gives it
        most = max(most or 0, ad_tokens(asked.brief.channel, model.brand.language))
    wish = SamplingOverrides(asked.variants, asked.seed, asked.temperature, asked.top_p, most)
    return order(model, [prompt], wish, service.engine.context)
