"""Guards: rules over a written text. What they find is told with the text; nothing is changed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from lora_marketing.brand import Brand, Brief
from lora_marketing.channels import load_limit
from lora_marketing.channels.counting import count
from lora_marketing.documents import Frozen


class Finding(Frozen):
    """One thing that a person should look at. `span` is (start, end) in characters, if it has a place."""

    rule: str
    severity: Literal["error", "warning"]
    message: str
    span: tuple[int, int] | None = None


def findings(text: str, brief: Brief, brand: Brand, *, stopped: bool = True) -> list[Finding]:
    """Everything that speaks against publishing `text` as it is.

    Args:
        text: what was written for `brief`.
        brief: names the channel and field whose limit holds.
        brand: whose forbidden terms hold.
        stopped: whether the model ended the text by itself.

    Raises:
        UnknownName: the brief's channel or field is not on the shelf.
    """
    return [*_forbidden(text, brand), *_too_long(text, brief), *_unfinished(stopped)]


def _forbidden(text: str, brand: Brand) -> Iterator[Finding]:
    for term in brand.forbidden_in(text):
        found = re.search(re.escape(term), text, re.IGNORECASE)
        kind = "a banned term" if term in brand.banned_terms else "the name of a competitor"
        yield Finding(
            rule="forbidden_term",
            severity="error",
            message=f'"{term}" is {kind}',
            span=found.span() if found else None,
        )


def _too_long(text: str, brief: Brief) -> Iterator[Finding]:
    limit = load_limit(brief.channel, brief.field)
    if limit.max is None:
        return
    length = count(text, limit.unit)
    if length > limit.max:
        message = f"{length} of {limit.max} {limit.unit}: too long for {brief.channel} {brief.field}"
        yield Finding(rule="channel_limit", severity="error", message=message)


def _unfinished(stopped: bool) -> Iterator[Finding]:
    if not stopped:
        message = "the model did not end this text by itself: its last sentence may be cut"
        yield Finding(rule="unfinished", severity="warning", message=message)
