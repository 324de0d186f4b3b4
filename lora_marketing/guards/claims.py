"""Claims: finds claims that the law of the text's markets forbids without proof."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lora_marketing.brands.brand import Brand
from lora_marketing.brands.claims import Claim
from lora_marketing.guards import GRAVITY, Case, Finding
from lora_marketing.guards._packs import CompiledPack, PackRule, load_pack, pack_names, read_pack
from lora_marketing.text.bounded import Apart, Span, Spans
from lora_marketing.text.normalise import View, readings, whole_word

_HOME = {"zh": ("CN",), "en": ("GB", "US")}
"""Whose law a text is held to where neither the profile nor the locale names a country."""
_HELD_TO_CN = frozenset({"HK", "MO", "TW"})
_NAMES_MAY_SAY = frozenset({"superlative", "comparison"})
"""Kinds of rules that do not apply within names of brand and product (广告绝对化用语执法指南第六条(四))."""


@dataclass(frozen=True)
class _StatedClaim:
    """A claim of the brand's claims file that the text states, with its place in the view."""

    claim: Claim
    start: int
    end: int

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.end


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find claims that the brand's claims file does not permit in these markets on this day.

    What overlaps a permitted claim is not reported; an effect on health needs a permitted claim of kind
    `health`. Prices and percentages are left to the facts guard.
    """
    markets = markets_of(case.brand)
    if lawless := unruled(case.brand):
        message = f"no rules for {', '.join(lawless)}: nobody has looked at what its law says of claims"
        yield Finding(rule="claims.no_rules", severity="review", message=message)
    seen = readings(text)
    said = list(_said(case, seen))
    bare = frozenset(claim.id for claim in case.brand.claims if not _disclaimed(claim, seen))
    for one in said:
        yield from _objections(one, case, bare)
    names = Spans([*_places(case.brand.display_name, seen), *_places(case.brief.product, seen)])
    answered = {kind: Spans(one.span for one in said if _answers(one.claim, kind)) for kind in ("", "health")}
    taken = Apart()
    for rule, span in sorted(_matches(markets, case.brand.language, seen), key=_gravest_and_widest):
        if rule.kind in _NAMES_MAY_SAY and names.cover(*span):
            continue
        permitted = answered["health" if rule.kind == "health" else ""]
        if not permitted.touch(*span) and taken.take(*span):
            yield _finding(rule, span)


def _gravest_and_widest(found: tuple[PackRule, Span]) -> tuple[int, int]:
    rule, (start, end) = found
    return -GRAVITY.index(rule.severity), start - end


def markets_of(brand: Brand) -> tuple[str, ...]:
    """Whose law holds: the profile's markets, else the locale's country, else the language's."""
    language, _, country = brand.locale.partition("-")
    if brand.markets:
        return tuple(brand.markets)
    return (country,) if len(country) == 2 and language != "zh" else _HOME.get(language, ())


def unruled(brand: Brand) -> tuple[str, ...]:
    """Markets whose law no pack knows, or the language if no pack reads it: a person has to look."""
    packs = [read_pack(name) for name in pack_names("claims")]
    known = {market for pack in packs for market in pack.markets} | _HELD_TO_CN
    missing = tuple(market for market in markets_of(brand) if market not in known)
    spoken = brand.language in {pack.language for pack in packs}
    return missing or (() if spoken else (brand.locale,))


def _matches(
    markets: tuple[str, ...], language: str, seen: Sequence[View]
) -> Iterator[tuple[PackRule, Span]]:
    """What the rules find in any reading, and where in the text."""
    found = {
        (match.rule.id, reading.span(match.start, match.end)): match.rule
        for reading in seen
        for pack in _packs(markets, language)
        for match in pack.matches(reading.text)
    }
    yield from ((rule, span) for (_, span), rule in found.items())


def _packs(markets: tuple[str, ...], language: str) -> list[CompiledPack]:
    """Packs of the markets; if none is in the language, also those of the language's own markets."""
    packs = [load_pack(name) for name in pack_names("claims")]
    wanted = set(markets) | ({"CN"} if set(markets) & _HELD_TO_CN else set())
    held = [pack for pack in packs if wanted & set(pack.pack.markets)]
    spoken = {pack.pack.language for pack in held}
    if language not in spoken:
        held += [pack for pack in packs if set(_HOME.get(language, ())) & set(pack.pack.markets)]
    return held


def _said(case: Case, seen: Sequence[View]) -> Iterator[_StatedClaim]:
    for claim in case.brand.claims:
        for start, end in sorted({place for wording in claim.says for place in _places(wording, seen)}):
            yield _StatedClaim(claim, start, end)


def _places(wording: str, seen: Sequence[View]) -> set[Span]:
    """Where in the text the wording stands, in any reading."""
    return {
        span for one in {read.text.strip() for read in readings(wording)} for span in _places_of(one, seen)
    }


def _places_of(wanted: str, seen: Sequence[View]) -> Iterator[Span]:
    for reading in seen:
        start = reading.text.find(wanted) if wanted else -1
        while start >= 0:
            end = start + len(wanted)
            if whole_word(reading.text, start, end):
                yield reading.span(start, end)
            start = reading.text.find(wanted, end)


def _answers(claim: Claim, kind: str) -> bool:
    return kind != "health" or claim.kind == "health"


def _disclaimed(claim: Claim, seen: Sequence[View]) -> bool:
    """Whether the text says what has to be said beside a claim, if anything."""
    return not claim.disclaimer or bool(_places(claim.disclaimer, seen))


def _objections(said: _StatedClaim, case: Case, bare: Collection[str]) -> Iterator[Finding]:
    """What the claims file itself has against a claim as it stands; those in `bare` lack their disclaimer."""
    claim, span, markets = said.claim, said.span, markets_of(case.brand)
    about = f'claim "{claim.id}"'
    if not claim.holds_in((), case.today):
        message = f"{about} was permitted until {claim.expires}"
        renew = "renew its evidence, or leave it out"
        yield Finding(rule="claims.expired", severity="block", message=message, span=span, suggestion=renew)
    elif not claim.holds_in(markets, case.today):
        message = f"{about} is permitted in {', '.join(claim.markets)}, not in {', '.join(markets)}"
        out = "leave it out"
        yield Finding(rule="claims.market", severity="block", message=message, span=span, suggestion=out)
    elif claim.id in bare:
        message = f"{about} needs its disclaimer in the same text"
        yield Finding(
            rule="claims.disclaimer", severity="fix", message=message, span=span, suggestion=claim.disclaimer
        )


def _finding(rule: PackRule, span: Span) -> Finding:
    return Finding(
        rule=f"claims.{rule.id}",
        severity=rule.severity,
        message=f"{rule.message} ({rule.basis})",
        span=span,
        suggestion=rule.suggestion,
    )
