"""Decides whether a text says a value, and where, for guards, metrics and ranking alike.

A value is said if all its listed things are (`cocoa, molasses`), each as a run of words and quantities. Words
may differ in case, width, accents, script and number (plurals); quantities in spelling and unit, but not in
what they state (`text.statements`): who reads *was £9* has not read a price of £9. `yes` and `no` are said by
the attribute's name, with or without a negation near it in its clause.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from lora_marketing.text.bounded import Span, Spans
from lora_marketing.text.normalise import View, view
from lora_marketing.text.quantities import Quantity
from lora_marketing.text.regions import region_of
from lora_marketing.text.scripts import UNSPACED
from lora_marketing.text.statements import Statement, statements

OtherWordings = Mapping[str, Mapping[str, Sequence[str]]]
"""Other ways to say a value of an attribute, by attribute and value."""

YES = frozenset({"yes", "true", "是", "有"})
NO = frozenset({"no", "false", "否", "无"})
_HELPERS = "is are was were do does did has have had ca could wo would should must need ai"
_NEGATIONS = frozenset({"not", "no", "non", "never", "without", "cannot", "neither", "nor", *"不没无非未"})
_NEGATIONS |= {f"{helper}nt" for helper in _HELPERS.split(" ")}
CLAUSE = 120
"""Characters before and behind a quantity in which the other words of its value may stand."""
NEAR = 2
"""Quantities before and behind one among which the others of its value may stand."""
NEGATED = 3
"""A negation applies to this many words after it."""
_CONTRACTED = re.compile(r"(?<=n)'(?=t(?![^\W\d_]))")
# Unlike in `words`, letters and digits are separate tokens: `3pack` says 3, and `X5.5` does not say `X5`.
_TOKEN = re.compile(rf"\d+(?:\.\d+)*|[{UNSPACED}]|[^\W\d_{UNSPACED}]+")
_CLAUSE_END = re.compile(r"(?<=[.!?:;…])\s+|[。！？：；\n]")
_LISTED = re.compile(r"[,;/，；、]|\band\b|&|[和与]")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Token:
    """A word in the singular, or a quantity with what it states, and where it stands."""

    word: str
    span: Span
    quantity: Quantity | None = None
    statement: Statement | None = None

    @property
    def key(self) -> tuple[str, Decimal | None]:
        """Equal for tokens that mean the same."""
        return (self.quantity.kind, self.quantity.value) if self.quantity else (self.word, None)

    def says(self, given: Token) -> bool:
        """Whether who reads this has read `given`."""
        if self.statement and given.statement:
            return self.statement.says(given.statement)
        if self.quantity and given.quantity:
            return self.quantity.says(given.quantity)
        return self.key == given.key


@dataclass(frozen=True)
class ReadText:
    """A text that is prepared to search values in it.

    Args:
        words: every word, and every number in digits.
        tokens: quantities, and the words between them but for those that say what a quantity states.
        clause_ends: where a clause ends, in order.
    """

    words: tuple[Token, ...]
    tokens: tuple[Token, ...]
    clause_ends: tuple[int, ...]
    _line: str = field(init=False, repr=False)
    _starts: tuple[int, ...] = field(init=False, repr=False)
    _quantities: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_line", _joined(self.words))
        places, place = [], 0
        for token in self.words:
            places.append(place)
            place += len(token.word) + 1
        object.__setattr__(self, "_starts", tuple(places))
        numbers = tuple(at for at, token in enumerate(self.tokens) if token.quantity)
        object.__setattr__(self, "_quantities", numbers)

    def find(self, thing: Sequence[Token]) -> list[Span]:
        """Spans of a run of words and quantities in the text, without overlaps."""
        anchor = next((at for at, token in enumerate(thing) if token.quantity), None)
        if anchor is None:
            return list(self._words(thing))
        found: list[Span] = []
        for at in self._quantities:
            run = self.tokens[max(0, at - anchor) : at - anchor + len(thing)]
            fits = len(run) == len(thing) and all(map(Token.says, run, thing))
            if fits and (not found or found[-1][1] <= run[0].span[0]):
                found.append((run[0].span[0], run[-1].span[1]))
        return found or list(self._in_other_order(thing, thing[anchor]))

    def _in_other_order(self, thing: Sequence[Token], first: Token) -> Iterator[Span]:
        """Where a quantity with a unit stands in one clause with all else that `thing` says (568 元一对)."""
        if len(thing) < 2 or any(token.quantity and not token.quantity.kind for token in thing):
            return
        wanted = {token.word for token in thing if token.word}
        others = [token for token in thing if token.quantity and token is not first]
        for at in self._quantities:
            token = self.tokens[at]
            if not token.says(first) or not wanted <= self._clause(token.span[0]):
                continue
            near = [self.tokens[place] for place in self._quantities_near(at)]
            if all(any(one.says(other) for one in near) for other in others):
                yield token.span

    def _quantities_near(self, at: int) -> Sequence[int]:
        place = bisect_left(self._quantities, at)
        return self._quantities[max(0, place - NEAR) : place + NEAR + 1]

    def _clause(self, place: int) -> set[str]:
        """The words around `place` in its clause."""
        ends = bisect_right(self.clause_ends, place)
        start = self.clause_ends[ends - 1] if ends else 0
        end = self.clause_ends[ends] if ends < len(self.clause_ends) else place + CLAUSE
        first = bisect_left(self.words, max(start, place - CLAUSE), key=lambda token: token.span[0])
        last = bisect_left(self.words, min(end, place + CLAUSE), key=lambda token: token.span[0])
        return {token.word for token in self.words[first:last]}

    def _words(self, thing: Sequence[Token]) -> Iterator[Span]:
        wanted = _joined(thing)
        place = self._line.find(wanted) if thing else -1
        while place >= 0:
            first = bisect_left(self._starts, place)
            yield self.words[first].span[0], self.words[first + len(thing) - 1].span[1]
            place = self._line.find(wanted, place + len(wanted) - 1)

    def negated(self, span: Span) -> bool:
        """Whether one of the `NEGATED` words before `span` is a negation in the same clause."""
        at = bisect_left(self.words, span[0], key=lambda token: token.span[0])
        ends = bisect_right(self.clause_ends, span[0])
        start = self.clause_ends[ends - 1] if ends else 0
        before = self.words[max(0, at - NEGATED) : at]
        return any(token.word in _NEGATIONS and token.span[0] >= start for token in before)


def _joined(tokens: Sequence[Token]) -> str:
    return f" {' '.join(token.word for token in tokens)} "


@lru_cache(maxsize=1024)
def read(text: str, locale: str = "en") -> ReadText:
    """Read a text, once for all values that are looked for in it."""
    seen = view(text).without(_CONTRACTED)
    tokens: list[Token] = []
    place = 0
    for one in statements(seen, region_of(locale)):
        quantity = one.quantity
        tokens += _between(seen, place, quantity.start, one.cues)
        tokens.append(Token("", seen.span(quantity.start, quantity.end), quantity, one))
        place = max([quantity.end, *(end for start, end in one.cues if 0 <= start - quantity.end < 2)])
    tokens += _tokens(seen, place, len(seen.text), numbers=True)
    ends = tuple(found.end() for found in _CLAUSE_END.finditer(text))
    return ReadText(tuple(_tokens(seen, 0, len(seen.text))), tuple(tokens), ends)


def _between(seen: View, start: int, end: int, cues: Sequence[Span]) -> Iterator[Token]:
    """The words between two quantities, without those that say what the second one states."""
    for first, last in sorted(cue for cue in cues if start < cue[1] <= end):
        yield from _tokens(seen, start, max(start, first), numbers=True)
        start = max(start, last)
    yield from _tokens(seen, start, end, numbers=True)


def _tokens(seen: View, start: int, end: int, numbers: bool = False) -> Iterator[Token]:
    for found in _TOKEN.finditer(seen.text, start, end):
        span, word = seen.span(*found.span()), found[0]
        if numbers and word[0].isdecimal() and word.count(".") < 2:
            value = Decimal(word)
            yield Token("", span, Quantity("", value.normalize(), value, *found.span(), True))
        else:
            yield Token(singular(word), span)


def singular(word: str) -> str:
    """A word without its plural ending, by simple rules that are applied to text and value alike."""
    if len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ses", "xes", "zes", "ches", "shes")) else word[:-1]


@lru_cache(maxsize=8192)
def things_of(value: str, name: str = "", locale: str = "en") -> tuple[tuple[Token, ...], ...]:
    """What has to be said for `value` to be said: each of its listed things.

    The `name` of an attribute says what its value is: a price before, a discount.

    >>> [" ".join(token.word for token in thing) for thing in things_of("cocoa, dark plums and toast")]
    ['cocoa', 'dark plum', 'toast']
    """
    label = f"{name}: " if name else ""
    tokens = [token for token in read(label + value, locale).tokens if token.span[0] >= len(label)]
    starts = [token.span[0] for token in tokens]
    commas = []
    for found in _LISTED.finditer(label + value, len(label)):
        at = bisect_right(starts, found.start()) - 1
        if at < 0 or not tokens[at].quantity or tokens[at].span[1] <= found.start():
            commas.append(found.span())
    listed: dict[int, list[Token]] = {}
    begins = [start for start, _ in commas]
    for token in tokens:
        number = bisect_right(begins, token.span[0])
        if not number or commas[number - 1][1] <= token.span[0]:
            listed.setdefault(number, []).append(token)
    return tuple(tuple(thing) for thing in listed.values())


def same(value: str, other: str, locale: str = "en") -> bool:
    """Whether two values of an attribute are one, in two spellings.

    >>> same("0.5 l", "500 ml"), same("£9", "£12")
    (True, False)
    """
    keys = (
        [[token.key for token in thing] for thing in things_of(given, "", locale)] for given in (value, other)
    )
    return next(keys) == next(keys)


def says(text: str, value: str, locale: str = "en") -> bool:
    """Whether `text` says `value`.

    >>> says("Half a litre? 500 ml!", "0.5 l"), says("90 pounds", "£9")
    (True, False)
    """
    return bool(spans_of(value, text, "", locale))


def spans_of(value: str, text: str, name: str = "", locale: str = "en") -> list[list[Span]]:
    """Where each listed thing of `value` stands in `text`; nothing unless all are said."""
    seen = read(text, locale)
    for spelled in dict.fromkeys((value, _CAMEL.sub(" ", value))):
        found = [seen.find(thing) for thing in things_of(spelled, name, locale)]
        if found and all(found):
            return found
    return []


def any_spans(value: str, text: str, locale: str = "en") -> list[Span]:
    """Where any of the listed things of `value` stands in `text`."""
    return [span for thing in things_of(value, "", locale) for span in read(text, locale).find(thing)]


def attribute_spans(
    name: str, value: str, text: str, wordings: OtherWordings | None = None, locale: str = "en"
) -> Sequence[Sequence[Span]]:
    """Spans in `text` of each thing that an attribute's value lists, or of one of its other `wordings`.

    `yes` and `no` are said by the attribute's name, affirmed or negated. Empty unless all of it is said.
    """
    others = (wordings or {}).get(name, {})
    if value.strip().casefold() in YES | NO:
        found = _flag(name, value.strip().casefold() in YES, text, others, locale)
        return [found] if found else []
    listed = [span for other in others.get(value, ()) for span in _whole(other, text, locale)]
    things = spans_of(value, text, name, locale)
    if things:
        return [apart([*listed, *things[0]]), *things[1:]]
    return [apart(listed)] if listed else []


def _whole(wording: str, text: str, locale: str) -> list[Span]:
    """Where a wording stands as it is, commas or not."""
    return read(text, locale).find(read(wording, locale).tokens)


def _flag(name: str, wanted: bool, text: str, others: Mapping[str, Sequence[str]], locale: str) -> list[Span]:
    """Where the text says that the attribute holds (or does not, if that is `wanted`)."""
    wordings = {True: [*dict.fromkeys((name, _CAMEL.sub(" ", name)))], False: []}
    for value, more in others.items():
        wordings[value.strip().casefold() in YES].extend(more)
    denied = [span for other in wordings[False] for span in _whole(other, text, locale)]
    said = Spans(denied)
    affirmed: list[Span] = []
    for span in (span for other in wordings[True] for span in _whole(other, text, locale)):
        if said.cover(*span):
            continue
        (denied if read(text, locale).negated(span) else affirmed).append(span)
    return apart(affirmed if wanted else denied)


def apart(spans: Iterable[Span]) -> list[Span]:
    """Spans without those that overlap an earlier one; of spans with the same start the longest is kept."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def measured(text: str, facts: Sequence[str], locale: str = "en") -> list[Span]:
    """Quantities of `text`, with their unit or the word behind them, that one of `facts` has too.

    A text rarely repeats a fact word for word, but it does repeat its numbers.
    """
    known = {key for fact in facts for key, _ in _measures(read(fact, locale))}
    return [span for key, span in _measures(read(text, locale)) if key in known]


def _measures(seen: ReadText) -> Iterator[tuple[tuple[object, ...], Span]]:
    for at, token in enumerate(seen.tokens):
        after = seen.tokens[at + 1] if at + 1 < len(seen.tokens) else None
        if token.quantity and token.quantity.kind:
            yield token.key, token.span
        elif token.quantity and after and not after.quantity:
            yield (*token.key, after.word), (token.span[0], after.span[1])
