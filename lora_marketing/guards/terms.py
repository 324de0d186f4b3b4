"""Terms: what a brand bans, and the names of its competitors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lora_marketing.guards import Case, Finding


def find(text: str, case: Case) -> Iterator[Finding]:
    """Banned terms and competitors, whatever their case or typography."""
    brand = case.brand
    for term in brand.forbidden_in(text):
        found = re.search(re.escape(term), text, re.IGNORECASE)
        banned = term in brand.banned_terms
        kind = "a banned term" if banned else "the name of a competitor"
        rule = "terms.banned" if banned else "terms.competitor"
        span = found.span() if found else None
        yield Finding(rule=rule, severity="block", message=f'"{term}" is {kind}', span=span)
