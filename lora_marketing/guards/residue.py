"""Residue: what a template, an encoding, a web page or the model itself left in a text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from lora_marketing.channels import load_channel
from lora_marketing.channels.structure import AD
from lora_marketing.guards import Case, Finding, Severity
from lora_marketing.text.scripts import HAN

_BROKEN = re.compile("\ufffd+|锟斤拷(?:锟|斤|拷)*|(?:烫烫烫|屯屯屯)[烫屯]*")
_GBK = re.compile(rf"[{HAN}€]{{4,200}}")
"""Chinese letters that may be UTF-8 read as GBK."""
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_TAG = re.compile(
    r"</?(?:br|p|b|i|u|em|strong|small|sup|sub|span|div|ul|ol|li|h[1-6]|table|tr|td|font|center|hr)"
    r"(?:\s[^<>]{0,200})?/?>",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\[nrt](?![a-z]{2})|\\['\"]|\\u[0-9A-Fa-f]{4}|%(?:20|0A|0D|C2%A0|E2%80%99)", re.ASCII)
_FILL = (
    "insert|your|enter|add|name|customer|client|user|first|last|full|company|brand|business|product|item"
    "|service|link|url|website|date|day|time|city|location|country|address|price|amount|number|phone|email"
    "|code|image|photo|logo|title|headline|subject|cta|call to action|placeholder|xx+"
)
_ENDS = (
    "name|link|url|here|date|price|city|location|product|brand|code|number|address|title|image|placeholder"
)
_FILL_ZH = (
    "插入|填写|填入|您的|你的|请输入|此处|产品|品牌|商品|客户|用户|公司|姓名|名称|链接|网址|日期|时间|城市|"
    "地址|价格|金额|电话|优惠码|占位"
)
_SLOT = re.compile(
    rf"\[(?:(?:{_FILL})\b[^\[\]\n]{{0,60}}|[^\[\]\n]{{1,40}}\b(?:{_ENDS}))\](?!\()"
    rf"|<(?:(?:insert|your|enter)\b[^<>\n]{{1,60}}|(?:[a-z]{{2,20}}[ _-])?(?:{_ENDS}))>"
    rf"|[\[【<〈《（(](?:请)?(?:{_FILL_ZH})[^\[\]【】<>《》（）()\n]{{0,12}}(?:{_FILL_ZH})?[\]】>〉》）)](?<=[\]】>])"
    r"|(?<![A-Za-z0-9])X{2,}(?:%| %|折|元)|(?<![A-Za-z0-9])[$£€¥]X{1,4}(?![A-Za-z0-9])|_{4,}",
    re.IGNORECASE,
)
"""`[Customer Name]`, `<your name>`, 【插入链接】, `$XX`, `____`; but no `[link](https://…)`."""
_BRACES = re.compile(
    r"\{{1,2} ?[^\W\d][\w .:'=()/,-]{0,80}\}{1,2}|\{{2} ?\d{1,2} ?\}{2}|\$\{[^{}\n]{1,60}\}|%%[\w.]{1,40}%%"
    r"|\*\|[\w:]{1,40}\|\*|\{%[^%\n]{1,80}%\}|%\(\w{1,40}\)[sd]|(?<![\w%])%[sd](?!\w)"
)
_FILLER = re.compile(
    r"\b(?:TODO|FIXME|TBD|TBC|TKTK)\b|(?<![\w-])(?:undefined|NaN)(?=[,.!]|\Z)|\[object Object\]"
    r"|(?<!\[)\b(?i:insert (?:link|text|name|image)(?: name)? here)\b"
    r"|待补充|待定文案|此处省略|占位文[字本]"
)
_FILLER_ANY_CASE = re.compile(r"\blorem ipsum\b|\bdolor sit amet\b|\bplaceholder text\b", re.IGNORECASE)
_COPY = r"(?:headline|caption|ad|advert|copy|description|text|version|option|subject line|tagline|slogan)s?"
_MODEL = re.compile(
    r"\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"(?![ -](?:company|brand|powered|driven|startup|agency))"
    r"|\bi(?:'|’)?a?m (?:just )?an? (?:ai (?:assistant|model|language model)|(?:large )?language model)\b"
    r"|\bi(?:'|’)m sorry, (?:but )?(?:i|as)\b"
    r"|\bi (?:cannot|can(?:'|’)t|am unable to) (?:assist|help|fulfil|comply|provide|write|generate|create)\b"
    r"|\A\W{0,3}(?:sure|certainly|of course|absolutely)[!,.:][^.!?\n]{0,30}\bhere(?:(?:'|’)s| is| are)\b"
    rf"|\Ahere(?:(?:'|’)s| is| are) (?:an?|the|your|some|\d+) (?:[\w-]+ ){{0,5}}{_COPY}\b[^.!?\n]{{0,60}}:"
    r"|\bmy (?:knowledge|training) cut-?off\b"
    r"|作为(?:一个|一款|一名)?(?:AI|人工智能|大?语言模型|智能助手)(?:助手|模型|语言模型)?[,，我]"
    r"|我(?:是|只是)(?:一个|一款)?(?:AI|人工智能|大?语言模型)|抱歉[,，]我(?:不能|无法)"
    r"|\A(?:好的|当然)[,，!！。][^。！？\n]{0,12}(?:以下是|这是|为您|为你)",
    re.IGNORECASE,
)
_RULES: tuple[tuple[str, Severity, str, re.Pattern[str]], ...] = (
    ("encoding", "block", "letters that were lost or read in a wrong encoding", _BROKEN),
    ("markup", "block", "a tag of a web page", _TAG),
    ("markup", "block", "a sign written as in the source of a program", _ESCAPE),
    ("slot", "block", "a place that somebody was to fill", _SLOT),
    ("filler", "block", "words that hold a place until there are others", _FILLER),
    ("filler", "block", "words that hold a place until there are others", _FILLER_ANY_CASE),
    ("model", "block", "the model speaks of itself, or to whoever asked it", _MODEL),
)
_GOOGLE = re.compile(
    r"\{=?(?:keyword(?::[^{}]*)?|(?:customizer\.|param\d:|(?:location|countdown|if)\()[^{}]*)\}",
    re.IGNORECASE,
)
OWN_SYNTAX: dict[str, tuple[str, re.Pattern[str]]] = {
    "google_": ("Google Ads", _GOOGLE),
    "microsoft_": ("Microsoft Advertising", _GOOGLE),
    "whatsapp_": ("WhatsApp templates", re.compile(r"\{\{(?:[1-9]\d?|[a-z][a-z0-9_]{0,40})\}\}")),
    "email": ("Mailchimp", re.compile(r"\*\|[A-Z0-9_:]{1,40}\|\*")),
}
"""By the beginning of a channel's name: whose it is, and what the platform itself fills in."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """Broken letters, entities, tags, unfilled places, filler, the model's own voice, stray line breaks."""
    for rule, severity, message, pattern in _RULES:
        for found in pattern.finditer(text):
            yield Finding(rule=f"residue.{rule}", severity=severity, message=message, span=found.span())
    for found in _ENTITY.finditer(text):
        if (said := html.unescape(found[0])) != found[0]:
            message = f"{found[0]} stands for {said.strip() or 'a space'} on a web page alone"
            yield _fix("entity", message, found.span(), said)
    yield from _wrong_encoding(text)
    yield from _braces(text, case.brief.channel)
    yield from _line_breaks(text, case)


def _fix(rule: str, message: str, span: tuple[int, int], suggestion: str | None) -> Finding:
    return Finding(
        rule=f"residue.{rule}", severity="block", message=message, span=span, suggestion=suggestion
    )


def _wrong_encoding(text: str) -> Iterator[Finding]:
    """UTF-8 that was read as Latin or Chinese letters, and what it says."""
    message = "letters that were read in a wrong encoding"
    if not text.isascii():
        from ftfy import fix_encoding
        from ftfy.badness import BADNESS_RE

        if (meant := fix_encoding(text)) != text:
            spans = [found.span() for found in BADNESS_RE.finditer(text)]
            span = (spans[0][0], spans[-1][1]) if spans else (0, len(text))
            yield _fix("encoding", message, span, meant if len(meant) <= 200 else None)
    for found in _GBK.finditer(text):
        try:
            said = found[0].encode("gb18030").decode()
        except UnicodeError:
            continue
        if re.fullmatch(f"[{HAN}]+", said):
            yield _fix("encoding", message, found.span(), said)


def _braces(text: str, channel: str) -> Iterator[Finding]:
    """Names in braces and the like: the syntax of some platform's templates, fine only on that platform."""
    own = [pattern for begin, (_, pattern) in OWN_SYNTAX.items() if channel.startswith(begin)]
    filled = [found.span() for pattern in own for found in pattern.finditer(text)]
    for found in _BRACES.finditer(text):
        if any(start <= found.start() < end for start, end in filled):
            continue
        whose = [name for name, pattern in OWN_SYNTAX.values() if pattern.fullmatch(found[0])]
        of = f", which is the syntax of {' and '.join(whose)} and not of {channel}" if whose else ""
        message = f"{found[0]} would be published as it is{of}"
        yield _fix("slot", message, found.span(), "write what is to stand there")


def _line_breaks(text: str, case: Case) -> Iterator[Finding]:
    if case.brief.field == AD:
        return
    limit = load_channel(case.brief.channel).fields.get(case.brief.field)
    if limit is None or limit.multiline:
        return
    for found in re.finditer(r"[\n\r\t\v\f\x85\u2028\u2029]+", text.strip()):
        where = f"{case.brief.channel} {case.brief.field}"
        message = f"a line break, and {where} has one line"
        start = found.start() + len(text) - len(text.lstrip())
        span = (start, start + len(found[0]))
        yield Finding(
            rule="residue.line_break", severity="fix", message=message, span=span, suggestion="a space"
        )
