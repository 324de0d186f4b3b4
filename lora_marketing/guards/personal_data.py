"""Personal data: finds data that identifies people, their contacts or their means of payment.

What has a form that can be checked is blocked: mail addresses, IP addresses, and numbers of telephones,
cards, accounts and identity documents. Names and postal addresses have no such form: only plain cases are
found, for review.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_address
from itertools import chain

from lora_marketing.guards import Case, Finding, Severity
from lora_marketing.text.bounded import Apart, matches
from lora_marketing.text.normalise import View, readings, view
from lora_marketing.text.scripts import HAN


@dataclass(frozen=True)
class _DataKind:
    """One kind of personal data: its pattern, and a check (`holds`) that a match must pass."""

    rule: str
    said: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = lambda _: True
    severity: Severity = "block"


def _is_iban(text: str) -> bool:
    from stdnum import iban

    return bool(iban.is_valid(text))


def _is_card(text: str) -> bool:
    """A check digit of cards; a number of goods (EAN-13, GTIN-14) is none, but where such cards begin."""
    from stdnum import ean, luhn

    digits = re.sub(r"\D", "", text)
    if len(digits) in (13, 14) and ean.is_valid(digits) and not re.match("4|3[0689]", digits):
        return False
    return (
        13 <= len(digits) <= 19
        and digits[0] in "23456"
        and len(set(digits)) > 1
        and bool(luhn.is_valid(digits))
    )


def _is_resident(text: str) -> bool:
    """Whether it is a Chinese identity number (GB 11643), by date of birth and ISO 7064 MOD 11-2 check digit.

    The region code is not checked, as regions change.
    """
    from stdnum.iso7064 import mod_11_2

    return _is_day(text[6:14]) and bool(mod_11_2.is_valid(text.upper()))


def _is_day(text: str) -> bool:
    try:
        return 1900 <= date.fromisoformat(text).year <= 2100
    except ValueError:
        return False


def _is_machine(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    groups = len(re.findall("[0-9a-f]+", text.casefold()))
    return groups > 2 and not (address.is_loopback or address.is_unspecified)


_AT = r"(?:@|\s?[\[({<]\s?(?:at|@|a)\s?[\])}>]\s?|\s?(?:艾特|圈a)\s?)"
_DOT = r"(?:\.|\s?[\[({<]\s?(?:dot|\.)\s?[\])}>]\s?|\s?点\s?(?=[a-z]))"
_ENDING = "(?:com|net|org|io|me|info|edu|gov|cn|co|uk|us|de|fr|eu|au|ca|in|jp)"
_SAID_DOT = r"(?: (?:dot|punkt|point) |\.)"
_SPELLED_HOST = rf"[a-z0-9-]{{1,63}}(?:{_SAID_DOT}[a-z0-9-]{{1,63}}){{0,4}}{_SAID_DOT}{_ENDING}\b"
_HAN = f"[{HAN}]"
_PROVINCE = (
    "(?:[京津沪渝冀豫辽湘皖鲁苏浙赣鄂桂甘晋蒙陕吉闽粤川宁琼]"
    rf"|(?:(?<!{_HAN})|(?<=[牌号是车为的辆]))[新黑青云藏贵])"
)
"""The first character of a Chinese number plate; some are parts of words (全新, 曜石黑)."""
_STREET = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Way|Close|Terrace|Square)"
)
KINDS = (
    _DataKind(
        "email",
        "a mail address",
        re.compile(
            rf"[a-z0-9._+%-]{{1,64}}+{_AT}[a-z0-9-]{{1,63}}(?:{_DOT}[a-z0-9-]{{1,63}}){{0,9}}{_DOT}[a-z]{{2,24}}",
            re.I,
        ),
    ),
    _DataKind(
        "email",
        "a mail address in words",
        re.compile(
            r"[a-z0-9_-]{1,64}(?: (?:dot|punkt|point|underscore|dash) [a-z0-9_-]{1,64}){1,4}"
            rf" at {_SPELLED_HOST}"
            r"|(?:\b(?:e-?mail|mail|write|contact|reach|message|address)\b|邮箱)"
            r"(?:\W{0,3}\w{1,12}){0,3}?\W{1,3}"
            rf"[a-z0-9._-]{{2,64}} at {_SPELLED_HOST}"
        ),
    ),
    _DataKind(
        "iban",
        "an account number",
        re.compile(
            r"(?<![A-Z0-9])[A-Z]{2}\d{2}"
            r"(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: (?=[A-Z]*\d)[A-Z0-9]{1,4})?(?<! [A-Z]{4}))"
            r"(?![A-Z0-9])",
            re.I,
        ),
        _is_iban,
    ),
    _DataKind(
        "card",
        "a card number",
        re.compile(r"(?<![\d.-])(?:\d(?:[ -]?\d){12,18}|\d{4}(?:\.\d{4}){3})(?![\d-])"),
        _is_card,
    ),
    _DataKind(
        "identity", "an identity number", re.compile(r"(?<!\d)\d{17}[\dXx](?![\dA-Za-z])"), _is_resident
    ),
    _DataKind("identity", "a social security number", re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")),
    _DataKind(
        "ip",
        "a machine's address",
        re.compile(
            r"(?<![a-z0-9_.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(?![a-z0-9_:]|\.\d)",
            re.I,
        ),
        _is_machine,
    ),
    _DataKind(
        "passport",
        "a passport number",
        re.compile(
            r"(?:passport|护照)(?:\s?(?:no\.?|number|号码?))?[\s:：是]{0,3}[A-Z]{0,2}\d{7,9}(?!\d)", re.I
        ),
    ),
    _DataKind(
        "password",
        "a password",
        re.compile(
            r"\b(?:password|passwd|pwd|pw|密码|口令)\s?(?:[:=]|is\b|是)\s?"
            r"(?!\d+%|\d+-)(?=[!-~]*[\d@#$%^&*_+=])[!-~]{4,}",
            re.I,
        ),
    ),
    _DataKind(
        "account",
        "somebody's account",
        re.compile(
            r"(?:(?:微信|wechat|qq)(?:号码?| ?id)?(?:\s?[:是]\s?|(?<=[号码])\s?)"
            r"|(?:微信|wechat(?: id)?|qq)\s?(?=[a-z-]*[\d_]))"
            r"(?:[a-z][a-z0-9_-]{5,19}|[1-9]\d{5,10})(?![a-z0-9_-])",
            re.I,
        ),
    ),
    _DataKind(
        "account",
        "somebody's account",
        re.compile(
            r"(?:(?:加|\+|➕|添加|联系|咨询|私)(?:我|个|下|一下)?(?:的)?(?:客服|店主|老师)?\s?(?:v信?|vx|wx|微信?|薇信?|威信?|维信|卫星|徽信|扣扣?|企鹅|q)"
            r"(?:号码?|id)?[\s:：是➡→-]{0,3}|(?<![a-z])(?:vx|wx|v信|薇信|威信|维信|扣扣|企鹅号|微信号|➕v)(?:号码?|id)?\s?[:：是]\s?)"
            r"(?:[a-z](?=[a-z_-]{0,18}[\d_-])[a-z0-9_-]{5,19}|[a-z]{6,20}(?=$|[^a-z0-9\s])|[1-9]\d{5,10})(?![a-z0-9_-])",
            re.I,
        ),
    ),
    _DataKind(
        "account",
        "somebody's account",
        re.compile(
            r"\b(?:telegram|whatsapp|tg|skype|snapchat|kik|kakao(?:talk)?|line id|signal)(?: id)?"
            r"\s?(?:[:：]|is\b)\s?@?[a-z][a-z0-9_.]{4,24}\b"
        ),
        lambda said: any(map(str.isdigit, said)) or "@" in said or "_" in said,
    ),
    _DataKind(
        "plate",
        "a number plate",
        re.compile(
            rf"(?:车牌号?[\s:是为]{{0,3}}{_HAN}|{_PROVINCE})[A-Z][·•. ]?"
            r"(?=[A-Z0-9]*\d)[A-Z0-9]{5,6}(?![A-Z0-9])",
            re.I,
        ),
    ),
    _DataKind(
        "birth",
        "a day of birth",
        re.compile(
            r"(?:\bborn(?: on)?|\bdate of birth|\bDOB|出生于?|生日)"
            r"[\s:：是]{0,3}\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}",
            re.I,
        ),
    ),
    _DataKind(
        "address",
        "may be somebody's address",
        re.compile(rf"\b\d{{1,5}}[A-Za-z]? (?:[A-Z][a-z]+ ){{1,3}}{_STREET}\b"),
        severity="review",
    ),
    _DataKind(
        "address",
        "may be somebody's address",
        re.compile(
            rf"(?={_HAN}{{5,32}}+\d)(?:{_HAN}{{2,6}}[省市区县镇]){{1,2}}{_HAN}{{1,8}}[路街道巷弄村]\d{{1,5}}号"
            r"(?:\w{0,12}[单元楼栋室号]){0,6}\d{0,8}"
        ),
        severity="review",
    ),
    _DataKind(
        "address",
        "a postcode",
        re.compile(r"\bpost ?code:? [A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b", re.I),
        severity="review",
    ),
    _DataKind(
        "name",
        "may be somebody's name",
        re.compile(r"\b(?:Hi|Hello|Dear|Mr|Mrs|Ms|Dr)\.? [A-Z][a-z]+ [A-Z][a-z]+\b(?! [A-Z])"),
        severity="review",
    ),
    _DataKind(
        "name",
        "may be somebody's name",
        re.compile(
            rf"(?:我叫|姓名[:：]|联系人[:：]|收件人[:：]){_HAN}{{2,4}}|[，,]{_HAN}{{2,3}}(?:收|先生收|女士收)(?=[。，]|$)"
        ),
        severity="review",
    ),
)
_DIGITS = re.compile(r"\d(?:[\s().·-]{0,8}+\d){6,}+")
_NEAR = re.compile(r"\d(?:\D{0,6}+\d){6,}+")
MOST_DIGITS = 10_000
"""The most characters that are searched for telephone numbers; a thousand take some milliseconds."""
_BESIDE, _PIECE = 32, 1024
_OF_GOODS = re.compile(
    r"(?:\bv(?:er(?:sion)?)?\.?|版本|[$€£¥]"
    r"|\b(?:no|nr|sku|isbn|ean(?:-?1?[38])?|gtin(?:-?1?\d)?|upc|asin|imei|model|order|art|barcode|serial"
    r"|batch|lot|part|tracking|parcel|shipment|invoice|reference|ref|item|article|number|code)\b\.?"
    r"|编号|型号|货号|货码|订单号?|单号|条形?码|序列号|批号|批次|追溯码|防伪码|商品码|流水号|运单|快递|编码"
    r"|备案号?|许可证号?|标准号)(?: (?:no|number|code|nr|id)\b\.?)?(?:号码?)?(?:is|为|是)?[\s:：#]{0,16}$",
    re.IGNORECASE,
)


_OF_A_CARD = re.compile(
    r"\b(?:card|visa|mastercard|amex|phone|tel(?:ephone)?|mobile|call)\b|卡号?|电话|手机", re.IGNORECASE
)
_NUMBERS = frozenset({"card", "ip"})
"""Kinds of data that a number of goods looks like."""
_TOLD_BY_FORM = tuple(kind for kind in KINDS if kind.rule in ("email", "iban", "card", "identity", "account"))
"""Kinds that letters beside them do not make."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find personal data, except what the brand's profile or the brief states as its own contact."""
    own = _bare(view(" ".join(_own(case))).text)
    taken = Apart()
    for place, seen in enumerate(readings(text)[:2]):  # as it stands, and with what is set apart in one
        for kind in KINDS if place == 0 else _TOLD_BY_FORM:
            yield from _of_kind(kind, View(text, None) if kind.severity == "review" else seen, own, taken)
        calls, unread = _calls(seen.text, _regions(case))
        for start, end in calls:
            span = seen.span(start, end)
            if _bare(seen.text[start:end]) not in own and taken.take(*span):
                yield _finding("phone", "block", "a telephone number", span)
        if unread is not None:
            message = (
                f"more than {MOST_DIGITS} characters around digits: no telephone numbers are looked for here"
            )
            yield _finding("phone", "review", message, seen.span(unread, len(seen.text)))
            return


def _of_kind(kind: _DataKind, read: View, own: str, taken: Apart) -> Iterator[Finding]:
    for found in matches(kind.pattern, read.text):
        if kind.rule in _NUMBERS and _is_of_goods(read.text, found.start()):
            continue
        span = read.span(*found.span())
        if kind.holds(found[0]) and not _known(found[0], kind, own) and taken.take(*span):
            yield _finding(kind.rule, kind.severity, kind.said, span)


def _known(found: str, kind: _DataKind, own: str) -> bool:
    """Whether brand or brief state it; of a plate, also without its first character, as a model's name."""
    said = _bare(found)
    return said in own or (kind.rule == "plate" and said[1:] in own)


def _finding(rule: str, severity: Severity, said: str, span: tuple[int, int]) -> Finding:
    return Finding(rule=f"personal_data.{rule}", severity=severity, message=said, span=span)


def _own(case: Case) -> Iterator[str]:
    """Texts of the brand's profile and of the brief, whose data may be published."""
    brief = case.brief
    yield from chain(case.brand.facts, case.brand.lines.values(), (case.brand.guide,))
    yield from chain((brief.product, brief.notes), brief.attributes.values())


def _bare(text: str) -> str:
    return re.sub(r"[\s().·-]", "", text.casefold())


def _regions(case: Case) -> tuple[str, ...]:
    """Countries whose telephone numbers are recognised without a country code."""
    brand = case.brand
    region = re.search(r"-([A-Z]{2})$", brand.locale)
    usual = {"zh": "CN", "en": "US"}.get(brand.language, brand.language.upper())
    return tuple(dict.fromkeys((*brand.markets, region[1] if region else usual, usual)))


def _calls(text: str, regions: Sequence[str]) -> tuple[list[tuple[int, int]], int | None]:
    """Find telephone numbers that are valid in one of `regions`, or anywhere with a country code.

    Returns:
        their spans, and the index from which on the text was not searched because it has too many digits, or
            None.
    """
    pieces, unread = _numbers(text)
    if not pieces:
        return [], unread
    from phonenumbers import Leniency, PhoneNumberMatcher

    return [
        (start + match.start, start + match.end)
        for region in regions
        for start, end in pieces
        for match in PhoneNumberMatcher(text[start:end], region, leniency=Leniency.VALID)
        if not _is_of_goods(text, start + match.start)
    ], unread


def _numbers(text: str) -> tuple[list[tuple[int, int]], int | None]:
    """Spans of text around digits, and the index from which on there are too many, or None.

    The time of phonenumbers is quadratic in the length, so long pieces are cut into overlapping ones.
    """
    around: list[tuple[int, int]] = []
    for run in _NEAR.finditer(text) if _DIGITS.search(text) else ():
        start, end = max(0, run.start() - _BESIDE), min(len(text), run.end() + _BESIDE)
        if around and start <= around[-1][1]:
            start = around.pop()[0]
        around.append((start, end))
    pieces: list[tuple[int, int]] = []
    left = MOST_DIGITS
    for start, end in around:
        for at in range(start, max(end - 2 * _BESIDE, start + 1), _PIECE - 2 * _BESIDE):
            if left <= 0:
                return pieces, at
            pieces.append((at, min(at + _PIECE, end)))
            left -= pieces[-1][1] - at
    return pieces, None


def _is_of_goods(text: str, start: int) -> bool:
    """Whether a word before a number says that it is one of goods, orders or versions."""
    found = _OF_GOODS.search(text, max(0, start - 40), start)
    return found is not None and not _OF_A_CARD.search(text, max(0, start - 40), start)
