"""Numbers: in digits by locale, and in English, German and Chinese words."""

from __future__ import annotations

import re
from decimal import Decimal
from math import prod

_SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_SMALL += " sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
ENGLISH = {word: value for value, word in enumerate(_SMALL.split(" "))}
ENGLISH |= {word: 10 * value for value, word in enumerate(_TENS.split(" "), start=2)}
GREAT = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_KLEIN = (
    "null ein zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn sechzehn"
)
_KLEIN += " siebzehn achtzehn neunzehn"
_ZEHNER = "zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig"
GERMAN = {word: value for value, word in enumerate(_KLEIN.split(" "))}
GERMAN |= {word: 10 * value for value, word in enumerate(_ZEHNER.split(" "), start=2)}
DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
PLACES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 10**8}
_FORMAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾佰仟", "一二三四五六七八九十百千")
FORMAL = "壹贰叁肆伍陆柒捌玖拾佰仟"
"""Numerals that cannot be changed by a stroke, as on cheques."""
TIMES = {"k": 10**3, "m": 10**6, "bn": 10**9, "hundred": 100, "lakh": 10**5, "lakhs": 10**5}
TIMES |= {
    "crore": 10**7,
    "dozen": 12,
    "dutzend": 12,
    "mio": 10**6,
    "millionen": 10**6,
    "tausend": 1000,
    **GREAT,
}

_UNDER_20, _UNDER_100 = "|".join(sorted(_SMALL.split(" "), key=len, reverse=True)), "|".join(_TENS.split(" "))
_PAIR = rf"(?:(?:{_UNDER_100})(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?|{_UNDER_20})"
_HUNDREDS = rf"(?:{_PAIR} hundred(?:(?: and)? {_PAIR}\b)?|{_PAIR})"
ENGLISH_WORDS = rf"{_HUNDREDS}(?: (?:thousand|million|billion)\b(?:,?(?: and)? {_HUNDREDS}\b)?){{0,3}}"
"""A number in English words, to be put between word breaks."""
_EINER = "ein|zwei|drei|vier|funf|sechs|sieben|acht|neun"
_UNTER_20 = "|".join(sorted(GERMAN, key=len, reverse=True))
_PAAR = rf"(?:(?:(?:{_EINER})und)?(?:{'|'.join(_ZEHNER.split(' '))})|{_UNTER_20})"
_HUNDERT = rf"(?:(?:{_EINER})?hundert(?:und)?(?:{_PAAR})?|{_PAAR})"
GERMAN_WORDS = rf"(?!ein\b)(?:{_HUNDERT}(?:tausend(?:und)?(?:{_HUNDERT})?)?|tausend(?:und)?(?:{_HUNDERT})?)"
_GERMAN_PART = re.compile(rf"hundert|tausend|und|{'|'.join(sorted(GERMAN, key=len, reverse=True))}")
HAN_DIGITS = "零〇一二两三四五六七八九"
HAN_NUMERALS = f"{HAN_DIGITS}十百千万亿{FORMAL}"


def in_digits(decimal_comma: bool) -> str:
    """A pattern for a number in digits: grouped in any way of the world, with a point or a comma.

    Where a point is the rule, a comma before one or two digits is read only before a sign of a unit.
    """
    comma = r"\d+,\d+(?![\d,])"
    if not decimal_comma:
        comma = r"(?<!\d,)\d+,\d{1,2}(?=\s?(?:€|eur|kr\b|zl\b|%|k?g\b|[mc]?l\b))"
    return (
        r"\d{1,3}(?:,\d{2,3}){0,5},\d{3}(?:\.\d+)?(?!,?\d)|\d{1,3}(?:\.\d{3}){1,5},\d+(?!\d)"
        r"|\d{1,3}(?:\.\d{3}){2,5}(?!\.?\d)|\d{1,3}(?:['’]\d{3}){1,5}(?:[.,]\d+)?"
        r"|\d{1,3}(?: \d{3}){1,5}(?=(?:,\d{2})?\s?(?:€|eur\b|kr\b|zl\b))(?:,\d{2})?"
        rf"|{comma}|\d+(?:\.\d+)?|(?<!\.)\.\d+"
    )


def digits_value(written: str, decimal_comma: bool) -> Decimal:
    """What digits are worth: 1.299,00 and 1,29,999 anywhere, 1.299 by where it is read.

    >>> [str(digits_value("1.299", comma)) for comma in (True, False)], str(digits_value("1.299,00", False))
    (['1299', '1.299'], '1299.00')
    """
    plain = re.sub("[ '’]", "", written)
    signs = re.sub(r"\d", "", plain)
    if not signs:
        return Decimal(plain)
    last = signs[-1]
    tail = len(plain) - plain.rindex(last) - 1
    if len(set(signs)) == 1:
        lonely = len(signs) == 1
        grouped = not lonely or (tail == 3 and plain[0] not in "0.," and (last == ",") != decimal_comma)
        if grouped and (lonely is False or len(plain) - tail - 1 <= 3):
            return Decimal(plain.replace(last, ""))
    other = "." if last == "," else ","
    return Decimal(plain.replace(other, "").replace(last, "."))


def english_value(written: str) -> Decimal:
    """Two thousand five hundred and forty."""
    total = part = 0
    for word in re.split(r"[ ,-]+", written):
        if word in GREAT:
            total, part = total + part * GREAT[word], 0
        elif word == "hundred":
            part *= 100
        else:
            part += ENGLISH.get(word, 0)
    return Decimal(total + part)


def german_value(written: str) -> Decimal:
    """Zweitausendfünfhundertvierzig, without its accents."""
    total = hundreds = part = 0
    for word in _GERMAN_PART.findall(written):
        if word == "tausend":
            total, hundreds, part = 1000 * (hundreds + part or 1), 0, 0
        elif word == "hundert":
            hundreds, part = 100 * (part or 1), 0
        elif word != "und":
            part += GERMAN[word]
    return Decimal(total + hundreds + part)


def han_value(written: str) -> Decimal:
    """Chinese numerals: 二十五, 三百五 (350), 一万二 (12000), 二〇二六, 三点五, 贰佰."""
    if written == "半":
        return Decimal("0.5")
    if written.endswith("个半"):
        return han_value(written[:-2]) + Decimal("0.5")
    whole, _, part = written.translate(_FORMAL).partition("点")
    if not set(whole) & set(PLACES):
        value = Decimal("".join(str(DIGITS[letter]) for letter in whole) or "0")
    else:
        value = Decimal(_with_places(whole))
    return value + (Decimal("0." + "".join(str(DIGITS[letter]) for letter in part)) if part else 0)


def times(written: str, value: Decimal) -> int:
    """What a number is multiplied by: `5k`, `2 million`, `3千万`. A lamp's 2700K is no multiple."""
    if written == "k" and value >= 1000:
        return 1
    return TIMES.get(written) or prod(PLACES[letter] for letter in written)


def _with_places(written: str) -> int:
    """A last digit right behind a place counts the next lower one: 三百五 is 350, 三百零五 is 305."""
    for great in ("亿", "万"):
        left, found, right = written.partition(great)
        if found:
            above = (_with_places(left) if left else 1) * PLACES[great]
            if len(right) == 1 and DIGITS.get(right):
                return above + DIGITS[right] * PLACES[great] // 10
            return above + (_with_places(right) if right else 0)
    total, digit, place = 0, 0, 1
    for letter in written:
        if letter in PLACES:
            place = PLACES[letter]
            total += (digit or 1) * place
            digit = 0
        else:
            digit, place = DIGITS[letter], place if DIGITS[letter] else 1
    return total + digit * max(1, place // 10)
