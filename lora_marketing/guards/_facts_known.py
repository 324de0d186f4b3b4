"""What is known of a case: what its brief and its brand's profile state, each with where it is from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from lora_marketing.guards import Case
from lora_marketing.guards._given import Source, given_texts_of
from lora_marketing.text.bounded import matches
from lora_marketing.text.normalise import view
from lora_marketing.text.regions import Region, region_of
from lora_marketing.text.statements import Statement, statements
from lora_marketing.text.units import MONEY

_BARE = re.compile("[\\d.,十百千万亿]+")
CENT = Decimal("0.01")
_MODEL = re.compile(r"(?<![A-Za-z\d])[A-Za-z]{1,5}[- ]?\d{2,}[A-Za-z\d]*(?:-[A-Za-z\d]+)*(?![A-Za-z\d])")


@dataclass(frozen=True)
class Given:
    """One thing that is known.

    Args:
        statement: what is stated.
        written: how the quantity is written there.
        source: who says it.
        suggested: what to write instead of something that contradicts it.
    """

    statement: Statement
    written: str
    source: Source
    suggested: str | None


@dataclass(frozen=True)
class Known:
    """What may be said: the known texts in one spelling, and what they state.

    Args:
        region: how numbers are read.
        text: all known texts as a `View` has them.
        given: what they state.
        savings: what is saved from a price before to the price now, in money and in per cent.
        models: model numbers, as they are written, by their letters and digits.
    """

    region: Region
    text: str
    given: tuple[Given, ...]
    savings: tuple[Given, ...]
    models: Mapping[str, str]

    def holds(self, asked: Statement) -> bool:
        """Whether it is given, in whatever words.

        A price is no count, and a bare number is a price only as an attribute of the brief.
        """
        own = asked.quantity
        if not own.kind:
            return self._counted(asked)
        typed = any(one.source == "named" and one.statement.quantity.kind == own.kind for one in self.given)
        for one in self.given:
            if not one.statement.quantity.kind:
                counts = typed and not one.statement.around.right.strip()
                if counts or (own.price and one.source != "named"):
                    continue
            if asked.says(one.statement):
                return True
        return self._saved(asked)

    def _counted(self, asked: Statement) -> bool:
        """A bare number is any that is given, unless the brief counts the same things: 36 lessons, not 12."""
        alike = [
            one
            for one in self.given
            if one.source == "named"
            and not one.statement.quantity.kind
            and asked.around.nouns & one.statement.around.subjects
        ]
        if alike:
            return any(asked.says(one.statement) for one in alike)
        return any(
            (one.statement.quantity.amount == asked.quantity.amount or _of_the_same(asked, one.statement))
            and (not one.statement.quantity.price or _BARE.fullmatch(one.written))
            for one in self.given
        )

    def _saved(self, asked: Statement) -> bool:
        own = asked.quantity
        return (
            asked.role == "discount"
            and not asked.around.everywhere
            and any(
                one.statement.quantity.kind == own.kind
                and abs(one.statement.quantity.value - own.value) < (1 if own.kind == "percent" else CENT)
                for one in self.savings
            )
        )

    def contradicted(self, asked: Statement) -> Given | None:
        """The nearest of what is given that cannot be true beside it."""
        against = [
            one
            for one in (*self.given, *self.savings)
            if one.source != "voice" and asked.contradicts(one.statement, named=one.source == "named")
        ]
        return min(against, key=lambda one: _distance(asked, one), default=None)

    def nearest(self, asked: Statement) -> str | None:
        """How the nearest known value of the same kind is written."""
        kind = asked.quantity.kind
        alike = [one for one in self.given if one.statement.quantity.kind == kind != ""]
        return min(alike, key=lambda one: _distance(asked, one)).written if alike else None


def _of_the_same(asked: Statement, given: Statement) -> bool:
    return bool(asked.around.nouns & given.around.subjects) and asked.says(given)


def known_of(case: Case) -> Known:
    """Read what is known of a case."""
    markets = tuple(case.brand.markets)
    return _known(tuple(given_texts_of(case)), region_of(case.brand.locale, markets))


def _distance(asked: Statement, one: Given) -> tuple[bool, Decimal]:
    """Of the same kind first, then by value."""
    given, own = one.statement.quantity, asked.quantity
    return given.kind != own.kind, abs(given.value - own.value)


@lru_cache(maxsize=1024)
def _known(texts: tuple[tuple[str, Source], ...], region: Region) -> Known:
    seen = [view(text) for text, _ in texts]
    given = []
    for (text, source), each in zip(texts, seen, strict=True):
        for one in statements(each, region):
            written = text[slice(*each.span(one.quantity.start, one.quantity.end))]
            given.append(Given(one, written, source, written))
    found = (model.group() for text, source in texts for model in matches(_MODEL, text))
    models = {plain_model(model): model for model in found}
    lines = "\n".join(each.text for each in seen)
    return Known(region, lines, tuple(given), tuple(_savings(given)), models)


def plain_model(written: str) -> str:
    """A model number without what differs in how it is written.

    >>> plain_model("XD-1800 B")
    'xd1800b'
    """
    return re.sub("[ -]", "", written).casefold()


def _savings(given: Sequence[Given]) -> Iterator[Given]:
    """From every price before to every lower price of that currency that is given."""
    money = [one for one in given if one.source != "voice" and one.statement.quantity.kind in MONEY]
    for before in (one for one in money if one.statement.role == "before"):
        for now in (one for one in money if one.statement.role in ("now", "price", "")):
            high, low = before.statement.quantity, now.statement.quantity
            if high.kind == low.kind and low.value < high.value:
                saved = high.value - low.value
                for kind, value in ((high.kind, saved), ("percent", 100 * saved / high.value)):
                    quantity = replace(low, kind=kind, value=value, amount=value, role="discount")
                    statement = replace(now.statement, quantity=quantity, role="discount")
                    yield Given(statement, f"{before.written} - {now.written}", now.source, None)
