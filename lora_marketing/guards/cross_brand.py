"""Cross-brand: the name of another brand of the house, which no text of this one may give away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from lora_marketing.guards import Case, Finding, Severity
from lora_marketing.text.bounded import Spans
from lora_marketing.text.disguises import with_and
from lora_marketing.text.spelling import Finder, letters_of


def find(text: str, case: Case) -> Iterator[Finding]:
    """Names of `case.others` in any spelling, unless they stand within a name of the brand's own.

    Findings do not say the name: who may see this brand's findings may not know the other brand. A
    single Latin name written without capitals (`ember`) may be an ordinary word, as may letters of a name
    that stand there as other words: a person decides.
    """
    if not case.others:
        return
    own = Spans(one.span for one in _names((case.brand.display_name, case.brief.product)).find(text))
    for other in _names(case.others).find(text):
        start, end = span = other.span
        if own.cover(start, end):
            continue
        written = text[start:end]
        ordinary = not other.sure or (written.isascii() and written.isalpha() and written.islower())
        message = "this is a name of another brand of the house"
        severity: Severity = "review" if ordinary else "block"
        out = "take it out"
        yield Finding(rule="cross_brand.name", severity=severity, message=message, span=span, suggestion=out)


def unsaid(names: Sequence[str], text: str) -> tuple[str, ...]:
    """Those of `names` that do not occur in `text`: who wrote it knows the others."""
    heard = {_in_full(one.term) for one in _names(tuple(names)).find(text) if one.sure}
    return tuple(name for name in names if not any(_in_full(name) in one for one in heard))


def _in_full(name: str) -> str:
    """The letters of a name with `and` for its `&`."""
    return max(map(letters_of, with_and(name)), key=len)


@lru_cache(maxsize=256)
def _names(names: tuple[str, ...]) -> Finder:
    return Finder([name for name in names if name.strip()], inflected=False)
