"""Quantities in English, German and Chinese: units, money, offers, dates, times, ratings, phones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from lora_marketing.text.dates import moments, weekday_of
from lora_marketing.text.normalise import View
from lora_marketing.text.numbers import (
    ENGLISH,
    ENGLISH_WORDS,
    GERMAN_WORDS,
    HAN_DIGITS,
    HAN_NUMERALS,
    digits_value,
    english_value,
    german_value,
    han_value,
    in_digits,
    times,
)
from lora_marketing.text.regions import ANYWHERE, Region
from lora_marketing.text.units import BASES, CURRENCY_OF, MONEY, MONTH, PENCE, TIME, UNIT_OF

ROUNDED = Decimal("0.025")
"""How far 12 inches and 30 cm may be apart, as a share."""


def _any_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))


_SIGNS = "".join(names[0] for names in MONEY.values() if len(names[0]) == 1)
_PREFIXED = _any_of(name for name in CURRENCY_OF if len(name) > 1 and name[-1] in "$¥")
_CODES = _any_of(
    [name for name in CURRENCY_OF if name.isalpha() and name.isascii() and len(name) == 3]
    + ["kr", "rs", "zl", "kc"]
)
_COINS = _any_of(name for name in CURRENCY_OF if name.isalpha() and name.isascii())
_COINS_ZH = _any_of(name for name in CURRENCY_OF if not name.isascii() and name.isalpha())
_UNITS = _any_of(UNIT_OF).replace("|in|", r"|in(?![\s-]+\w)|")
_HALVED_WORDS = "hours?|litres?|liters?|kilos?|years?|days?|minutes?|miles?|pounds?|millions?"
_HALVED = "(?:[年月天日斤升米吨]|小时|公斤|公里|分钟)"
_GREAT_WORDS = r"hundred|thousand|million|billion|dozen|lakhs?|crore|dutzend|mio|millionen|tausend"


@cache
def _number_pattern(decimal_comma: bool, german: bool) -> re.Pattern[str]:
    halved = f"half an? (?=dozen|{_HALVED_WORDS})|halbe[snr]? (?=jahr|stunde|liter)"
    words = f"{halved}|a (?=dozen)|ein (?=dutzend)|{ENGLISH_WORDS}" + (f"|{GERMAN_WORDS}" if german else "")
    return re.compile(
        rf"(?P<sign>(?:(?<![a-z])(?:{_PREFIXED})|[{_SIGNS}]|\b(?:{_CODES})\.?\s?))?\s?"
        rf"(?:(?(sign)"
        rf"|(?<![a-z\d])(?<!\d[.,])(?<![a-z]-))(?P<digits>{in_digits(decimal_comma)})(?!\d)(?:,[-–—]+)?"
        rf"|\b(?P<words>{words})(?:(?<= )|\b)"
        rf"|(?P<share>百分之)?(?P<han>[{HAN_DIGITS}十]{{1,3}}个半(?=小时|月|钟头)"
        rf"|[{HAN_NUMERALS}]{{1,40}}(?:点[{HAN_DIGITS}]{{1,20}})?|半(?=个?{_HALVED})))"
        rf"\s?(?P<times>(?:k|bn|(?(sign)m|bn))(?![a-z])|(?:{_GREAT_WORDS})\b"
        rf"|[十百千万亿]{{1,4}}(?![卡焦]))?"
        rf"(?P<some>[多余](?=[元块个天年月日斤升米克件人名]))?"
        rf"(?P<after>\s?(?:%|percent\b|per ?cent\b|prozent\b|折(?![叠伞页扇])|[{_SIGNS}](?!\s?\d)"
        rf"|(?:{_PREFIXED})(?!\s?\d)"
        rf"|(?!pounds? of\b)(?:{_COINS})\b|{_COINS_ZH}))?"
        rf"(?P<cents>(?<=块)[1-9一二三四五六七八九](?![{HAN_NUMERALS}\d块个元折克盒件])"
        rf"|(?<=pounds|ollars|.euros)\s(?(words)(?:{ENGLISH_WORDS})\b))?"
        rf"(?(after)|(?:[\s-]?(?:working |business )?(?P<unit>{_UNITS})(?![a-z]))?)"
    )


_LATIN = "|".join(sorted(ENGLISH, key=len, reverse=True))
_SOME = rf"\d|{_LATIN}|[{HAN_DIGITS}十]"
_PARTS = {
    "half": 50,
    "halb": 50,
    "third": 33,
    "drittel": 33,
    "quarter": 25,
    "viertel": 25,
    "fifth": 20,
    "tenth": 10,
}
_HAN_VALUE = rf"\d{{1,6}}|[{HAN_NUMERALS}]{{1,8}}"
_OFFER = re.compile(
    r"(?P<fold>[将把沿][^,。!;]{0,8}对折)|(?P<second>第[二2][件份杯个](?P<second_at>半价|0元|免费"
    r"|[一二三四五六七八九\d]折)"
    r"|\bbuy (?:one|1),? (?:and )?get (?:one|1) (?:at |for )?half(?: the)? price\b"
    r"|\b(?:second|2nd|zweite[rnms]?)(?: \w{1,12}){0,2} (?:at |for |zum )?(?:half(?: the)? price"
    r"|halben preis)\b)"
    r"|(?P<half>\bhalf[- ](?:the )?pric(?:e|ed)\b|\bhalf off\b|\bhalbe[rn]? preis\b|半价"
    r"|对折(?![后叠再两三一放收存]))"
    r"|\b(?:an? |one[- ]|ein |(?P<many>two[- ]|zwei |three[- ]|drei ))?(?P<part>third|quarter|fifth"
    r"|tenth|drittel|viertel)s? (?:off|less|cheaper"
    r"|gunstiger|rabatt|reduced)\b"
    r"|(?:(?<=discount: )|(?<=rabatt: ))(?:an? |one[- ]|ein )?(?P<named>half|third|quarter|fifth|tenth"
    r"|drittel|viertel)\b"
    rf"|\bbuy (?P<buy>{_SOME}),? (?:and )?get (?P<get>{_SOME}) (?:for )?free\b|\bbogof?\b"
    rf"|\b(?P<take>{_SOME})[- ](?:for|fur)[- ](?:the price of )?(?P<pay>{_SOME})\b(?!\s?[%£$€])"
    rf"|\bkauf (?P<kauf>{_SOME}),? zahl (?P<zahl>{_SOME})\b"
    rf"|买(?P<zb>{_SOME})[送赠得免](?P<zg>{_SOME})"
    rf"|满(?P<spend>{_HAN_VALUE})(?P<yuan>元?)[^,。!;\d{HAN_NUMERALS}]{{0,4}}[减省返立降](?P<less>{_HAN_VALUE})(?:元(?!素))?"
)
"""Offers without a sign of money. A sheet is folded in half (把纸对折)."""
_FREE = re.compile(
    r"\b(?:is|are|ships?|comes?) free(?= (?:on|over|from|above|for) )|"
    r"\bfree (?:\w{2,12} |next[- ]day )?(?:delivery|shipping|postage)\b"
    r"|\b(?:delivery|shipping|postage)(?: is|:) free\b"
    r"|\b(?:kostenlose[rn]?|gratis|kostenfreie[rn]?) (?:versand|lieferung)\b"
    r"|\bversand(?:kosten)?(?: ist|:)? ?(?:kosten)?(?:frei|los|gratis)\b"
    r"|包邮|免运费|免邮费?"
)
"""Delivery for nothing."""
_RATING = re.compile(
    r"(?<![\d.,/])(?P<of>(?:10|\d)(?:[.,]\d{1,2})?)\s?(?:/|out of|von|(?:颗)?星[,/]?满分)\s?(?:5"
    r"|10)(?!\.?\d|[/%])(?:\s?(?:stars?|sternen?)\b)?"
    r"|(?<![\d.,/])(?P<stars>\d(?:[.,]\d{1,2})?)(?:[ -]?(?:stars?|sternen?)\b|颗?星(?!期|球|星|空|座"
    r"|光))|(?<![\d.,])(?P<fen>\d\.\d)分"
)
_PHONE = re.compile(
    r"(?<![a-z\d.,/+-])(?:(?P<plus>\+|00)\d{1,3}[ -]?)?(?:\(\d{1,5}\)|\d{2,5})(?:[ /-]{1,2}\d{2,5}"
    r"|\d){1,8}(?![a-z\d/]|[.,]\d)"
)
_CALLED = re.compile(
    r"(?:\b(?:call|ring|phone|tel|telephone|dial|text|telefon|ruf\w*|whatsapp|mobile|hotline)\b|电话"
    r"|热线|致电|拨打|手机)[^\d]{0,20}$"
)
_SHAPED = re.compile(r"\+|00|0\d|\(|1[3-9]\d{9}$|\d{3}-\d{4}$|\d{3}-\d{3}-\d{4}$|[48]00-?\d{3}-?\d{4}$")
_ASKED = re.compile(r"(?:只[要需]|仅需?|才|低至|[特现售原单]价|价格|卖|不到)[是为:]?\s?$")
_PRICED = re.compile(r"(?:仅需|只[要需]|仅售|(?<!评)价|到手价?|券后价?)[是为:]?\s?$")
_NOT_COUNTED = re.compile(r"\s?(?:$|[^\w\s]|包邮|起|到手|拿下|带走|搞定|[一每][件盒瓶个支只箱套罐包])")
_YEAR = re.compile(
    r"(?:\b(?:since|in|est|established|founded|seit|from|anno|jahr|year|gegrundet|grundung|until|bis)"
    r"|始于|[创成]立于?|自|年份)\W{0,2}$"
)


@dataclass(frozen=True)
class Quantity:
    """One value in a text.

    Args:
        kind: `percent`, `offer`, `date`, `time`, `year`, `rating`, `phone`, `free` (delivery), a
            currency, a base unit (`g`, `ml`, `s` ...) or ``.
        value: in that unit.
        amount: as it is written, in whatever unit.
        start: where it stands in the view.
        end: after its last letter.
        digits: written in digits, not in words.
        year: of a date, if it is said.
        weekday: of a date, if it is said; 0 is Monday.
        role: what its own words make of it: `discount`, `threshold`, `second` (half price on it) or ``.
        imperial: whether its unit is; a metric one says the same when rounded.
    """

    kind: str
    value: Decimal
    amount: Decimal
    start: int
    end: int
    digits: bool
    year: int | None = None
    weekday: int | None = None
    role: str = ""
    imperial: bool = False

    @property
    def price(self) -> bool:
        """Whether it is a part of an offer: money, a percentage, or something for free."""
        return self.kind in ("percent", "offer") or self.kind in MONEY

    def says(self, given: Quantity) -> bool:
        """Whether this quantity states `given`: the same value of the same kind, in any unit.

        Where `given` names no unit (`seats: 3`), the number is enough, whatever unit the text adds.
        A year or a weekday may be left out, but not be another one.
        """
        if not given.kind:
            return self.amount == given.amount
        if self.kind != given.kind:
            return {self.kind, given.kind} == TIME and _same_months(self, given)
        if self.kind == "phone":
            return _same_phone(self.value, given.value)
        if self.imperial != given.imperial:
            return abs(self.value - given.value) <= ROUNDED * abs(given.value)
        return self.value == given.value and (self.kind != "date" or self._same_day(given))

    def _same_day(self, given: Quantity) -> bool:
        if None not in (self.year, given.year) and self.year != given.year:
            return False
        year = given.year or self.year
        days = {one.weekday for one in (self, given)} - {None}
        return len(days) < 2 and not (
            days and year and weekday_of(year, int(given.value)) not in (*days, None)
        )


def _same_months(one: Quantity, other: Quantity) -> bool:
    """Ninety days are three months, as people count."""
    seconds, months = (one, other) if one.kind == "s" else (other, one)
    return abs(seconds.value - MONTH * months.value) <= ROUNDED * MONTH * months.value


def _same_phone(one: Decimal, other: Decimal) -> bool:
    """Local, national and international forms of a number end alike."""
    short, long = sorted((f"{one:f}", f"{other:f}"), key=len)
    return short == long or (len(short) >= 7 and long.endswith(short))


def quantities(seen: View, region: Region = ANYWHERE) -> list[Quantity]:
    """All values of a text in order, none of them inside another. Offers, dates, times are one each."""
    whole = sorted(_whole(seen.text, region), key=lambda quantity: quantity.start)
    found: list[Quantity] = []
    numbers = _number_pattern(region.decimal_comma, region.language == "de").finditer(seen.text)
    number = next(numbers, None)
    for one in whole:
        while number and number.start() < one.end:
            if number.end() <= one.start:
                found.append(_quantity(number, region))
            number = next(numbers, None)
        if not found or found[-1].end <= one.start:
            found.append(one)
    if number:
        found.append(_quantity(number, region))
    return found + [_quantity(number, region) for number in numbers]


def _whole(text: str, region: Region) -> Iterator[Quantity]:
    """What is more than a number with a unit; of two that begin together the first."""
    yield from _offers(text, region)
    for one in moments(text, region):
        amount = Decimal(one.amount)
        yield Quantity(one.kind, Decimal(one.value), amount, one.start, one.end, True, one.year, one.weekday)
    for found in _RATING.finditer(text):
        value = Decimal((found["of"] or found["stars"] or found["fen"]).replace(",", "."))
        yield Quantity("rating", value.normalize(), value, *found.span(), True)
    yield from _phones(text)
    for found in _FREE.finditer(text):
        yield Quantity("free", Decimal(0), Decimal(0), *found.span(), False)


def _phones(text: str) -> Iterator[Quantity]:
    for found in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", found.group().replace("(0)", ""))
        called = _CALLED.search(text, max(0, found.start() - 40), found.start())
        if (5 if called else 7) <= len(digits) <= 15 and (called or _SHAPED.match(found.group())):
            value = Decimal(digits.lstrip("0") or "0")
            yield Quantity("phone", value, value, *found.span(), True)


def _offers(text: str, region: Region) -> Iterator[Quantity]:
    """Half price is 50 percent; of other offers, 100 times what is bought and what comes with it."""
    for found in _OFFER.finditer(text):
        span = found.span()
        if found["fold"]:
            continue
        if found["half"] or found["part"] or found["named"]:
            part = Decimal(_PARTS[found["part"] or found["named"] or "half"])
            part = 100 - part if found["many"] else part  # two thirds, three quarters
            yield Quantity("percent", part, part, *span, False, role="discount")
            continue
        if found["second"]:
            saved = _saved_on_the_second(found["second_at"] or "半价")
            yield Quantity("percent", saved, saved, *span, False, role="second")
            continue
        if found["spend"]:
            for name, role in (("spend", "threshold"), ("less", "discount")):
                value = _some(found[name])
                start, end = found.span(name)
                ends = found.end() if name == "less" else end + len(found["yuan"])
                yield Quantity(
                    "cny", value, value, span[0] if name == "spend" else start, ends, True, role=role
                )
            continue
        buy = _some(found["buy"] or found["zb"] or found["pay"] or found["zahl"] or "1")
        taken = found["take"] or found["kauf"]
        get = _some(found["get"] or found["zg"] or taken or "1") - (buy if taken else 0)
        if buy > 0 and get > 0:
            yield Quantity("offer", 100 * buy + get, buy, *span, False)


def _saved_on_the_second(price: str) -> Decimal:
    if price.endswith("折"):
        return 100 - 10 * _some(price[0])
    return Decimal(50 if price == "半价" else 100)


def _some(written: str) -> Decimal:
    if written.isascii() and written.isdigit():
        return Decimal(written)
    return Decimal(ENGLISH[written]) if written in ENGLISH else han_value(written)


def _quantity(found: re.Match[str], region: Region) -> Quantity:
    start = found.end() - len(found.group().lstrip())
    end = start + len(found.group().strip())
    if found["digits"]:
        value = digits_value(found["digits"], region.decimal_comma)
    elif found["words"]:
        value = _in_words(found["words"])
    else:
        value = han_value(found["han"])
    value *= times(found["times"] or "", value)
    if found["cents"]:
        value += _in_cents(found["cents"].strip())
    kind, based = _in_base_unit(found, value, region)
    if kind == "" and _is_year(found, value):
        kind = "year"
    if kind == "" and _is_bare_price(found):
        kind = region.yuan
    role = "discount" if (found["after"] or "").strip() == "折" else ""
    imperial = kind in BASES and _is_imperial(found)
    return Quantity(
        kind, based.normalize(), value, start, end, bool(found["digits"]), role=role, imperial=imperial
    )


def _is_imperial(found: re.Match[str]) -> bool:
    unit = UNIT_OF.get(found["unit"] or "lb")
    return unit is not None and unit.imperial


def _in_words(written: str) -> Decimal:
    if written.strip() in ("a", "ein"):
        return Decimal(1)
    if written.startswith("hal"):
        return Decimal("0.5")
    first = re.split("[ ,-]", written)[0]
    return english_value(written) if first in ENGLISH else german_value(written)


def _in_cents(written: str) -> Decimal:
    """Eighteen pounds fifty; 九块九 is 9.90."""
    return _some(written) / 10 if len(written) == 1 else english_value(written) / 100


def _is_year(found: re.Match[str], value: Decimal) -> bool:
    written = found["digits"] or ""
    if not (written.isdigit() and len(written) == 4 and 1800 <= value < 2100) or found["times"]:
        return False
    start = found.start("digits")
    return _YEAR.search(found.string, max(0, start - 20), start) is not None


def _is_bare_price(found: re.Match[str]) -> bool:
    """仅需199: a price of which everybody knows the currency."""
    text = found.string
    asked = _PRICED.search(text, max(0, found.start() - 6), found.start())
    return asked is not None and _NOT_COUNTED.match(text, found.end()) is not None


def _in_base_unit(found: re.Match[str], value: Decimal, region: Region) -> tuple[str, Decimal]:
    after, sign = (found["after"] or "").strip(), (found["sign"] or "").strip(" .")
    if found["share"] or after in ("%", "percent", "per cent", "prozent"):
        return "percent", value
    if after == "折":
        return "percent", 100 - (value * 10 if value <= 10 else value)
    if after in ("pound", "pounds") and region.pounds_weigh and not found["cents"]:
        return "g", value * UNIT_OF["lb"].factor
    currency = _currency(sign, region) or _currency(after, region)
    if currency and _is_money(found, after, value):
        return currency, value / 100 if after in PENCE and not sign else value
    name = found["unit"] or ""
    if name == "年" and (found["digits"] or "").isdigit() and 1800 <= value < 2100:
        return "year", value
    unit = UNIT_OF.get(name)
    return (unit.base, value * unit.factor) if unit else ("", value)


def _currency(name: str, region: Region) -> str | None:
    if name in ("$", "dollar", "dollars"):
        return region.dollar
    if name == "kr":
        return region.crown
    if name == "元" or (name == "¥" and region.yuan == "jpy"):
        return region.yuan
    return CURRENCY_OF.get(name)


def _is_money(found: re.Match[str], after: str, value: Decimal) -> bool:
    """Whether a currency behind a number means money, which it does not in 1080p and 三块香皂.

    块 is money if two of three hold: a word about price is before it, the number is larger than 10, and no
    counted thing follows.
    """
    if after == "p":
        return value < 100
    if after != "块" or found["cents"]:
        return True
    text = found.string
    asked = _ASKED.search(text, max(0, found.start() - 6), found.start())
    return (asked is not None) + (value > 10) + (_NOT_COUNTED.match(text, found.end()) is not None) >= 2
