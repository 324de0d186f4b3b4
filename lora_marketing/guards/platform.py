"""Platform: signs and words that the channel's platform refuses, whatever the length."""

from __future__ import annotations

from collections.abc import Iterator

from lora_marketing.channels import load_channel
from lora_marketing.channels.bans import BANS
from lora_marketing.channels.structure import AD
from lora_marketing.guards import Case, Finding


def find(text: str, case: Case) -> Iterator[Finding]:
    """Where a text breaks a ban of its field."""
    limit = load_channel(case.brief.channel).fields.get(case.brief.field)
    if case.brief.field == AD or limit is None:
        return
    where = f"{case.brief.channel} {case.brief.field}{limit.unconfirmed}"
    for ban in limit.bans:
        wanted, broken = BANS[ban]
        for span in broken(text):
            message = f"{where}: {wanted}"
            yield Finding(rule=f"platform.{ban}", severity="fix", message=message, span=span)
