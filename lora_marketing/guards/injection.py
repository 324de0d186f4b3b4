"""Injection: finds signs of prompt injection, such as orders to a model, markup and hidden characters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from lora_marketing.guards import Case, Finding
from lora_marketing.guards._packs import PackRule, load_pack
from lora_marketing.text.known_texts import KnownTexts
from lora_marketing.text.normalise import readings

_HIDDEN = re.compile(
    "(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+"
    "|[\u202a-\u202e\u2066-\u2069]+|[\u2061-\u2064]+|[\u00ad\u200b-\u200f\u2060\ufeff]{2,}"
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}|(?<=[A-Za-z\\s])[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
    "|[\x00-\x08\x0e-\x1f\x7f-\x9f]+"
)
"""Hidden characters: tags (but not of flag emoji), changes of writing direction, invisible operators, runs of
zero-width characters, variation selectors (but not one after an emoji or a Chinese character), controls."""
_LEAK = 12
"""From this many words in a row on, a passage of the brand's guide counts as leaked."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find orders to a model, chat roles, code, tags, hidden characters, secrets, and leaks of the guide."""
    for hidden in _HIDDEN.finditer(text):
        message = "letters that nobody sees may carry orders"
        out = "take them out"
        span = hidden.span()
        yield Finding(rule="injection.hidden", severity="block", message=message, span=span, suggestion=out)
    for (_, span), rule in _orders(text).items():
        yield Finding(
            rule=f"injection.{rule.id}",
            severity=rule.severity,
            message=rule.message,
            span=span,
            suggestion=rule.suggestion,
        )
    leak = _guide(case.brand.guide).overlap(text)
    if leak.words >= _LEAK:
        message = f"{leak.words} words in a row stand in the brand's guide"
        yield Finding(rule="injection.guide", severity="block", message=message, span=leak.span)


def _orders(text: str) -> dict[tuple[str, tuple[int, int]], PackRule]:
    """What the pack finds, and where: as it is spelled, and in any other reading (`ign0re`, 忽 略)."""
    return {
        (match.rule.id, seen.span(match.start, match.end)): match.rule
        for seen in readings(text)
        for match in load_pack("injection").matches(seen.text)
    }


@lru_cache(maxsize=256)
def _guide(guide: str) -> KnownTexts:
    return KnownTexts.of([guide])
