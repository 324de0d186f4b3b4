"""Chinese words that are written with other letters, pinyin or digits: 蕞好, 全网zui低, 第1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from pydantic import Field

from lora_marketing.common.documents import Frozen, packaged_document, validated
from lora_marketing.text.scripts import HAN, has_han


class Sound(Frozen):
    """How a letter may be written: its pinyin, others that are hardly used for themselves, everyday ones."""

    pinyin: str
    alike: str | list[str] = ""
    ordinary: str = ""


class Homophones(Frozen):
    """The table: letters, the words that are looked for, and where an everyday letter stands for another."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    version: str
    reason: str
    letters: dict[str, Sound]
    rare: dict[str, str]
    words: list[str]
    ordinary_before: list[str]
    ordinary_after: str


@dataclass(frozen=True)
class Meant:
    """A part of a text, and the word that is meant by it."""

    start: int
    end: int
    word: str


def meant(text: str) -> Iterator[Meant]:
    """Words of the table in another spelling than their own, in small half-width simplified letters."""
    if not has_han(text) or not _hints().search(text):
        return
    for found in _spellings().finditer(text):
        word = _words()[found.lastgroup or ""]
        if found[0] != word and (has_han(found[0]) or _beside_han(text, *found.span())):
            yield Meant(*found.span(), word)


def _beside_han(text: str, start: int, end: int) -> bool:
    return has_han(text[max(0, start - 2) : start] + text[end : end + 2])


@cache
def _table() -> Homophones:
    document = packaged_document("lora_marketing.text", "homophones.yaml")
    return validated(Homophones, document.value, document.places)


@cache
def never_meant() -> dict[int, str]:
    """For `str.translate`: letters that hardly anybody writes for themselves, by what they stand for."""
    return str.maketrans(_table().rare)


@cache
def _words() -> dict[str, str]:
    return {f"w{place}": word for place, word in enumerate(_table().words)}


@cache
def _hints() -> re.Pattern[str]:
    """What a text without any disguise seldom holds: pinyin beside Chinese, or one of the other letters."""
    sounds = _table().letters.values()
    alike = "|".join(written for sound in sounds for written in (*sound.alike, *sound.ordinary))
    return re.compile(rf"{alike}|[{HAN}][ ]?[a-z]|[a-z][ ]?[{HAN}]")


@cache
def _spellings() -> re.Pattern[str]:
    choices = (f"(?P<{name}>{''.join(map(_written, word))})" for name, word in _words().items())
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(choices)})(?![a-z0-9]|\.\d)")


def _written(letter: str) -> str:
    """A letter of a word as a pattern; one that the table does not know is written as it is."""
    table = _table()
    sound = table.letters.get(letter)
    if sound is None:
        return letter
    ways = [letter, *(f" ?{way} ?" if way.isascii() else way for way in (*sound.alike, sound.pinyin))]
    if sound.ordinary:
        before = f"(?={'|'.join(table.ordinary_before)})"
        ways.append(f"(?<![{table.ordinary_after}])[{sound.ordinary}]{before}")
    return f"(?:{'|'.join(ways)})"
