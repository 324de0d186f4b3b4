"""What a sign means depends on where it is read: decimal commas, dollars, the order of a date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_BALTIC_TO_SLAVIC = "bg cs hr lt lv mk pl ro ru sk sl sr uk sq et fi hu"
_REST = "ca da de el es eu fr gl id is it kk nb nl nn no pt sv tr vi"
_COMMA = frozenset(f"{_BALTIC_TO_SLAVIC} {_REST}".split(" "))
"""Languages that write a decimal comma (CLDR)."""
_POINT = ("CH", "LI", "MX", "US", "GB", "IE", "IN", "AU", "NZ", "SG", "HK", "TW", "CN", "JP", "KR", "TH")
"""Territories with a decimal point, whatever their language."""
_DOLLARS = {"AU": "aud", "CA": "cad", "NZ": "nzd", "SG": "sgd", "HK": "hkd", "TW": "twd", "MX": "mxn"}
_YUAN = {"JP": "jpy", "TW": "twd", "HK": "hkd"}
_CROWNS = {"DK": "dkk", "NO": "nok", "CZ": "czk"}
_HOME = {"ja": "JP", "da": "DK", "nb": "NO", "no": "NO", "nn": "NO", "cs": "CZ"}


@dataclass(frozen=True)
class Region:
    """How numbers and signs are read.

    Args:
        language: two or three letters; number words and months are those of this language, and English.
        decimal_comma: whether 1,5 is one and a half, and 1.500 fifteen hundred.
        month_first: whether 3/4 is the fourth of March.
        pounds_weigh: whether the word pound means a weight.
        dollar: which currency `$` is.
        yuan: which currency `¥` and 元 are.
        crown: which currency `kr` is.
    """

    language: str = "en"
    decimal_comma: bool = False
    month_first: bool = False
    pounds_weigh: bool = False
    dollar: str = "usd"
    yuan: str = "cny"
    crown: str = "sek"


ANYWHERE = Region()


@lru_cache(maxsize=256)
def region_of(locale: str, markets: Sequence[str] = ()) -> Region:
    """The region of a locale (`de`, `en-US`, `zh-Hant`); a single market says more than the locale.

    >>> region_of("de").decimal_comma, region_of("de-CH").decimal_comma, region_of("en-AU").dollar
    (True, False, 'aud')
    """
    language, _, territory = locale.partition("-")
    where = markets[0] if len(markets) == 1 else territory or _HOME.get(language, "")
    return Region(
        language=language,
        decimal_comma=language in _COMMA and territory not in _POINT,
        month_first=where == "US",
        pounds_weigh=where in ("US", "CA"),
        dollar=_DOLLARS.get(where, "usd"),
        yuan=_YUAN.get(where, "cny"),
        crown=_CROWNS.get(where, "sek"),
    )
