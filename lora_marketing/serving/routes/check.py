"""`POST /v1/check`: a text that anybody wrote, against a brand: what is found, and what would be mended."""

from __future__ import annotations

from fastapi import APIRouter, Request

from lora_marketing.brands.brand import Brief
from lora_marketing.channels.structure import require_field
from lora_marketing.common.documents import Frozen
from lora_marketing.common.errors import UnknownName
from lora_marketing.copy.mending import Mending
from lora_marketing.guards import Finding, Verdict
from lora_marketing.serving.dependencies import TheCaller, TheRequestLog, TheService
from lora_marketing.serving.errors import ApiError, invalid, one_line
from lora_marketing.serving.guard_process import CheckResult
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.prompts import brief_texts
from lora_marketing.serving.schema import RequestBody
from lora_marketing.serving.service import Service

router = APIRouter()


class CheckRequest(RequestBody):
    """A text, the model whose brand it is for, and the brief that it answers."""

    model: str
    brief: Brief
    text: str


class CheckAnswer(Frozen):
    """What the guards find in the text as it was sent, and the text as mending would leave it."""

    model: str
    verdict: Verdict
    findings: list[Finding]
    text: str
    mended: list[Mending]


@router.post("/v1/check", response_model=CheckAnswer)
async def check(
    body: CheckRequest, request: Request, service: TheService, caller: TheCaller, request_log: TheRequestLog
) -> CheckAnswer:
    """Check a text against the brand's policy and its channel, whoever wrote it."""
    most = service.limits.guard.text_bytes
    if sum(len(text.encode()) for text in (body.text, *(text for _, text in brief_texts(body.brief)))) > most:
        text = f"text: with its brief it has more than {most:,} bytes, the most that is checked at a time."
        raise ApiError(413, text, "text_too_large", param="text")
    work = _checked(service, body, caller)
    found = await service.while_awaited(request.receive, request_log, work)
    return CheckAnswer(
        model=body.model,
        verdict=found.verdict,
        findings=found.findings,
        text=found.text,
        mended=found.mended,
    )


async def _checked(service: Service, body: CheckRequest, caller: Caller) -> CheckResult:
    try:
        require_field(body.brief.channel, body.brief.field)
    except UnknownName as error:
        raise invalid(one_line(error), "brief") from error
    model = await service.in_thread(lambda: service.models.resolve(body.model, caller), caller.id)
    return await service.guards.checked_text(model.version, body.brief, body.text, caller.id)
