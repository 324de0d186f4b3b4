"""Does an answer read like an advert? Plain rules, so that everybody can see why one counts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lora_marketing.brands.brand import Brand, Example
from lora_marketing.evaluation.promotion_gate import names
from lora_marketing.text.scripts import HAN, has_han

WORDS, SIGNS = 4, 7
"""So many words, or Chinese characters, in the order of one of the brand's own texts are no chance."""

RULES = {
    "price": r"[$£€¥￥]\s?\d|\d\s?(?:usd|gbp|eur|rmb)\b"
    r"|(?:only|from|just|仅需|只要|售价|原价|现价)\s?\d+(?:\.\d+)?\s?(?:dollars|pounds|euros|元|块)",
    "discount": r"\b\d{1,2}\s?% off\b|\bhalf price\b|\bon sale\b|\bfree (?:shipping|delivery|returns|trial)\b"
    r"|\bmoney.back\b|\blimited.(?:time|edition|offer)|\bwhile stocks? lasts?\b|\bpromo code\b"
    r"|[\d一二三四五六七八九]折|满\d+减|包邮|优惠券|优惠价|限时|特价|特惠|买一送一|秒杀",
    "call to action": r"\b(?:shop|buy|order|book|subscribe) (?:now|today|yours|online|here|it|one)\b"
    r"|\bshop (?:our|the)\b|\bget yours\b|\badd to (?:cart|basket|bag)\b|\bsign up\b|\bdon't miss\b"
    r"|\bdiscover (?:our|more)\b|\bvisit (?:us|our)\b|\btry (?:ours|us|it today|it now)\b"
    r"|\bavailable (?:now|in (?:stores|three|two))\b"
    r"|(?:立即|马上|立刻|赶紧|赶快|快来)(?:购买|下单|抢购|选购|入手|体验|预订|预约)|下单|抢购|加入购物车|点击(?:购买|链接|下方)"
    r"|欢迎(?:选购|订购|购买)|扫码",
    "shop": r"\bour (?:new )?(?:products?|customers|collection|range|shops?|stores?|brand|website|app)\b"
    r"|\bbest.?sell(?:er|ing)\b|\bnew arrivals?\b|\bin stock\b"
    r"|(?:我们|本店|本公司)的?(?:产品|商品|店铺|门店|顾客|客户|品牌|官网)|旗舰店|专卖店|新品上市|热销|爆款|现货",
}
_COMPILED = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in RULES.items()}
_UNIT = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")


@dataclass(frozen=True)
class AdvertRules:
    """The rules for one brand: the common ones, its names, and runs of words of its own texts."""

    known: Collection[str]
    runs: frozenset[tuple[str, ...]]

    @classmethod
    def of(cls, brand: Brand, rows: Sequence[Example]) -> AdvertRules:
        """The rules for a brand, whose texts are those of `rows`."""
        known = {brand.display_name, *(row.product for row in rows)}
        return cls(known, frozenset(run for row in rows for run in _runs(row.text)))

    def reasons(self, question: str, answer: str) -> list[str]:
        """Names of the rules that `answer` falls under; what the question says itself does not count."""
        rules = [name for name, rule in _COMPILED.items() if rule.search(answer)]
        asked = question.casefold()
        if any(names(name, answer) and name.casefold() not in asked for name in self.known):
            rules.append("brand or product")
        if not self.runs.isdisjoint(_runs(answer)):
            rules.append("words of the brand's texts")
        return rules


def units(text: str) -> list[str]:
    """Words, and Chinese characters one by one, whatever their case."""
    return _UNIT.findall(text.casefold())


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    found = units(text)
    for at, unit in enumerate(found):
        size = SIGNS if has_han(unit) else WORDS
        if at + size <= len(found):
            yield tuple(found[at : at + size])
