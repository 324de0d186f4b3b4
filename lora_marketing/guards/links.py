"""Links: finds addresses that are foreign, disguised, unsafe or track readers, and markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from unicodedata import normalize
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from lora_marketing.common.documents import Frozen, packaged_document, validated
from lora_marketing.guards import Case, Finding
from lora_marketing.text.bounded import Apart, matches
from lora_marketing.text.normalise import View
from lora_marketing.text.scripts import HAN
from lora_marketing.text.spelling import plain

if TYPE_CHECKING:
    from tldextract import TLDExtract

_URL = re.compile(r"(?i:\bhttps?://|\bftp://|(?<![\w:])//|\bwww\.)[^\s<>\"'“”‘’（）()\[\]，。；！？、]+")
_LETTER = rf"[^\W_{HAN}]"
_BARE = re.compile(
    rf"(?<!{_LETTER})(?<![A-Za-z0-9_@./-])(?:{_LETTER}(?:{_LETTER}|-)*+(?<!-)\.)+(?!\d){_LETTER}{{2,}}"
    r"(?:/[^\s<>\"'（）()，。；！？]*)?"
)
_SCRIPT = re.compile(r"(?i)\b(?:javascript|vbscript):[!-~]+|\bdata:[\w/+.-]*[;,]\S*")
_IMAGE = re.compile(
    r"!\[[^\]]{0,400}\]\([^)]{0,400}\)|<\s*(?:img|iframe|script|object|embed|svg)\b[^>]*>?", re.IGNORECASE
)
_MARKUP = re.compile(
    r"(?<!!)\[[^\]]{1,400}\]\([^)]{1,400}\)|<\s*+/?\s*+(?:a|form|meta|link|base)\b[^>]{0,400}>", re.IGNORECASE
)
_DEFANGED = re.compile(
    r"(?P<scheme>\bh(?:xx|tt|\*\*)p(?P<safe>s?) ?(?:\[:\]|:) ?//)"
    r"|(?<=[A-Za-z0-9-]) ?[\[({] ?(?:\.|dot|点) ?[\])}] ?(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])\\\.(?=[A-Za-z0-9])",
    re.IGNORECASE,
)
"""Signs around a dot, another scheme."""
_STOP = re.compile(r"(?<=[A-Za-z0-9])[。｡](?=[A-Za-z0-9])")
_WIDE = frozenset("．／：－")
"""Full-width signs that may be part of an address; others end an address in a Chinese sentence."""
_NO_WORDS = frozenset(
    ("com", "org", "cn", "io", "uk", "eu", "de", "fr", "ru", "jp", "kr", "xyz", "biz", "cc")
)
"""Domain endings that are an address in any case, as no sentence begins with them, unlike `In`."""
_LONGEST_HOST = 253
_LAST = ".,;:!?…'\"*_~"


class Web(Frozen):
    """The content of packs/links.yaml: link shorteners, tracking parameters, and file endings."""

    version: str
    shorteners: list[str]
    tracking: list[str]
    files: list[str]


@dataclass(frozen=True)
class _Link:
    """An address in a text: `said` as it is written, `parts` as a browser reads it."""

    said: str
    span: tuple[int, int]
    parts: SplitResult

    @property
    def host(self) -> str:
        return (self.parts.hostname or "").rstrip(".")


def find(text: str, case: Case) -> Iterator[Finding]:
    """Links to hosts that the brand does not name, shortened, tracking, unsafe and disguised ones, markup.

    Those too that are written so that no machine follows them: `evil[.]co`, `hxxps://`.
    """
    seen = View(_narrow(text), None).replaced(_DEFANGED, _armed)
    for finding in _found(seen.text, case):
        yield (
            finding if finding.span is None else finding.model_copy(update={"span": seen.span(*finding.span)})
        )


def _armed(found: re.Match[str]) -> str:
    return f"http{'s' * bool(found['safe'])}://" if found["scheme"] else "."


def _found(text: str, case: Case) -> Iterator[Finding]:
    for pattern, rule, message in (
        (_SCRIPT, "script", "a link that runs code"),
        (_IMAGE, "embedded", "loads something from elsewhere when it is shown"),
    ):
        for found in matches(pattern, text):
            yield Finding(rule=f"links.{rule}", severity="block", message=message, span=found.span())
    for found in matches(_MARKUP, text):
        message = "markup of a link: the text is published as it stands"
        yield Finding(rule="links.markup", severity="fix", message=message, span=found.span())
    for link in _links(text, case.brand.links):
        yield from _host(link, case.brand.links)
        yield from _manner(link)


def _narrow(text: str) -> str:
    """The text as a browser reads addresses: half width, with `。` as a dot; its length does not change."""
    return text if text.isascii() else _STOP.sub(".", "".join(map(_narrow_letter, text)))


@lru_cache(maxsize=4096)
def _narrow_letter(letter: str) -> str:
    shown = normalize("NFKC", letter) if letter.isalnum() or letter in _WIDE else letter
    return shown if len(shown) == 1 else letter


def _links(text: str, allowed: list[str]) -> Iterator[_Link]:
    taken = Apart()
    for pattern in (_URL, _BARE):
        for found in matches(pattern, text):
            said = found[0].rstrip(_LAST)
            span = found.start(), found.start() + len(said)
            if taken.touch(*span):
                continue
            link = _link(said, span)
            if link and (pattern is _URL or _is_host(link, allowed)):
                taken.take(*span)
                yield link


def _link(said: str, span: tuple[int, int]) -> _Link | None:
    whole = said if "//" in said else f"https://{said}"
    try:
        parts = urlsplit(whole)
        host = parts.hostname
    except ValueError:  # no address at all: https://[
        return None
    return _Link(said, span, parts) if host else None


def _is_host(link: _Link, allowed: list[str]) -> bool:
    """Whether a match without a scheme is an address: `fjord.com` is, `Node.js` and `ASP.NET` are not."""
    last = link.host.rpartition(".")[2]
    if len(link.host) > _LONGEST_HOST:
        return False
    if _within(link.host, allowed):
        return True
    said = link.said.split("/")[0]
    shouted = (said.isupper() and last != "net") or last in _NO_WORDS
    if last in _web().files or not (shouted or said.endswith(f".{last}")):
        return False
    return _ends_publicly(link.host)


@lru_cache(maxsize=1024)
def _ends_publicly(host: str) -> bool:
    return bool(_domains()(host).suffix)


def _host(link: _Link, allowed: list[str]) -> Iterator[Finding]:
    if _within(link.host, allowed):
        return
    alike = next((own for own in allowed if _looks(link.host) == _looks(own)), None)
    if "xn--" in link.host or alike or _mixed(link.host):
        message = f"{link.host} looks like another address"
        yield Finding(
            rule="links.lookalike", severity="block", message=message, span=link.span, suggestion=alike
        )
    elif _within(link.host, _web().shorteners):
        message = f"{link.host} hides where the link leads"
        yield Finding(rule="links.shortener", severity="block", message=message, span=link.span)
    elif allowed:
        message = f"{link.host} is not one of the brand's links"
        yield Finding(rule="links.foreign", severity="block", message=message, span=link.span)
    else:
        message = f"{link.host}: the brand names no links"
        yield Finding(rule="links.foreign", severity="review", message=message, span=link.span)


def _manner(link: _Link) -> Iterator[Finding]:
    if link.parts.scheme.lower() == "http":
        better = "https" + link.said[4:]
        message = "not encrypted"
        yield Finding(
            rule="links.insecure", severity="fix", message=message, span=link.span, suggestion=better
        )
    if link.parts.username:
        message = "a name or password in an address"
        yield Finding(rule="links.lookalike", severity="block", message=message, span=link.span)
    asked = parse_qsl(link.parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in asked if not _tracks(name)]
    if len(kept) < len(asked):
        clean = urlunsplit(link.parts._replace(query=urlencode(kept)))
        clean = clean if "//" in link.said else clean.removeprefix("https://")
        message = "tells who followed it"
        yield Finding(
            rule="links.tracking", severity="fix", message=message, span=link.span, suggestion=clean
        )


def _within(host: str, allowed: list[str]) -> bool:
    hosts = (own.casefold().removeprefix("https://").removeprefix("www.").rstrip("/") for own in allowed)
    return any(host == own or host.endswith(f".{own}") for own in hosts)


def _tracks(name: str) -> bool:
    return _tracking().fullmatch(name.lower()) is not None


@lru_cache(maxsize=1024)
def _looks(host: str) -> str:
    """What a host looks like: Latin letters for look-alikes, without accents, `o` for 0, `l` for 1."""
    labels = ("".join(map(plain, label)) for label in host.removeprefix("www.").split("."))
    return ".".join(labels).translate(str.maketrans("01", "ol"))


def _mixed(host: str) -> bool:
    """Whether one label mixes Latin letters with look-alikes of another alphabet."""
    return any(
        any("a" <= letter <= "z" for letter in label)
        and any(
            not letter.isascii() and re.fullmatch("[a-z]", plain(letter)) and letter > "\u036f"
            for letter in label
        )
        for label in host.split(".")
    )


@cache
def _tracking() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern.replace('*', '.*')})" for pattern in _web().tracking))


@cache
def _web() -> Web:
    document = packaged_document("lora_marketing.guards", "packs", "links.yaml")
    return validated(Web, document.value, document.places)


@cache
def _domains() -> TLDExtract:
    """tldextract with the public suffix list that it ships with; nothing is downloaded."""
    from tldextract import TLDExtract

    return TLDExtract(suffix_list_urls=(), cache_dir=None)
