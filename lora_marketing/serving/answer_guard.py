"""What guards say of answers to chats and of completions, which no brief asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lora_marketing.brands.brand import Brief
from lora_marketing.channels import channel_names, load_channel
from lora_marketing.guards import Case, findings, guard_names, verdict
from lora_marketing.guards.cross_brand import WITHHELD, gives_away
from lora_marketing.serving.run_batch import REASONS
from lora_marketing.serving.schema import FinishReason, GuardReport
from lora_marketing.serving.served_models import ServedModel
from lora_marketing.serving.service import Service

if TYPE_CHECKING:
    from lora_marketing.engine.request import RowOutput

OF_A_BRIEF = frozenset({"facts", "length", "required", "structure", "unfinished"})
"""Guards that hold a text against the brief and the channel it was written for."""


@dataclass(frozen=True)
class GuardedText:
    """A text as it is shown: `text` is empty where the guards block it."""

    text: str
    finish_reason: FinishReason
    report: GuardReport


class AnswerGuard:
    """The guards over the answers to one request.

    Args:
        service: the server, whose thread they run in.
        case: what the texts are held against.
    """

    def __init__(self, service: Service, case: Case) -> None:
        self._service = service
        self._case = case

    async def look(self, row: RowOutput) -> GuardedText:
        """What may be shown of a finished row."""
        report = await self._service.in_thread(partial(_report, row.text, self._case))
        if report.verdict == "block":
            return GuardedText("", "content_filter", report)
        return GuardedText(row.text, REASONS[row.finish], report)

    async def look_at_all(self, rows: Sequence[RowOutput]) -> list[GuardedText]:
        """What may be shown of all rows of a request."""
        return [await self.look(row) for row in rows]


async def answer_guard(
    service: Service, model: ServedModel, said: Sequence[str], *, shown: bool
) -> AnswerGuard:
    """The guards for answers to what a client said, which they may repeat.

    Args:
        service: the server.
        model: who writes.
        said: the client's own texts.
        shown: whether the client sees the text before the guards do. Then nothing is said of other clients'
            names: it would tell which words of the text are such names.

    Raises:
        ApiError: 503 if what the adapter was trained on is damaged.
    """
    channel = channel_names()[0]
    field = next(iter(load_channel(channel).fields))
    brief = Brief(product=model.brand.display_name, channel=channel, field=field, notes="\n".join(said))
    voice = await service.in_thread(partial(service.models.voice, model, brief))
    others = () if shown else voice.others
    return AnswerGuard(service, Case(brief, model.brand, known=voice.known, others=others))


def _report(text: str, case: Case) -> GuardReport:
    found = findings(text, case, [name for name in guard_names() if name not in OF_A_BRIEF])
    if gives_away(found):
        return GuardReport(verdict="block", findings=[WITHHELD])
    return GuardReport(verdict=verdict(found), findings=found)
