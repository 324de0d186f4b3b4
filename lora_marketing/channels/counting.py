"""How long a text is in the unit of a channel's limit.

Nothing here is measured on the platforms themselves: every rule names the page or tool that states it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from unicodedata import east_asian_width

from lora_marketing.channels import Unit
from lora_marketing.text.bounded import normalized


def count(text: str, unit: Unit) -> int:
    """The length of `text` as the platform behind `unit` counts it.

    A longer text never counts less, but for two units. In `x_weight` a URL counts 23 once it is one, an
    emoji sequence 2 once it is whole, and a letter with its combining accent 1; in `gads_width` a tag counts
    as its default text once it is closed.
    """
    return COUNTERS[unit](text)


def utf8_bytes(text: str) -> int:
    """Bytes in UTF-8 (Amazon's search terms, Apple's keywords)."""
    return len(text.encode())


def gbk_bytes(text: str) -> int:
    """Bytes in GBK: Chinese 2, ASCII 1 (Taobao: 30 Chinese characters are 60).

    GB 18030 agrees with GBK where GBK has a character, and has four bytes for those it lacks.
    """
    return len(text.encode("gb18030"))


def wide_twice(text: str) -> int:
    """Characters, with wide and fullwidth ones (Unicode's UAX #11: W and F) counted twice.

    Google Ads and Microsoft Advertising count double-width languages so, but for tags, and TikTok "100
    Latin or 50 Asian".
    """
    return len(text) if text.isascii() else sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


_TAG = re.compile(
    r"\{=?(?P<name>keyword|param[123]|customizer\.[^{}:]{1,80}|location\([^{}()]{1,40}\)"
    r"|countdown\([^{}()]{1,200}\))"
    r"(?::(?P<default>[^{}]{0,200}))?\}|\{=if\([^{},]{1,200},(?P<then>[^{}]{0,200})\):(?P<otherwise>[^{}]{0,200})\}",
    re.IGNORECASE,
)
COUNTDOWN = 8
"""Characters of a countdown (`5 hours`): Google's editor reserves so many; not seen on a page of Google's."""


def with_defaults(text: str) -> str:
    """A text of Google Ads or Microsoft Advertising with the default text of each tag in the tag's place.

    Of an IF the longer text. See support.google.com/google-ads/answer/2454041 (keyword insertion) and
    developers.google.com/google-ads/api/docs/ads/customize-responsive-search-ads.

    >>> with_defaults("Buy {KeyWord:Fresh Bread} Now")
    'Buy Fresh Bread Now'
    """
    return _TAG.sub(_default, text) if "{" in text else text


def _default(tag: re.Match[str]) -> str:
    if tag["name"] is None:
        return max(tag["then"], tag["otherwise"], key=wide_twice)
    if tag["default"] is None and tag["name"].lower().startswith("countdown"):
        return "0" * COUNTDOWN
    return tag["default"] or ""


def google_ads(text: str) -> int:
    """Wide characters twice, and of a tag its default text."""
    return wide_twice(with_defaults(text))


def baidu(text: str) -> int:
    """Wide characters twice, and “” ‘’ … — as well: guides for Baidu say so, not Baidu itself."""
    return wide_twice(text) + sum(map(text.count, "“”‘’…—·"))


NARROW_MARKS = 15
"""Marks of a text that Yandex does not count."""


def yandex(text: str) -> int:
    """Characters; up to 15 of ! , . ; : " do not count."""
    return len(text) - min(NARROW_MARKS, sum(map(text.count, '!,.;:"')))


def half_width(text: str) -> int:
    """Ocean Engine: a Chinese character is 1, two Latin ones are 1 (title_material of its Marketing API)."""
    return (wide_twice(text) + 1) // 2


def xiaohongshu(text: str) -> int:
    """Two ASCII characters are 1, any other UTF-16 unit is 1, so most emoji are 2.

    No official page says so: it is `CalcTitleLength` of xiaohongshu-mcp, which posts with it. Tools
    that count ASCII as 1 are stricter than the platform.
    """
    narrow = sum(c.isascii() for c in text)
    return utf16_units(text) - narrow + (narrow + 1) // 2


def utf16_units(text: str) -> int:
    """UTF-16 units: 70 fit into one SMS in UCS-2; characters beyond U+FFFF, such as emoji, are two."""
    return len(text.encode("utf-16-le")) // 2


GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
"""The two tables of GSM 03.38 (3GPP TS 23.038, 6.2.1). A character of the second takes an escape, too."""


def gsm_septets(text: str) -> int:
    """Septets of an SMS. One character outside both GSM 03.38 tables makes the whole message UCS-2.

    A message holds 160 septets in the same 140 bytes as 70 UTF-16 units, so a unit takes 16/7 septets.
    """
    letters = set(text)
    if not letters <= GSM_BASIC | GSM_EXTENSION:
        return -(-utf16_units(text) * 16 // 7)
    return len(text) + sum(map(text.count, letters & GSM_EXTENSION))


def sms_segments(text: str) -> int:
    """How many messages an SMS is sent and paid as.

    One holds 160 septets or 70 UTF-16 units; parts of a longer one lose 7 septets or 3 units to the
    header that joins them (3GPP TS 23.040, 9.2.3.24). An escaped character or a surrogate pair is
    not torn, so a part may end one short.
    """
    septets = set(text) <= GSM_BASIC | GSM_EXTENSION
    whole, part = (160, 153) if septets else (70, 67)
    sizes = [1 + (letter in GSM_EXTENSION) if septets else utf16_units(letter) for letter in text]
    if sum(sizes) <= whole:
        return int(bool(text))
    segments, room = 1, part
    for size in sizes:
        if size > room:
            segments, room = segments + 1, part
        room -= size
    return segments


_ACCENTED = "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_IN_PATH = rf"[\w!*';:=+,.$%#\[\]\-–~@|&/{_ACCENTED}\u0400-\u04ff]"
_LABEL = f"[a-z0-9{_ACCENTED}](?:[a-z0-9{_ACCENTED}-]*[a-z0-9{_ACCENTED}])?"
_TOP = r"(?:xn--[a-z0-9-]+|[a-z]{2,}) (?![a-z0-9@+-])"
_PATH = rf"""/ (?:(?:{_IN_PATH} | \({_IN_PATH}*\))* (?<=[a-z0-9+\-=_\#/){_ACCENTED}\u0400-\u04ff]))?"""
_QUERY = r"\?[a-z0-9!?*'@();:&=+$/%\#\[\]\-_.,~|]* (?<=[a-z0-9\-_&=\#/])"
_URL = re.compile(
    rf"""(?<![a-z0-9@＠$＃#])(?:
    https?:// (?:[^\s!-,./:-@\[-^`{{-~]+\.)+ (?P<top>{_TOP}) (?::[0-9]+)? (?:{_PATH})? (?:{_QUERY})?
    | (?<![-_./]) (?:{_LABEL}\.)+ (?P<bare>{_TOP}) (?:(?::[0-9]+)? {_PATH} (?:{_QUERY})?)? )""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_COMMON = """
    com net org info biz edu gov mil int shop store online site app dev club blog news live life xyz vip top
    tech world space website page link work today cloud agency design studio coffee eco
"""
_TOPS = frozenset(_COMMON.split())
_PICTURE = "[\u203c-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
_PART = f"(?:{_PICTURE}[\ufe0f\U0001f3fb-\U0001f3ff]?|[©®]\ufe0f)(?:[\U000e0020-\U000e007e]+\U000e007f)?"
EMOJI = re.compile(f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|{_PART}(?:\u200d(?:{_PART}))*")
_DOUBLE = re.compile("[^\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")


def x_weight(text: str) -> int:
    """X's weighted length (twitter-text 3.0, config/v3.json).

    In NFC: characters of U+0000–10FF, 2000–200D, 2010–201F and 2032–2037 weigh 1, others 2, an emoji
    sequence 2, a URL 23. twitter-text knows all top-level domains; here two letters or a common one
    make a URL, and what ends in another counts as the longer of the two, so not too little. Emoji
    joined as no font knows them are taken for one here; twitter-text counts each.
    """
    text = normalized("NFC", text)
    weight = 0
    if "." in text:
        weight += sum(_url_weight(url) for url in _URL.finditer(text))
        text = _URL.sub("", text)
    return weight + _plain_weight(text)


def _url_weight(url: re.Match[str]) -> int:
    top = (url["top"] or url["bare"]).lower()
    known = len(top) == 2 or top in _TOPS or top.startswith("xn--")
    return 23 if known else max(23, _plain_weight(url[0]))


def _plain_weight(text: str) -> int:
    """The weight of a text in NFC that holds no URL."""
    if text.isascii():
        return len(text)
    text, emoji = EMOJI.subn("", text)
    return 2 * emoji + len(text) + len(_DOUBLE.findall(text))


COUNTERS: Mapping[Unit, Callable[[str], int]] = {
    "char": len,
    "byte": utf8_bytes,
    "byte_gbk": gbk_bytes,
    "width2": wide_twice,
    "gads_width": google_ads,
    "baidu_width": baidu,
    "yandex": yandex,
    "x_weight": x_weight,
    "half_width": half_width,
    "gsm7": gsm_septets,
    "ucs2": utf16_units,
    "xhs": xiaohongshu,
}
