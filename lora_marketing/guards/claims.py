"""Claims: finds claims that the law of the text's markets forbids without proof."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lora_marketing.brands.claims import Claim
from lora_marketing.guards import Case, Finding
from lora_marketing.guards._packs import CompiledPack, Match, load_pack, pack_names
from lora_marketing.text.bounded import Apart, Spans
from lora_marketing.text.normalise import View, undisguised, whole_word

_HOME = {"zh": ("CN",), "en": ("GB", "US")}
"""Markets by language, for brands whose profile and locale name no country."""
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
    markets = markets_of(case)
    seen = undisguised(text)
    said = list(_said(case, seen))
    bare = frozenset(claim.id for claim in case.brand.claims if not _disclaimed(claim, seen))
    for one in said:
        yield from _objections(one, seen, case, bare)
    names = Spans([*_places(case.brand.display_name, seen), *_places(case.brief.product, seen)])
    answered = {kind: Spans(one.span for one in said if _answers(one.claim, kind)) for kind in ("", "health")}
    taken = Apart()
    matches = _matches(markets, case.brand.language, seen.text)
    for match in sorted(matches, key=lambda one: one.start - one.end):
        if match.rule.kind in _NAMES_MAY_SAY and names.cover(match.start, match.end):
            continue
        permitted = answered["health" if match.rule.kind == "health" else ""]
        if not permitted.touch(match.start, match.end) and taken.take(match.start, match.end):
            yield _finding(match, seen)


def markets_of(case: Case) -> tuple[str, ...]:
    """The markets whose law applies: the profile's, else the locale's country, else those of the language."""
    language, _, country = case.brand.locale.partition("-")
    if case.brand.markets:
        return tuple(case.brand.markets)
    return (country,) if len(country) == 2 and language != "zh" else _HOME.get(language, ())


def _matches(markets: tuple[str, ...], language: str, text: str) -> Iterator[Match]:
    for pack in _packs(markets, language):
        yield from pack.matches(text)


def _packs(markets: tuple[str, ...], language: str) -> list[CompiledPack]:
    """Packs of the markets; if none is in the language, also those of the language's own markets."""
    packs = [load_pack(name) for name in pack_names("claims")]
    wanted = set(markets) | ({"CN"} if set(markets) & {"HK", "MO", "TW"} else set())
    held = [pack for pack in packs if wanted & set(pack.pack.markets)]
    spoken = {pack.pack.language for pack in held}
    if language not in spoken:
        held += [pack for pack in packs if set(_HOME.get(language, ())) & set(pack.pack.markets)]
    return held


def _said(case: Case, seen: View) -> Iterator[_StatedClaim]:
    for claim in case.brand.claims:
        for wording in claim.says:
            for start, end in _places(wording, seen):
                yield _StatedClaim(claim, start, end)


def _places(wording: str, seen: View) -> Iterator[tuple[int, int]]:
    wanted = undisguised(wording).text.strip()
    start = seen.text.find(wanted) if wanted else -1
    while start >= 0:
        end = start + len(wanted)
        if whole_word(seen.text, start, end):
            yield start, end
        start = seen.text.find(wanted, end)


def _answers(claim: Claim, kind: str) -> bool:
    return kind != "health" or claim.kind == "health"


def _disclaimed(claim: Claim, seen: View) -> bool:
    """Whether the text has the disclaimer of a claim, or the claim needs none."""
    return not claim.disclaimer or any(True for _ in _places(claim.disclaimer, seen))


def _objections(said: _StatedClaim, seen: View, case: Case, bare: Collection[str]) -> Iterator[Finding]:
    """Findings about a stated claim: expired, wrong market, or without disclaimer (ids in `bare`)."""
    claim, span, markets = said.claim, seen.span(*said.span), markets_of(case)
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


def _finding(match: Match, seen: View) -> Finding:
    rule = match.rule
    return Finding(
        rule=f"claims.{rule.id}",
        severity=rule.severity,
        message=f"{rule.message} ({rule.basis})",
        span=seen.span(match.start, match.end),
        suggestion=rule.suggestion,
    )
