"""`POST /v1/copy`: marketing copy for a brief, in variants, checked, with its provenance."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from lora_marketing.brand import Brief
from lora_marketing.copies import prompt_sha256
from lora_marketing.documents import Frozen
from lora_marketing.guards import Case, Finding, Verdict, findings, verdict
from lora_marketing.serving.asked import TheCaller, TheRecord, TheService
from lora_marketing.serving.errors import invalid, told
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.leaving import unless_left
from lora_marketing.serving.orders import Order, Wish, order
from lora_marketing.serving.schema import Asked, Positive, Seed, Usage
from lora_marketing.serving.service import Service
from lora_marketing.serving.writing import usage, written
from lora_marketing.shelf import UnknownName
from lora_marketing.tasks import messages

router = APIRouter()
Finish = Literal["stop", "stop_string", "length", "budget", "stuck", "cancelled", "failed"]
"""As the engine has it; the last two end in an error, never in an answer."""


class CopyRequest(Asked):
    """What to write, by whom, and how often."""

    model: str
    brief: Brief
    variants: Annotated[int, Field(ge=1, le=16)] = 1
    seed: Seed | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Positive | None = None


class Provenance(Frozen):
    """Where a text comes from: enough to write it again."""

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


class Variant(Frozen):
    """One text, what is to be said against it, and where it comes from."""

    text: str
    verdict: Verdict
    findings: list[Finding]
    finish: Finish
    provenance: Provenance


class CopyAnswer(Frozen):
    """All variants; `seed` gives the same ones again."""

    model: str
    seed: int
    system_fingerprint: str
    variants: list[Variant]
    usage: Usage


@router.post("/v1/copy", response_model=CopyAnswer)
async def copy(
    asked: CopyRequest, request: Request, service: TheService, caller: TheCaller, record: TheRecord
) -> CopyAnswer:
    """Write a brief in the brand's voice, with the brand's own prompt."""
    wanted = await service.aside(lambda: _order(service, asked, caller))
    rows = await unless_left(request.receive, written(service, wanted, record))
    model, prompt = wanted.model, wanted.prompts[0]
    variants = []
    for number, row in enumerate(rows):
        text = row.text.strip()
        provenance = Provenance(
            brand=model.brand.name,
            line=model.line,
            adapter=str(model.version.name),
            digest=model.version.digest,
            base=model.version.manifest.base.fingerprint,
            seed=wanted.requests[number].sampling.seed,
            variant=number,
            prompt_sha256=prompt_sha256(prompt),
            stopped=row.stopped,
            tokens=len(row.tokens),
        )
        found = findings(text, Case(asked.brief, model.brand, row.stopped))
        variants.append(
            Variant(
                text=text, verdict=verdict(found), findings=found, finish=row.finish, provenance=provenance
            )
        )
    return CopyAnswer(
        model=asked.model,
        seed=wanted.seed,
        system_fingerprint=wanted.fingerprint,
        variants=variants,
        usage=usage(wanted, [len(row.tokens) for row in rows]),
    )


def _order(service: Service, asked: CopyRequest, caller: Caller) -> Order:
    from lora_marketing.bases.render import render_prompt
    from lora_marketing.writing.rules import rules_of

    model = service.models.resolve(asked.model, caller)
    base = service.engine.base
    try:
        prompt = render_prompt(messages(asked.brief, model.brand), base)
        rules = rules_of(asked.brief, model.brand)
    except UnknownName as error:
        raise invalid(told(error), "brief") from error
    wish = Wish(asked.variants, asked.seed, asked.temperature, asked.top_p, asked.max_tokens)
    return order(model, [prompt], wish, service.engine.context, rules)
