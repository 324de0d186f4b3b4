"""Finds quantities in English and Chinese texts: numbers, units, money, percentages, offers, dates, times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import prod

from lora_marketing.text.normalise import View

_SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_SMALL += " sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WRITTEN = {word: value for value, word in enumerate(_SMALL.split(" "))}
_WRITTEN |= {word: 10 * value for value, word in enumerate(_TENS.split(" "), start=2)}
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_PLACES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 10**8}
_TIMES = {"k": 10**3, "m": 10**6, "bn": 10**9, "hundred": 100, "thousand": 10**3, "million": 10**6}
_TIMES |= {"billion": 10**9}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True)
class Measure:
    """A unit of measurement.

    Args:
        base: the base unit that its quantities are converted to.
        factor: how many of `base` one of it is.
        names: every way to write it, as spelled in a `View`.
    """

    base: str
    factor: Decimal
    names: tuple[str, ...]


def _unit(base: str, factor: str, names: str) -> Measure:
    return Measure(base, Decimal(factor), tuple(name.replace("_", " ") for name in names.split(" ")))


UNITS = (
    _unit("g", "0.001", "mg milligram milligrams 毫克"),
    _unit("g", "1", "g gram grams gramme grammes 克"),
    _unit("g", "500", "斤"),
    _unit("g", "1000", "kg kgs kilo kilos kilogram kilograms 千克 公斤"),
    _unit("ml", "1", "ml millilitre millilitres milliliter milliliters 毫升"),
    _unit("ml", "10", "cl centilitre centilitres centiliter centiliters"),
    _unit("ml", "1000", "l litre litres liter liters 升"),
    _unit("mm", "1", "mm millimetre millimetres millimeter millimeters 毫米"),
    _unit("mm", "10", "cm centimetre centimetres centimeter centimeters 厘米 公分"),
    _unit("mm", "1000", "m metre metres meter meters 米"),
    _unit("mm", "1000000", "km kilometre kilometres kilometer kilometers 公里 千米"),
    _unit("inch", "1", "in inch inches 英寸"),
    _unit("oz", "1", "oz ounce ounces 盎司"),
    _unit("lb", "1", "lb lbs pound_of pounds_of"),
    _unit("s", "1", "s sec secs second seconds 秒 秒钟"),
    _unit("s", "60", "min mins minute minutes 分钟"),
    _unit("s", "3600", "h hr hrs hour hours 小时 个小时"),
    _unit("day", "1", "day days 天 日"),
    _unit("day", "7", "week weeks 周 星期 个星期"),
    _unit("month", "1", "month months 月 个月"),
    _unit("month", "12", "year years yr yrs 年"),
    _unit("deg", "1", "° °c degree degrees 度 摄氏度"),
    _unit("w", "1", "w watt watts 瓦"),
    _unit("mah", "1", "mah 毫安 毫安时"),
)
"""Every unit that is known; units with the same base can be converted into each other."""
_UNIT_OF = {name: unit for unit in UNITS for name in unit.names}
MONEY = {
    "gbp": ("£", "gbp", "pound", "pounds", "quid", "p", "pence", "英镑"),
    "usd": ("$", "usd", "dollar", "dollars", "buck", "bucks", "美元"),
    "eur": ("€", "eur", "euro", "euros", "欧元"),
    "cny": ("¥", "cny", "rmb", "yuan", "元", "块", "块钱", "人民币"),
}
"""Every way to write a currency, as spelled in a `View`."""
PENCE = ("p", "pence")
_CURRENCY = {name: currency for currency, names in MONEY.items() for name in names}


def _any_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))


_SIGNS = "".join(names[0] for names in MONEY.values())
_CODES = _any_of(name for name in _CURRENCY if name.isascii() and len(name) == 3)
_COINS = _any_of(name for name in _CURRENCY if name.isascii() and name not in _SIGNS)
_COINS_ZH = _any_of(name for name in _CURRENCY if not name.isascii() and name not in _SIGNS)
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\.)\.\d+"
_LATIN = "|".join(sorted(_WRITTEN, key=len, reverse=True))
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
)
_DATE = re.compile(
    r"(?P<y>\d{4})[-/.年](?P<m>\d{1,2})[-/.月](?P<d>\d{1,2})日?|(?P<zm>\d{1,2})月(?P<zd>\d{1,2})[日号]"
    rf"|(?<![\d£$€¥])(?<!\d[.,])(?P<ed>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<em>{_MONTH})\.?"
    r"(?:,? (?P<ey>\d{4})\b)?"
    rf"|\b(?P<am>{_MONTH})\.? (?P<ad>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\.\d|\s?(?:%|per ?cent))"
    r"(?:,? (?P<ay>\d{4}))?"
)
_TIME = re.compile(
    r"(?P<half>上午|早上|下午|晚上|中午|凌晨)?(?<![\d.])(?P<h>\d{1,2})"
    r"(?:[:.](?P<mi>[0-5]\d)(?![\d%])|[点时](?!间|尚|代|候)(?P<zmi>\d{1,2})?分?)?\s?(?P<ap>[ap]\.?m\b\.?)?"
)
_QUANTITY = re.compile(
    rf"(?P<sign>[{_SIGNS}]|\b(?:{_CODES})\s?)?\s?(?:(?<![a-z\d])(?<!\d[.,])(?<![a-z]-)(?P<digits>{_NUMBER})(?!\d)"
    rf"|\b(?P<words>(?:{_LATIN})(?:[ -](?:{_LATIN}))?)\b"
    r"|(?P<share>百分之)?(?P<han>[零〇一二两三四五六七八九十百千万亿]{1,40}(?:点[零一二三四五六七八九]{1,20})?))"
    r"\s?(?P<times>(?:k|bn|(?(sign)m|bn))(?![a-z])|(?:hundred|thousand|million|billion)\b|[十百千万亿]{1,4})?"
    rf"(?P<after>\s?(?:%|percent\b|per ?cent\b|折(?![叠伞页扇])|[{_SIGNS}](?!\s?\d)"
    rf"|(?!pounds? of\b)(?:{_COINS})\b|{_COINS_ZH}))?"
    rf"(?(after)|(?:[\s-]?(?P<unit>{_any_of(_UNIT_OF)})(?![a-z]))?)"
)
_SOME = rf"\d|{_LATIN}|[{''.join(_DIGITS)}十]"
_OFFER = re.compile(
    r"(?P<fold>[将把沿][^,。!;]{0,8}对折)"
    r"|(?P<half>\bhalf[- ](?:the )?pric(?:e|ed)\b|\bhalf off\b|半价|对折(?![后叠再两三一放收存]))"
    rf"|\bbuy (?P<buy>{_SOME}),? (?:and )?get (?P<get>{_SOME}) (?:for )?free\b|\bbogof?\b"
    rf"|\b(?P<take>{_SOME})[- ]for[- ](?P<pay>{_SOME})\b|买(?P<zb>{_SOME})[送赠得免](?P<zg>{_SOME})"
)
"""Offers in words. `fold` is no offer: something is folded in half (把纸对折)."""
_ASKED = re.compile(r"(?:只[要需]|仅需?|才|低至|[特现售原单]价|价格|卖|不到)[是为:]?\s?$")
_NOT_COUNTED = re.compile(r"\s?(?:$|[^\w\s]|包邮|起|到手|拿下|带走|搞定|[一每][件盒瓶个支只箱套罐包])")


@dataclass(frozen=True)
class Quantity:
    """One value in a text.

    Args:
        kind: `percent`, `offer`, `date`, `time`, a currency, a base unit (`g`, `ml`, `s` ...), or empty for a
            number without a unit.
        value: the value in the base unit of its kind. Dates are 100 * month + day, times are minutes.
        amount: the number as it is written, in its own unit.
        start: index of its first letter in the view.
        end: index after its last letter in the view.
        digits: True if it is written in digits, False if in words.
    """

    kind: str
    value: Decimal
    amount: Decimal
    start: int
    end: int
    digits: bool

    @property
    def price(self) -> bool:
        """Whether it is a part of an offer: money, a percentage, or something for free."""
        return self.kind in ("percent", "offer") or self.kind in MONEY

    def says(self, given: Quantity) -> bool:
        """Whether this quantity states `given`: the same value of the same kind, in any unit.

        Where `given` has no unit (`seats: 3`), the same number is enough, with any unit.
        """
        if not given.kind:
            return self.amount == given.amount
        return (self.kind, self.value) == (given.kind, given.value)


def quantities(seen: View) -> list[Quantity]:
    """All quantities of a text in order, without overlaps. An offer, a date or a time is one quantity."""
    phrases = sorted((*_offers(seen.text), *_calendar(seen.text)), key=lambda quantity: quantity.start)
    found: list[Quantity] = []
    numbers = _QUANTITY.finditer(seen.text)
    number = next(numbers, None)
    for phrase in phrases:
        while number and number.start() < phrase.end:
            if number.end() <= phrase.start:
                found.append(_quantity(number))
            number = next(numbers, None)
        if not found or found[-1].end <= phrase.start:
            found.append(phrase)
    if number:
        found.append(_quantity(number))
    return found + [_quantity(number) for number in numbers]


def _offers(text: str) -> Iterator[Quantity]:
    """Offers: half price is 50 percent; the value of others is 100 * (number bought) + (number free)."""
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
    """Dates, and times of the day."""
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
        hour, half = int(found["h"]), (found["ap"] or "")[:1] or found["half"]
        if half in ("p", "下午", "晚上"):
            hour = hour % 12 + 12
        elif half in ("a", "凌晨"):
            hour %= 12
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
    value *= _times(found["times"] or "", value)
    kind, based = _in_base_unit(found, value)
    return Quantity(kind, based.normalize(), value, start, end, bool(found["digits"]))


def _times(written: str, value: Decimal) -> int:
    """The factor of a number (`5k`, `2 million`, `3千万`). In 2700K, `k` is kelvin and the factor is 1."""
    if written == "k" and value >= 1000:
        return 1
    return _TIMES.get(written) or prod(_PLACES[letter] for letter in written)


def _in_base_unit(found: re.Match[str], value: Decimal) -> tuple[str, Decimal]:
    after, sign = (found["after"] or "").strip(), (found["sign"] or "").strip()
    if found["share"] or after in ("%", "percent", "per cent"):
        return "percent", value
    if after == "折":
        return "percent", 100 - (value * 10 if value <= 10 else value)
    currency = _CURRENCY.get(sign) or _CURRENCY.get(after)
    if currency and _is_money(found, after, value):
        return currency, value / 100 if after in PENCE and not sign else value
    unit = _UNIT_OF.get(found["unit"] or "")
    return (unit.base, value * unit.factor) if unit else ("", value)


def _is_money(found: re.Match[str], after: str, value: Decimal) -> bool:
    """Whether a currency behind a number means money, which it does not in 1080p and 三块香皂.

    块 is money if two of three hold: a word about price is before it, the number is larger than 10, and no
    counted thing follows.
    """
    if after == "p":
        return value < 100
    if after != "块":
        return True
    text = found.string
    asked = _ASKED.search(text, max(0, found.start() - 6), found.start())
    return (asked is not None) + (value > 10) + (_NOT_COUNTED.match(text, found.end()) is not None) >= 2


def _han_value(written: str) -> Decimal:
    """The value of a Chinese numeral: 二十五, 三百五 (350), 一万二 (12000), 二〇二六, 三点五."""
    whole, _, part = written.partition("点")
    if not set(whole) & set(_PLACES):
        value = Decimal("".join(str(_DIGITS[letter]) for letter in whole) or "0")
    else:
        value = Decimal(_with_places(whole))
    return value + (Decimal("0." + "".join(str(_DIGITS[letter]) for letter in part)) if part else 0)


def _with_places(written: str) -> int:
    """The value of a Chinese integer; a last digit counts the next lower place (三百五 is 350)."""
    for great in ("亿", "万"):
        left, found, right = written.partition(great)
        if found:
            above = (_with_places(left) if left else 1) * _PLACES[great]
            if len(right) == 1 and _DIGITS.get(right):
                return above + _DIGITS[right] * _PLACES[great] // 10
            return above + (_with_places(right) if right else 0)
    total, digit, place = 0, 0, 1
    for letter in written:
        if letter in _PLACES:
            place = _PLACES[letter]
            total += (digit or 1) * place
            digit = 0
        else:
            digit, place = _DIGITS[letter], place if _DIGITS[letter] else 1
    return total + digit * max(1, place // 10)
