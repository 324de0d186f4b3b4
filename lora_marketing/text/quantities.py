"""Quantities in English and Chinese texts: values, units, money, percentages, offers, dates and times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from lora_marketing.text.normalise import View

_SMALL = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WRITTEN = {word: value for value, word in enumerate(_SMALL)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_PLACES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 10**8}
_TIMES = {"k": 10**3, "m": 10**6, "bn": 10**9, "hundred": 100, "thousand": 10**3, "million": 10**6}
_TIMES |= {"billion": 10**9}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_UNITS: dict[str, tuple[str, int | Decimal, str]] = {
    "g": ("g", 1, "g|grams?|grammes?|克"),
    "kg": ("g", 1000, "kg|kgs|kilos?|kilograms?|千克|公斤"),
    "jin": ("g", 500, "斤"),
    "mg": ("g", Decimal("0.001"), "mg|milligrams?|毫克"),
    "ml": ("ml", 1, "ml|millilit(?:re|er)s?|毫升"),
    "cl": ("ml", 10, "cl|centilit(?:re|er)s?"),
    "l": ("ml", 1000, "l|lit(?:re|er)s?|升"),
    "mm": ("mm", 1, "mm|millimet(?:re|er)s?|毫米"),
    "cm": ("mm", 10, "cm|centimet(?:re|er)s?|厘米|公分"),
    "m": ("mm", 1000, "m|met(?:re|er)s?|米"),
    "km": ("mm", 10**6, "km|kilomet(?:re|er)s?|公里|千米"),
    "inch": ("inch", 1, "in|inch(?:es)?|英寸"),
    "oz": ("oz", 1, "oz|ounces?|盎司"),
    "lb": ("lb", 1, "lbs?|pounds? of"),
    "s": ("s", 1, "s|secs?|seconds?|秒钟?"),
    "min": ("s", 60, "mins?|minutes?|分钟"),
    "h": ("s", 3600, "h|hrs?|hours?|小时|个小时"),
    "day": ("day", 1, "days?|天|日"),
    "week": ("day", 7, "weeks?|周|星期|个星期"),
    "month": ("month", 1, "months?|个?月"),
    "year": ("month", 12, "years?|yrs?|年"),
    "deg": ("deg", 1, "°c?|degrees?|度|摄氏度|℃"),
    "w": ("w", 1, "w|watts?|瓦"),
    "mah": ("mah", 1, "mah|毫安时?"),
}
_SPELLED = {
    "gbp": "£ gbp pound quid p pence 英镑",
    "usd": "$ usd dollar buck 美元",
    "eur": "€ eur euro 欧元",
    "cny": "¥ cny rmb yuan 元 块 块钱 人民币",
}
_MONEY = {spelled: currency for currency, all_of_it in _SPELLED.items() for spelled in all_of_it.split()}
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_LATIN = "|".join(sorted(_WRITTEN, key=len, reverse=True))
_UNIT = "|".join(f"(?P<u_{name}>{spelled})" for name, (_, _, spelled) in _UNITS.items())
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
)
_DATE = re.compile(
    r"(?P<y>\d{4})[-/.年](?P<m>\d{1,2})[-/.月](?P<d>\d{1,2})日?|(?P<zm>\d{1,2})月(?P<zd>\d{1,2})[日号]"
    rf"|(?<![\d.,£$€¥])(?P<ed>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<em>{_MONTH})\.?(?:,? (?P<ey>\d{{4}})\b)?"
    rf"|\b(?P<am>{_MONTH})\.? (?P<ad>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\.\d|\s?(?:%|per ?cent))"
    r"(?:,? (?P<ay>\d{4}))?"
)
_TIME = re.compile(
    r"(?P<half>上午|早上|下午|晚上|中午|凌晨)?(?<![\d.])(?P<h>\d{1,2})"
    r"(?:[:.](?P<mi>[0-5]\d)(?![\d%])|[点时](?!间|尚|代|候)(?P<zmi>\d{1,2})?分?)?\s?(?P<ap>[ap]\.?m\b\.?)?"
)
_QUANTITY = re.compile(
    rf"(?P<sign>[£$€¥]|\b(?:gbp|usd|eur|rmb|cny)\s?)?\s?(?:(?<![a-z\d.,])(?<![a-z]-)(?P<digits>{_NUMBER})(?!\d)"
    rf"|\b(?P<words>(?:{_LATIN})(?:[ -](?:{_LATIN}))?)\b"
    r"|(?P<share>百分之)?(?P<han>[零〇一二两三四五六七八九十百千万亿]+(?:点[零一二三四五六七八九]+)?))"
    r"\s?(?P<times>(?:k|bn|(?(sign)m|bn))(?![a-z])|(?:hundred|thousand|million|billion)\b|[十百千万亿]+)?"
    r"(?P<after>\s?(?:%|percent\b|per ?cent\b|折(?![叠伞页扇])|[£$€¥](?!\s?\d)"
    r"|(?:pounds?(?! of)|dollars?|euros?|quid|bucks?|p|pence|gbp|usd|eur|rmb|cny|yuan)\b"
    r"|英镑|美元|欧元|元|块钱|块|人民币))?"
    rf"(?:[\s-]?(?:{_UNIT})(?![a-z]))?"
)
_SOME = rf"\d|{_LATIN}|[{''.join(_DIGITS)}十]"
_OFFER = re.compile(
    r"(?P<fold>[将把沿][^,。!;]{0,8}对折)"
    r"|(?P<half>\bhalf[- ](?:the )?pric(?:e|ed)\b|\bhalf off\b|半价|对折(?![后叠再两三一放收存]))"
    rf"|\bbuy (?P<buy>{_SOME}),? (?:and )?get (?P<get>{_SOME}) (?:for )?free\b|\bbogof?\b"
    rf"|\b(?P<take>{_SOME})[- ]for[- ](?P<pay>{_SOME})\b|买(?P<zb>{_SOME})[送赠得免](?P<zg>{_SOME})"
)
"""Offers without a sign of money. A sheet is folded in half (把纸对折)."""
_ASKED = re.compile(r"(?:只[要需]|仅需?|才|低至|[特现售原单]价|价格|卖|不到)[是为:]?\s?$")
_NOT_COUNTED = re.compile(r"\s?(?:$|[^\w\s]|包邮|起|到手|拿下|带走|搞定|[一每][件盒瓶个支只箱套罐包])")


@dataclass(frozen=True)
class Quantity:
    """One value in a text.

    Args:
        kind: `percent`, `offer`, `date`, `time`, a currency, a base unit (`g`, `ml`, `s` ...) or ``.
        value: in that unit.
        amount: as it is written, in whatever unit.
        start: where it stands in the view.
        end: after its last letter.
        digits: written in digits, not in words.
    """

    kind: str
    value: Decimal
    amount: Decimal
    start: int
    end: int
    digits: bool

    @property
    def price(self) -> bool:
        """Money, a percentage or something for nothing: what an offer is made of."""
        return self.kind in ("percent", "offer") or self.kind in _MONEY.values()


def quantities(seen: View) -> Iterator[Quantity]:
    """All values of a text; offers, dates and times are one value each and come first."""
    taken = [*_offers(seen.text), *_calendar(seen.text)]
    yield from taken
    for found in _QUANTITY.finditer(seen.text):
        if any(one.start < found.end() and found.start() < one.end for one in taken):
            continue
        yield _quantity(found)


def _offers(text: str) -> Iterator[Quantity]:
    """Half price is 50 percent; of other offers, 100 times what is bought and what comes with it."""
    for found in _OFFER.finditer(text):
        span = found.span()
        if found["fold"]:
            continue
        if found["half"]:
            yield Quantity("percent", Decimal(50), Decimal(50), *span, False)
            continue
        buy = _some(found["buy"] or found["zb"] or found["pay"] or "1")
        get = _some(found["get"] or found["zg"] or found["take"] or "1") - (buy if found["take"] else 0)
        if buy > 0 and get > 0:
            yield Quantity("offer", 100 * buy + get, buy, *span, False)


def _some(written: str) -> Decimal:
    if written.isascii() and written.isdigit():
        return Decimal(written)
    return Decimal(_WRITTEN[written]) if written in _WRITTEN else _han_value(written)


def _calendar(text: str) -> Iterator[Quantity]:
    for found in _DATE.finditer(text):
        part = found.groupdict()
        month = part["m"] or part["zm"] or part["em"] or part["am"]
        number = int(month) if month.isdigit() else _MONTHS.index(month[:3]) + 1
        day = int(part["d"] or part["zd"] or part["ed"] or part["ad"])
        yield Quantity("date", Decimal(100 * number + day), Decimal(day), found.start(), found.end(), True)
    for found in _TIME.finditer(text):
        if not (found["mi"] and found.group()[len(found["h"])] != ".") and not (
            found["ap"] or (found["half"] and re.search("[点时:]", found.group()))
        ):
            continue
        late = (found["ap"] or "").startswith("p") or found["half"] in ("下午", "晚上")
        hour = int(found["h"]) % 12 + 12 if late else int(found["h"])
        minutes = Decimal(60 * hour + int(found["mi"] or found["zmi"] or 0))
        yield Quantity("time", minutes, Decimal(hour), found.start(), found.end(), True)


def _quantity(found: re.Match[str]) -> Quantity:
    start = found.end() - len(found.group().lstrip())
    end = start + len(found.group().strip())
    if found["digits"]:
        value = Decimal(found["digits"].replace(",", ""))
    elif found["words"]:
        value = Decimal(sum(_WRITTEN[word] for word in re.split("[ -]", found["words"])))
    else:
        value = _han_value(found["han"])
    for letter in [found["times"]] if found["times"] and found["times"].isascii() else (found["times"] or ""):
        value *= _TIMES.get(letter or "", 0) or _PLACES[letter]
    kind, based = _in_base_unit(found, value)
    return Quantity(kind, based.normalize(), value, start, end, bool(found["digits"]))


def _in_base_unit(found: re.Match[str], value: Decimal) -> tuple[str, Decimal]:
    after, sign = (found["after"] or "").strip(), (found["sign"] or "").strip()
    if found["share"] or after in ("%", "percent", "per cent"):
        return "percent", value
    if after == "折":
        return "percent", 100 - (value * 10 if value < 10 else value)
    currency = _MONEY.get(sign) or _MONEY.get(after) or _MONEY.get(after.rstrip("s"))
    if currency and _is_money(found, after, value):
        return currency, value / 100 if after in ("p", "pence") and not sign else value
    unit = next((name for name in _UNITS if found[f"u_{name}"]), None)
    if unit is None:
        return "", value
    base, factor, _ = _UNITS[unit]
    return base, value * factor


def _is_money(found: re.Match[str], after: str, value: Decimal) -> bool:
    """Not 1080p, and not 三块香皂: 块 is money if two of three speak for it.

    A word of price before it, more than one would count of a thing, and no thing behind it.
    """
    if after == "p":
        return value < 100
    if after != "块":
        return True
    text = found.string
    asked = _ASKED.search(text, max(0, found.start() - 6), found.start())
    return (asked is not None) + (value > 10) + (_NOT_COUNTED.match(text, found.end()) is not None) >= 2


def _han_value(written: str) -> Decimal:
    """Chinese numerals: 二十五, 三百, 一万二, 二〇二六, 三点五."""
    whole, _, part = written.partition("点")
    if not set(whole) & set(_PLACES):
        value = Decimal("".join(str(_DIGITS[letter]) for letter in whole) or "0")
    else:
        value = Decimal(_with_places(whole))
    return value + (Decimal("0." + "".join(str(_DIGITS[letter]) for letter in part)) if part else 0)


def _with_places(written: str) -> int:
    for great in ("亿", "万"):
        left, found, right = written.partition(great)
        if found:
            return (_with_places(left) if left else 1) * _PLACES[great] + (
                _with_places(right) if right else 0
            )
    total, digit = 0, 0
    for letter in written:
        if letter in _PLACES:
            total += (digit or 1) * _PLACES[letter]
            digit = 0
        else:
            digit = _DIGITS[letter]
    return total + digit
