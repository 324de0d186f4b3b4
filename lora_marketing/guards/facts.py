"""Facts: finds numbers, names and values that are neither in the brief nor in the brand's profile."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator

from lora_marketing.guards import MOST_OF_A_RULE, Case, Finding, Severity
from lora_marketing.guards._facts_known import Given, Known, known_of
from lora_marketing.guards._names import models, names
from lora_marketing.text.bounded import Span, Spans
from lora_marketing.text.normalise import View, view, whole_word
from lora_marketing.text.quantities import Quantity
from lora_marketing.text.statements import Statement, statements

_IDIOM = re.compile(
    r"\b24/7\b|\{\{[^{}\n]{1,40}\}\}"
    r"|\b(?:one|two|three|four)[- ](?:of|by|or|fold|way|handed|faced|piece|tone|thirds?|step)\b"
    r"|\b(?:at|in|on|the|these|those|all|other|or|and|by|between) (?:one|two|three|four)\b|\bone\b"
    r"|\b(?:three|four|five|six|seven)[- ]star\b|\bseven days a week\b|[一每]周七天"
    r"|(?<![零〇一二三四五六七八九十百千万])(?:一一(?![零〇一二三四五六七八九十百千万])"
    r"|(?:五一|六一|十一|三八)(?=小?长?假|黄金周|[^,。!?]{0,2}节|国庆|出[游行]|期间|[大特促]|礼))"
    r"|三三两两|一五一十|千[百万]|万[千一]|百[年度]"
    r"|五[彩颜湖谷官脏星]|四[季周面处海溢]|七[彩夕上]|九[州霄]|三[餐五思言明]|两[全侧边者端]|双十一|十[分足全]"
)
_EXCLUSIVE = (
    "red blue green yellow black white grey gray pink purple brown beige navy teal crimson",
    "cotton linen wool silk leather polyester nylon cashmere suede denim bamboo hemp",
    "oak pine walnut beech steel aluminium titanium copper brass plastic ceramic glass",
    "红色 蓝色 绿色 黄色 黑色 白色 灰色 粉色 紫色 棕色 米色 藏青 卡其色",
    "纯棉 亚麻 羊毛 真丝 皮革 涤纶 尼龙 羊绒 牛皮 麂皮 雪纺 聚酯",
    "橡木 松木 胡桃木 不锈钢 铝合金 钛 铜 塑料 陶瓷 玻璃",
)
MOST_READ = 2000
"""Quantities of one text that are compared, if as many findings as are told of a rule were among them."""
_VALUES = tuple(frozenset(values.split(" ")) for values in _EXCLUSIVE)
"""Sets of values that exclude each other: a bag that the brief calls blue is not red."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """What contradicts the brief or the profile is not published; what nobody gave a person checks."""
    known = known_of(case)
    seen = view(text)
    idioms = [found.span() for found in _IDIOM.finditer(seen.text)]
    ends = [end for _, end in idioms]
    told: Counter[tuple[bool, Severity]] = Counter()
    dates: list[Span] = []
    for number, one in enumerate(statements(seen, known.region)):
        if number >= MOST_READ and max(told.values(), default=0) >= MOST_OF_A_RULE:
            break
        if one.quantity.kind == "date":
            dates.append(seen.span(one.quantity.start, one.quantity.end))
        own = one.quantity
        at = bisect_right(ends, own.start)
        in_idiom = (
            at < len(idioms)
            and idioms[at][0] < own.end
            and not own.price
            and (not own.digits or seen.text[slice(*idioms[at])].startswith(("24/7", "{{")))
        )
        if (
            in_idiom
            or min(told[own.price, "review"], told[own.price, "block"]) >= MOST_OF_A_RULE
            or known.holds(one)
        ):
            continue
        nearly_idle = not own.digits and not own.price and own.amount == 1
        against = None if nearly_idle else known.contradicted(one)
        if not against and not _states(own, seen):
            continue
        severity: Severity = "block" if against else "review"
        told[own.price, severity] += 1
        if told[own.price, severity] <= MOST_OF_A_RULE:
            yield _unknown(one, seen, text, known, against)
    yield from models(text, known)
    yield from names(text, known, Spans(dates))
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


def _unknown(one: Statement, seen: View, text: str, known: Known, against: Given | None) -> Finding:
    span = seen.span(one.quantity.start, one.quantity.end)
    rule = "facts.price" if one.quantity.price else "facts.number"
    said = text[slice(*span)]
    if against:
        message = f'"{said}" is not what is given: "{against.written}"{_meant(one, against.statement)}'
        return Finding(rule=rule, severity="block", message=message, span=span, suggestion=against.suggested)
    message = f'"{said}" is neither in the brief nor in the profile'
    return Finding(rule=rule, severity="review", message=message, span=span, suggestion=known.nearest(one))


def _meant(one: Statement, given: Statement) -> str:
    """What is said and given besides the value, where it differs."""
    pairs = ((one.role, given.role), (one.bound, given.bound), (one.rate, given.rate))
    differ = [f"said as {own}, given as {other}" for own, other in pairs if own and other and own != other]
    if one.around.everywhere and not given.around.everywhere:
        differ.append("said of everything")
    return f" ({'; '.join(differ)})" if differ else ""


def _values(seen: View, case: Case, known: Known) -> Iterator[Finding]:
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
