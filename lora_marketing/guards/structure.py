"""Structure: finds empty texts, ads that are not JSON of their channel's fields, and repeated pieces."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from rapidfuzz.fuzz import ratio

from lora_marketing.channels.structure import AD, Piece, pieces, read_ad
from lora_marketing.common.errors import DataError
from lora_marketing.guards import Case, Finding
from lora_marketing.text.bounded import normalized

ALIKE = 90
"""From this similarity on (rapidfuzz ratio, 0 to 100) two pieces count as the same."""
COMPARED, LONGEST = 60, 1000
"""The most pieces of an ad that are compared, and letters of each; no channel allows as many."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find a text without letters and digits, and what a platform would reject in an ad."""
    if case.brief.field == AD:
        yield from _of_ad(text, case.brief.channel)
    yield from _of_pieces(pieces(text, case.brief))


def _of_ad(text: str, channel: str) -> Iterator[Finding]:
    try:
        read_ad(text, channel)
    except DataError as error:
        for problem in error.problems:
            message = "; ".join(str(problem).split("\n    "))
            yield Finding(rule="structure.json", severity="fix", message=message)


def _of_pieces(found: list[Piece]) -> Iterator[Finding]:
    folded = [_folded(piece.text) for piece in found]
    for piece, letters in zip(found, folded, strict=True):
        if not letters:
            message = f"{piece.field} {piece.number + 1} says nothing"
            yield Finding(rule="structure.empty", severity="fix", message=message, span=piece.span())
    repeated: set[int] = set()
    for first, second in combinations(range(min(len(found), COMPARED)), 2):
        one, other = found[first], found[second]
        if second in repeated or one.field != other.field or not folded[first]:
            continue
        message = f"{other.field} {other.number + 1} says what {one.number + 1} says"
        if folded[first] == folded[second]:
            repeated.add(second)
            yield Finding(rule="structure.repeated", severity="fix", message=message, span=other.span())
        elif ratio(folded[first][:LONGEST], folded[second][:LONGEST]) >= ALIKE:
            message = message.replace("what", "nearly what")
            yield Finding(rule="structure.similar", severity="review", message=message, span=other.span())


def _folded(text: str) -> str:
    """Letters and digits alone, in one case and width."""
    return "".join(filter(str.isalnum, normalized("NFKC", text).casefold()))
