"""Dates with year and weekday, and times of day, in English, German and Chinese and in digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from lora_marketing.text.regions import Region

_MONTH = (
    r"(?:jan(?:uary?)?|feb(?:ruary?)?|mar(?:ch|z)?|apr(?:il)?|may|mai|jun[ei]?|jul[yi]?|aug(?:ust)?"
    r"|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)\b"
)
_MONTHS = ("jan", "feb", "mar", "apr", "ma", "jun", "jul", "aug", "sep", "o", "nov", "de")
_DATE = re.compile(
    r"(?P<y>\d{4})[-/.年](?P<m>\d{1,2})[-/.月](?P<d>\d{1,2})(?!\d)[日号]?"
    r"|(?P<zm>\d{1,2})月(?P<zd>\d{1,2})[日号]"
    r"|(?<![\d./-])(?P<n1>\d{1,2})(?P<dot>[./-])(?P<n2>\d{1,2})(?P=dot)(?P<ny>20\d\d"
    r"|\d\d)?(?![\d/-])(?!\.\d)"
    rf"|(?<![\d£$€¥])(?<!\d[.,])(?P<ed>\d{{1,2}})(?:st|nd|rd|th|\.)? ?(?:of )?(?P<em>{_MONTH})\.?"
    r"(?:,? (?P<ey>\d{4})\b)?"
    rf"|\b(?P<am>{_MONTH})\.? (?P<ad>\d{{1,2}})(?:st|nd|rd|th)?\b(?![.,]\d|\s?(?:%|per ?cent|prozent))"
    r"(?:,? (?P<ay>\d{4})\b)?"
)
_WEEKDAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
_ZH_WEEKDAYS = "一二三四五六日"
_WEEKDAY = (
    r"(?:mon(?:day|tag)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs(?:day)?)?|fri(?:day)?|sat(?:urday)?"
    r"|sun(?:day)?"
    r"|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|(?:mo|di|mi|do|fr|sa|so)(?=\.,? ))\b"
)
_GERMAN_DAYS = {"di": 1, "mi": 2, "do": 3, "so": 6}
_BEFORE = re.compile(
    rf"\b(?P<day>{_WEEKDAY})\.?,?\s(?:the\s|den\s|dem\s)?$|(?:周|星期"
    rf"|礼拜)(?P<zh>[一二三四五六日天])[,、 (]?$"
)
_AFTER = re.compile(rf"[ ,(]{{0,2}}(?:(?P<day>{_WEEKDAY})|(?:周|星期|礼拜)(?P<zh>[一二三四五六日天]))")
_FIRST_DAY = re.compile(
    r"(?<![\d.,])(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?\s?(?:[-–—]|to|until|bis|through|and|und"
    r"|&)\s?(?:the )?$"
)
_LAST_DAY = re.compile(
    r"\s?(?:[-–—~]|to|until|through|至|到)\s?(?P<day>\d{1,2})(?:[日号]|st\b|nd\b|rd\b|th\b)?(?![\d月:.])"
)
_TIME = re.compile(
    r"(?P<half>上午|早上|下午|晚上|中午|凌晨)?(?<![\d.])(?<!\d,)(?P<h>\d{1,2})"
    r"(?:[:.](?P<mi>[0-5]\d)(?![\d%])|[点时](?!间|尚|代|候)(?P<zmi>\d{1,2})?分?)?"
    r"\s?(?P<ap>[ap]\.?m\b\.?|uhr\b|o'clock\b)?"
)
_REACH = 16
"""Characters before a date in which its weekday stands."""


@dataclass(frozen=True)
class Moment:
    """A date, or a time of day.

    Args:
        kind: `date` or `time`.
        value: 100 times the month and the day, or minutes since midnight.
        amount: the day, or the hour as it is written.
        start: where it stands, with its weekday.
        end: after its last letter.
        year: of a date, if it is said.
        weekday: 0 is Monday, if it is said.
    """

    kind: str
    value: int
    amount: int
    start: int
    end: int
    year: int | None = None
    weekday: int | None = None


def moments(text: str, region: Region) -> Iterator[Moment]:
    """All dates of a text as a `View` has it, then all times; they may overlap."""
    for found in _DATE.finditer(text):
        one = _date(found, region)
        if one:
            yield from _ranges(found, one)
            yield one
    for found in _TIME.finditer(text):
        one = _time(found)
        if one:
            yield one


def _ranges(found: re.Match[str], one: Moment) -> Iterator[Moment]:
    """The other day of 1 to 11 November, and of 11月1日到11日: of the same month."""
    text, month = found.string, one.value // 100
    first = _FIRST_DAY.search(text, max(0, found.start() - _REACH), found.start()) if found["ed"] else None
    last = _LAST_DAY.match(text, found.end()) if found["zd"] or found["d"] or found["ad"] else None
    for other in (first, last):
        if other and 1 <= int(other["day"]) <= 31:
            day = int(other["day"])
            yield Moment("date", 100 * month + day, day, *other.span(), one.year)


def weekday_of(year: int, value: int) -> int | None:
    """Which weekday a date is; None if there is no such day."""
    try:
        return date(year, value // 100, value % 100).weekday()
    except ValueError:
        return None


def _date(found: re.Match[str], region: Region) -> Moment | None:
    part = found.groupdict()
    named = part["em"] or part["am"]
    if named:
        month = next(number for number, short in enumerate(_MONTHS, 1) if named.startswith(short))
        month = 3 if named.startswith("mar") else month
        day = int(part["ed"] or part["ad"])
    elif part["n1"]:
        if not part["ny"] and (part["dot"] != "." or not region.decimal_comma):
            return None
        day, month = int(part["n1"]), int(part["n2"])
        if part["dot"] != "." and (region.month_first or month > 12):
            day, month = month, day
    else:
        month, day = int(part["m"] or part["zm"]), int(part["d"] or part["zd"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    written = part["y"] or part["ey"] or part["ay"] or part["ny"]
    year = int(written) + (2000 if len(written) == 2 else 0) if written else None
    start, end, weekday = _with_weekday(found)
    return Moment("date", 100 * month + day, day, start, end, year, weekday)


def _with_weekday(found: re.Match[str]) -> tuple[int, int, int | None]:
    text, (start, end) = found.string, found.span()
    before = _BEFORE.search(text[max(0, start - _REACH) : start])
    after = None if before else _AFTER.match(text, end)
    if before:
        start = max(0, start - _REACH) + before.start()
    elif after:
        end = after.end()
    one = before or after
    return start, end, _weekday(one) if one else None


def _weekday(found: re.Match[str]) -> int:
    if found["zh"]:
        return _ZH_WEEKDAYS.index("日" if found["zh"] == "天" else found["zh"])
    short = found["day"][:2]
    return _GERMAN_DAYS[short] if short in _GERMAN_DAYS else _WEEKDAYS.index(short)


def _time(found: re.Match[str]) -> Moment | None:
    if not (found["mi"] and found.group()[len(found["h"])] != ".") and not (
        found["ap"] or (found["half"] and re.search("[点时:]", found.group()))
    ):
        return None
    hour, half = int(found["h"]), (found["ap"] or "")[:1] or found["half"]
    if half in ("p", "下午", "晚上"):
        hour = hour % 12 + 12
    elif half in ("a", "凌晨"):
        hour %= 12
    minutes = 60 * hour + int(found["mi"] or found["zmi"] or 0)
    return Moment("time", minutes, int(found["h"]), found.start(), found.end())
