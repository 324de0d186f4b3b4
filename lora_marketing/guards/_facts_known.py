"""What is known of a case: what its brief and its brand's profile state, each with where it is from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from lora_marketing.guards import Case
from lora_marketing.guards._given import Source, given_texts_of
from lora_marketing.text.normalise import view
from lora_marketing.text.regions import Region, region_of
from lora_marketing.text.statements import Statement, statements
from lora_marketing.text.units import MONEY


@dataclass(frozen=True)
class Given:
    """One thing that is known.

    Args:
        statement: what is stated.
        written: how the quantity is written there.
        source: who says it.
    """

    statement: Statement
    written: str
    source: Source


@dataclass(frozen=True)
class Known:
    """What may be said: the known texts in one spelling, and what they state.

    Args:
        region: how numbers are read.
        text: all known texts as a `View` has them.
        given: what they state.
        savings: what is saved from a price before to the price now, in money and in per cent.
    """

    region: Region
    text: str
    given: tuple[Given, ...]
    savings: tuple[tuple[str, Decimal], ...]

    def holds(self, asked: Statement) -> bool:
        """Whether it is given, in whatever words.

        A price is no count, and a bare number is a price only as an attribute of the brief.
        """
        return any(self._said(asked, one) for one in self.given) or self._saved(asked)

    def _said(self, asked: Statement, one: Given) -> bool:
        given, own = one.statement.quantity, asked.quantity
        if not own.kind:
            return not given.price and given.amount == own.amount
        if own.price and not given.kind and one.source != "named":
            return False
        return asked.says(one.statement)

    def _saved(self, asked: Statement) -> bool:
        own = asked.quantity
        return asked.role == "discount" and not asked.everywhere and any(
            kind == own.kind and abs(value - own.value) < (Decimal(1) if kind == "percent" else Decimal("0.01"))
            for kind, value in self.savings
        )

    def contradicted(self, asked: Statement) -> Given | None:
        """The nearest of what is given that cannot be true beside it."""
        against = [
            one
            for one in self.given
            if one.source != "voice" and asked.contradicts(one.statement, named=one.source == "named")
        ]
        return min(against, key=lambda one: _distance(asked, one), default=None)

    def nearest(self, asked: Statement) -> str | None:
        """How the nearest known value of the same kind is written."""
        kind = asked.quantity.kind
        alike = [one for one in self.given if one.statement.quantity.kind == kind != ""]
        return min(alike, key=lambda one: _distance(asked, one)).written if alike else None


def known_of(case: Case) -> Known:
    """Read what is known of a case."""
    markets = tuple(case.brand.markets)
    return _known(tuple(given_texts_of(case)), region_of(case.brand.locale, markets))


def _distance(asked: Statement, one: Given) -> Decimal:
    return abs(one.statement.quantity.value - asked.quantity.value)


@lru_cache(maxsize=1024)
def _known(texts: tuple[tuple[str, Source], ...], region: Region) -> Known:
    seen = [view(text) for text, _ in texts]
    given = tuple(
        Given(one, text[slice(*each.span(one.quantity.start, one.quantity.end))], source)
        for (text, source), each in zip(texts, seen, strict=True)
        for one in statements(each, region)
    )
    return Known(region, "\n".join(each.text for each in seen), given, tuple(_savings(given)))


def _savings(given: Sequence[Given]) -> Iterator[tuple[str, Decimal]]:
    """From every price before to every lower price of that currency that the brief names."""
    money = [one.statement for one in given if one.source != "voice" and one.statement.quantity.kind in MONEY]
    for before in (one for one in money if one.role == "before"):
        for now in (one for one in money if one.role in ("now", "price", "")):
            high, low = before.quantity, now.quantity
            if high.kind == low.kind and low.value < high.value:
                yield high.kind, high.value - low.value
                yield "percent", 100 * (high.value - low.value) / high.value
