"""Cross-brand: the name of another brand of the house, which no text of this one may give away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from ahocorasick_rs import AhoCorasick, MatchKind

from lora_marketing.guards import Case, Finding, Severity
from lora_marketing.guards._view import view, whole_word


def find(text: str, case: Case) -> Iterator[Finding]:
    """Names of `case.others`, unless they stand within a name of the brand's own.

    Findings do not say the name: who may see this brand's findings may not know the other brand. A
    single Latin name written without capitals (`ember`) may be an ordinary word: a person decides.
    """
    if not case.others:
        return
    seen = view(text)
    own = _places(_names((case.brand.display_name, case.brief.product)), seen.text)
    for start, end in _places(_names(case.others), seen.text):
        if any(first <= start and end <= last for first, last in own):
            continue
        span = seen.span(start, end)
        written = text[slice(*span)]
        ordinary = written.isascii() and written.isalpha() and written.islower()
        message = "this is a name of another brand of the house"
        severity: Severity = "review" if ordinary else "block"
        out = "take it out"
        yield Finding(rule="cross_brand.name", severity=severity, message=message, span=span, suggestion=out)


def unsaid(names: Sequence[str], text: str) -> tuple[str, ...]:
    """Those of `names` that do not occur in `text`: who wrote it knows the others."""
    said = view(text).text
    heard = [said[start:end] for start, end in _places(_names(tuple(names)), said)]
    return tuple(name for name in names if not any(view(name).text.strip() in one for one in heard))


def _places(names: AhoCorasick, text: str) -> list[tuple[int, int]]:
    found = ((start, end) for _, start, end in names.find_matches_as_indexes(text))
    return [(start, end) for start, end in found if whole_word(text, start, end)]


@lru_cache(maxsize=256)
def _names(names: tuple[str, ...]) -> AhoCorasick:
    folded = {view(name).text.strip() for name in names}
    return AhoCorasick(sorted(folded - {""}), matchkind=MatchKind.LeftmostLongest)
