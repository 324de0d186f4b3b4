"""Injection: what a text carries when something in the data gave the model other orders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from lora_marketing.guards import Case, Finding
from lora_marketing.guards._packs import load_pack
from lora_marketing.guards._view import view
from lora_marketing.known_texts import KnownTexts

_HIDDEN = re.compile(
    "(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+"
    "|[\u202a-\u202e\u2066-\u2069]+|[\u200b\u2060\ufeff]{2,}|[\x00-\x08\x0e-\x1f]+"
)
"""Tags (but for those of a flag), turned writing direction, runs of nothing, terminal commands."""
_LEAK = 12
"""Words in a row of the brand's guide that are no phrase of its own any more."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """Orders to a model, roles, code and tags, hidden letters, keys, and the brand's guide itself."""
    for hidden in _HIDDEN.finditer(text):
        message = "letters that nobody sees may carry orders"
        out = "take them out"
        span = hidden.span()
        yield Finding(rule="injection.hidden", severity="block", message=message, span=span, suggestion=out)
    seen = view(text)
    for match in load_pack("injection").matches(seen.text):
        yield Finding(
            rule=f"injection.{match.rule.id}",
            severity=match.rule.severity,
            message=match.rule.message,
            span=seen.span(match.start, match.end),
            suggestion=match.rule.suggestion,
        )
    leak = _guide(case.brand.guide).overlap(text)
    if leak.words >= _LEAK:
        message = f"{leak.words} words in a row stand in the brand's guide"
        yield Finding(rule="injection.guide", severity="block", message=message, span=leak.span)


@lru_cache(maxsize=256)
def _guide(guide: str) -> KnownTexts:
    return KnownTexts.of([guide])
