"""Cross-brand: the name of another brand of the house, which no text of this one may give away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from lora_marketing.guards import Case, Finding, Severity
from lora_marketing.text.bounded import Spans
from lora_marketing.text.spelling import Finder, letters_of

WITHHELD = Finding(
    rule="cross_brand.withheld",
    severity="block",
    message="the text named another client's brand and is not shown",
    suggestion="send the request again, with another seed",
)
"""What is said of a text that gave a name away, to a client who is not to learn which."""


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


def gives_away(found: Iterable[Finding]) -> bool:
    """Whether a name was found, however grave the brand takes it."""
    return any(one.rule.split(".")[0] == "cross_brand" for one in found)


def unsaid(names: Sequence[str], text: str) -> tuple[str, ...]:
    """Those of `names` that do not occur in `text`: who wrote it knows the others."""
    heard = {letters_of(one.term) for one in _names(tuple(names)).find(text) if one.sure}
    return tuple(name for name in names if not any(letters_of(name) in one for one in heard))


@lru_cache(maxsize=256)
def _names(names: tuple[str, ...]) -> Finder:
    return Finder([name for name in names if name.strip()], inflected=False)
