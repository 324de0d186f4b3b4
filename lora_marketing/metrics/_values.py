"""Where a text says a value, whatever its spelling: numbers, units, signs of money, plurals, case."""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import normalize

Place = tuple[int, int]

_ENGLISH_UNITS = {
    "g": "g gram grams gramme grammes",
    "kg": "kg kilo kilos kilogram kilograms",
    "ml": "ml millilitre millilitres milliliter milliliters",
    "l": "l litre litres liter liters",
    "cm": "cm centimetre centimetres centimeter centimeters",
    "min": "min mins minute minutes",
    "h": "h hr hrs hour hours",
    "%": "percent per\\ cent",
    "£": "pound pounds gbp",
    "$": "dollar dollars usd",
    "€": "euro euros eur",
}
_CHINESE_UNITS = {
    "kg": "千克 公斤",
    "g": "克",
    "ml": "毫升",
    "l": "升",
    "cm": "厘米",
    "min": "分钟",
    "h": "小时",
    "¥": "元 块钱",
    "$": "美元",
    "€": "欧元",
}
_UNIT = {
    name.replace("\\ ", " "): unit
    for table in (_ENGLISH_UNITS, _CHINESE_UNITS)
    for unit, said in table.items()
    for name in re.split(r"(?<!\\) ", said)
}
_NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_NUMBER = re.compile(rf"(?<![^\W\d_])(?:{'|'.join(_NUMBER_WORDS)})(?![^\W\d_])")
_DIGITS_ZH = {sign: number for number, sign in enumerate("零一二三四五六七八九")} | {"两": 2}

_CONTRACTED = re.compile(r"(?<=n)['’](?=t(?![^\W\d_]))")
_CLAUSE_END = re.compile(r"(?<=[.!?:;…])\s+|[。！？：；\n]")
_THOUSANDS = re.compile(r"(?<=\d)[,，](?=\d{3}(?!\d))")
_NEEDLESS_ZEROS = re.compile(r"(\d)\.0+(?!\d)|(\.\d*?[1-9])0+(?!\d)")
_MONEY = re.compile(r"([£$€¥])\s*(\d+(?:\.\d+)?)")
_MEASURED = re.compile(
    r"(?<=\d)[\s-]*("
    + "|".join(
        re.escape(name) + (r"(?![^\W\d_])" if name.isascii() else "")
        for name in sorted(_UNIT, key=len, reverse=True)
    )
    + ")"
)
_TENS = re.compile(r"([一二两三四五六七八九]?)十([一二三四五六七八九]?)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[£$€¥%]|[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+")
_PARTS = re.compile(r"[,;/，；、]|\band\b|&|[和与]")


@lru_cache(maxsize=8192)
def spelled(text: str) -> str:
    """One spelling for what says the same: tokens between single spaces, with a space around them all.

    >>> spelled("£1,200.50 for Three pouches of 250 grams")
    ' 1200.5 £ for 3 pouch of 250 g '
    >>> spelled("一对 568 元，十二升")
    ' 1 对 568 ¥ 12 l '
    """
    text = _CONTRACTED.sub("", normalize("NFKC", _CAMEL.sub(" ", text)).casefold())
    text = _NUMBER.sub(lambda found: str(_NUMBER_WORDS.index(found[0])), text)
    text = _TENS.sub(lambda found: str(10 * _digit(found[1]) + _digit(found[2], 0)), text)
    text = "".join(str(_DIGITS_ZH.get(letter, letter)) for letter in text)
    text = _NEEDLESS_ZEROS.sub(r"\1\2", _THOUSANDS.sub("", text))
    text = _MONEY.sub(r"\2 \1", text)
    text = _MEASURED.sub(lambda found: f" {_UNIT[found[1]]} ", text)
    return f" {' '.join(map(_plain, _TOKEN.findall(text)))} "


@lru_cache(maxsize=8192)
def clauses(text: str) -> str:
    """`spelled`, with a line break for the space where a clause ends.

    >>> clauses("Not that: dark roast. £9")
    ' not that\\ndark roast\\n9 £ '
    """
    found = "\n".join(filter(None, (spelled(clause).strip() for clause in _CLAUSE_END.split(text))))
    return f" {found} "


def _digit(sign: str, otherwise: int = 1) -> int:
    return _DIGITS_ZH.get(sign, otherwise)


def _plain(token: str) -> str:
    """Plurals as singulars, clumsily but the same way on both sides."""
    if len(token) < 4 or not token.endswith("s") or token.endswith("ss"):
        return token
    if token.endswith("ies"):
        return token[:-3] + "y"
    return token[:-2] if re.search(r"(?:s|x|z|ch|sh)es$", token) else token[:-1]


@lru_cache(maxsize=8192)
def parts(value: str) -> tuple[str, ...]:
    """What has to be said for `value` to be said: its listed things, each spelled.

    >>> parts("cocoa, dark plums and toast")
    (' cocoa ', ' dark plum ', ' toast ')
    """
    guarded = _THOUSANDS.sub("", value)
    return tuple(part for part in map(spelled, _PARTS.split(guarded)) if part.strip())


def places(part: str, text: str) -> list[Place]:
    """Where the spelled `part` stands in the `text` (its `clauses`): first and last place of its letters."""
    text, found = text.replace("\n", " "), []
    start = text.find(part) if part.strip() else -1
    while start >= 0:
        found.append((start + 1, start + len(part) - 1))
        start = text.find(part, start + len(part) - 1)
    return found
