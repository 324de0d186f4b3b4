"""What guards say of answers to chats and of completions, which no brief asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lora_marketing.brands.brand import Brief
from lora_marketing.channels import channel_names, load_channel
from lora_marketing.common.printable import visible, visible_line
from lora_marketing.guards.cross_brand import WITHHELD
from lora_marketing.registry.version import Version
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.run_batch import REASONS
from lora_marketing.serving.schema import FinishReason, GuardReport
from lora_marketing.serving.served_models import ServedModel
from lora_marketing.serving.service import Service

if TYPE_CHECKING:
    from lora_marketing.engine.request import RowOutput


@dataclass(frozen=True)
class GuardedText:
    """A text as it is shown: `text` is empty where the guards block it."""

    text: str
    finish_reason: FinishReason
    report: GuardReport


@dataclass(frozen=True)
class AnswerGuard:
    """The guards over the answers to one request.

    `brief` holds what the client said, which an answer may repeat; `shown` says that the client sees the
    text before the guards do. Then nothing is said of other clients' names: it would tell which words of
    the text are such names.
    """

    service: Service
    version: Version
    brief: Brief
    client: str
    shown: bool

    async def look(self, row: RowOutput) -> GuardedText:
        """What may be shown of a finished row.

        Raises:
            ApiError: 503 if it takes too long to check, 500 if a guard failed.
        """
        found = await self.service.guards.checked_answer(
            self.version, self.brief, row.text, self.client, shown=self.shown
        )
        if found.withheld:
            return GuardedText("", "content_filter", GuardReport(verdict="block", findings=[WITHHELD]))
        report = GuardReport(verdict=found.verdict, findings=found.findings)
        if report.verdict == "block":
            return GuardedText("", "content_filter", report)
        return GuardedText(row.text, REASONS[row.finish], report)

    async def look_at_all(self, rows: Sequence[RowOutput]) -> list[GuardedText]:
        """What may be shown of all rows of a request."""
        return [await self.look(row) for row in rows]


async def answer_guard(
    service: Service, model: ServedModel, said: Sequence[str], caller: Caller, *, shown: bool
) -> AnswerGuard:
    """The guards for answers to what a client said, found usable before anything is written.

    Raises:
        ApiError: 503 if what the adapter was trained on is damaged.
    """
    channel = channel_names()[0]
    field = next(iter(load_channel(channel).fields))
    name = visible_line(model.brand.display_name)
    # a brief takes no control characters, but a chat does
    brief = Brief(product=name, channel=channel, field=field, notes=visible("\n".join(said)))
    await service.guards.require_usable(model.version, brief, caller.id)
    return AnswerGuard(service, model.version, brief, caller.id, shown)
