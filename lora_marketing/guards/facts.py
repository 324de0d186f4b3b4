"""Facts: finds numbers, names and values that are neither in the brief nor in the brand's profile."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from lora_marketing.guards import MOST_OF_A_RULE, Case, Finding, Severity
from lora_marketing.guards._given import attributes_of, known_texts_of
from lora_marketing.text.bounded import matches
from lora_marketing.text.normalise import View, view, whole_word
from lora_marketing.text.quantities import Quantity, quantities

_IDIOM = re.compile(
    r"\b24/7\b|\b(?:one|two|three|four)[- ](?:of|by|or|fold|way|handed|faced|piece|tone|thirds?|step)\b"
    r"|\b(?:at|in|on|the|these|those|all|other|or|and|by|between) (?:one|two|three|four)\b|\bone\b"
    r"|\bseven days a week\b|[一每]周七天"
    r"|(?<![零〇一二三四五六七八九十百千万])(?:一一(?![零〇一二三四五六七八九十百千万])"
    r"|(?:五一|六一|十一|三八)(?=小?长?假|黄金周|[^,。!?]{0,2}节|国庆|出[游行]|期间|[大特促]|礼))"
    r"|三三两两|一五一十|千[百万]|万[千一]|百[年度]"
    r"|五[彩颜湖谷官脏星]|四[季周面处海溢]|七[彩夕上]|九[州霄]|三[餐五思言明]|两[全侧边者端]|双十一|十[分足全]"
)
_NAME = re.compile(r"(?<![.!?:;。\n\"“'’] )(?<!^)\b[A-Z][a-z]+(?:[ -](?:[A-Z][a-z]+|[A-Z]*\d+\w*|[IVX]+))+\b")
_MODEL = re.compile(r"\b[A-Z]{1,5}-?\d{2,}[A-Z\d]*(?:-[A-Z\d]+)*\b")
_EXCLUSIVE = (
    "red blue green yellow black white grey gray pink purple brown beige navy teal crimson",
    "cotton linen wool silk leather polyester nylon cashmere suede denim bamboo hemp",
    "oak pine walnut beech steel aluminium titanium copper brass plastic ceramic glass",
    "红色 蓝色 绿色 黄色 黑色 白色 灰色 粉色 紫色 棕色 米色 藏青 卡其色",
    "纯棉 亚麻 羊毛 真丝 皮革 涤纶 尼龙 羊绒 牛皮 麂皮 雪纺 聚酯",
    "橡木 松木 胡桃木 不锈钢 铝合金 钛 铜 塑料 陶瓷 玻璃",
)
_VALUES = tuple(frozenset(values.split(" ")) for values in _EXCLUSIVE)
"""Sets of values that exclude each other: a bag that the brief calls blue is not red."""


@dataclass(frozen=True)
class _Known:
    """The known texts in one spelling, and their quantities, each with the way it is written.

    `attributes` are the quantities in the brief's attributes.
    """

    text: str
    quantities: tuple[tuple[Quantity, str], ...]
    attributes: tuple[Quantity, ...]

    def holds(self, asked: Quantity) -> bool:
        """Whether a quantity of the text is known: the same value, in a convertible unit or in none.

        A known price does not allow the same number as a count. A known number without a unit allows a price
        only if it is an attribute of the brief.
        """
        named = self.attributes if asked.price else ()
        return any(asked.says(given) for given in named) or any(
            (asked.says(given) and bool(given.kind or not asked.price))
            or (not asked.kind and not given.price and given.amount == asked.amount)
            for given, _ in self.quantities
        )

    def nearest(self, asked: Quantity) -> str | None:
        """The known quantity of the same kind with the nearest value, as it is written; None without one."""
        alike = [pair for pair in self.quantities if pair[0].kind == asked.kind != ""]
        return min(alike, key=lambda pair: abs(pair[0].value - asked.value))[1] if alike else None


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find unknown facts: an unknown price or percentage is blocked, other numbers and names are reviewed."""
    known = _known(tuple(known_texts_of(case)), attributes_of(case.brief))
    seen = view(text)
    idioms = [found.span() for found in _IDIOM.finditer(seen.text)]
    ends = [end for _, end in idioms]
    told: Counter[bool] = Counter()
    for one in quantities(seen):
        if told[one.price] == MOST_OF_A_RULE:
            continue
        at = bisect_right(ends, one.start)
        in_idiom = at < len(idioms) and idioms[at][0] < one.end and not (one.digits or one.price)
        if in_idiom or known.holds(one) or not _states(one, seen):
            continue
        told[one.price] += 1
        yield _unknown(one, seen, text, known)
    yield from _names(text, known)
    yield from _values(seen, case, known)


def _states(one: Quantity, seen: View) -> bool:
    """Whether a quantity counts as a statement.

    Digits and prices always do; number words do from 2 on with a unit, from 11 on without one. A single 百,
    千, 万 or 亿 without a unit does not, as it is mostly a part of a word (百合, 千层, 万能).
    """
    if one.digits or one.price:
        return True
    many = one.amount > 10 and seen.text[one.start : one.end] not in tuple("百千万亿")
    return one.amount > 1 and (one.kind != "" or many)


def _unknown(one: Quantity, seen: View, text: str, known: _Known) -> Finding:
    span = seen.span(one.start, one.end)
    severity: Severity = "block" if one.price else "review"
    rule = "facts.price" if one.price else "facts.number"
    message = f'"{text[slice(*span)]}" is neither in the brief nor in the profile'
    return Finding(rule=rule, severity=severity, message=message, span=span, suggestion=known.nearest(one))


def _names(text: str, known: _Known) -> Iterator[Finding]:
    """Unknown names of several capitalised words, unless the text is in title case, and model numbers."""
    words = re.findall(r"\b[A-Za-z]\w{3,}", text)
    titled = sum(word[0].isupper() for word in words) > len(words) / 2
    found = [*(() if titled else matches(_NAME, text)), *matches(_MODEL, text)]
    for name in found:
        if not all(part in known.text for part in re.split(r"[ -]", name.group().casefold())):
            message = f'"{name.group()}" is a name that is neither in the brief nor in the profile'
            yield Finding(rule="facts.name", severity="review", message=message, span=name.span())


def _values(seen: View, case: Case, known: _Known) -> Iterator[Finding]:
    given = view(" ".join(case.brief.attributes.values())).text
    for group in _VALUES:
        wanted = [value for value in group if _stands(value, given)]
        for other in sorted(group - set(wanted)) if wanted else ():
            place = seen.text.find(other)
            if place < 0 or other in known.text or not whole_word(seen.text, place, place + len(other)):
                continue
            span = seen.span(place, place + len(other))
            message = f'"{other}" is not what the brief gives'
            better = ", ".join(sorted(wanted))
            yield Finding(
                rule="facts.value", severity="review", message=message, span=span, suggestion=better
            )


def _stands(value: str, text: str) -> bool:
    place = text.find(value)
    return place >= 0 and whole_word(text, place, place + len(value))


@lru_cache(maxsize=1024)
def _known(texts: tuple[str, ...], attributes: tuple[str, ...]) -> _Known:
    seen = [view(text) for text in texts]
    found = tuple(
        (one, text[slice(*each.span(one.start, one.end))])
        for text, each in zip(texts, seen, strict=True)
        for one in quantities(each)
    )
    given = tuple(one for text in attributes for one in quantities(view(text)))
    return _Known("\n".join(each.text for each in seen), found, given)
