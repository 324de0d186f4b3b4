"""Cross-brand: finds names of other brands, which a text of this brand must not reveal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from lora_marketing.guards import Case, Finding, Severity
from lora_marketing.text.bounded import Spans
from lora_marketing.text.disguises import with_and
from lora_marketing.text.spelling import Finder, letters_of

WITHHELD = Finding(
    rule="cross_brand.withheld",
    severity="block",
    message="the text named another client's brand and is not shown",
    suggestion="send the request again, with another seed",
)
"""What is said of a text that gave a name away, to a client who is not to learn which."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find names of `case.others` in any spelling, unless they are within a name of this brand.

    Messages do not repeat the name, since readers of this brand's findings may not know the other brand. A
    Latin name without capitals (`ember`), and letters of a name that may be parts of other words, are only
    reviewed: they may be ordinary words.
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
    heard = {_in_full(one.term) for one in _names(tuple(names)).find(text) if one.sure}
    return tuple(name for name in names if not any(_in_full(name) in one for one in heard))


def _in_full(name: str) -> str:
    """The letters of a name with `and` for its `&`."""
    return max(map(letters_of, with_and(name)), key=len)


@lru_cache(maxsize=256)
def _names(names: tuple[str, ...]) -> Finder:
    return Finder([name for name in names if name.strip()], inflected=False)
