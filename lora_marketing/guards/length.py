"""Length: what the channel's field holds, in the channel's own unit."""

from __future__ import annotations

from collections.abc import Iterator

from lora_marketing.channels import load_limit
from lora_marketing.channels.counting import count
from lora_marketing.guards import Case, Finding


def find(text: str, case: Case) -> Iterator[Finding]:
    """A text that is longer or shorter than its field allows."""
    limit = load_limit(case.brief.channel, case.brief.field)
    length = count(text, limit.unit)
    where = f"{case.brief.channel} {case.brief.field}"
    if limit.max is not None and length > limit.max:
        message = f"{length} of {limit.max} {limit.unit}: too long for {where}"
        yield Finding(rule="length.long", severity="fix", message=message)
    if length < limit.min:
        message = f"{length} {limit.unit}: {where} asks for {limit.min}"
        yield Finding(rule="length.short", severity="fix", message=message)
