"""Whole ads: the fields of a channel together, as JSON that names each field and lists its pieces.

A brief asks for one with the field `ad`. A field with counts has so many pieces, any other field one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lora_marketing.brands.brand import Brief, Example
from lora_marketing.channels import Channel, Limit, load_channel, load_limit
from lora_marketing.common.errors import DataError, Problem, UnknownName, nearest

AD = "ad"
"""The field of a brief that asks for a whole ad."""
Ad = Mapping[str, Sequence[str]]
"""The pieces of every field."""
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?', re.DOTALL)
_LETTER = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|.", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """One text of an ad: its field, which one of the field it is, and where it stands in the JSON."""

    field: str
    number: int
    text: str
    start: int
    raw: str

    @property
    def end(self) -> int:
        """Where it ends in the JSON."""
        return self.start + len(self.raw)

    def span(self, inner: tuple[int, int] | None = None) -> tuple[int, int]:
        """Where characters `inner` of its text stand in the JSON, with its escapes; all of it if None."""
        if inner is None:
            return self.start, self.end
        places = _letter_ends(self.raw)
        return self.start + places[inner[0]], self.start + places[inner[1]]


@lru_cache(maxsize=16)
def _letter_ends(raw: str) -> tuple[int, ...]:
    """Where each letter of a JSON string ends in it, and where the first one begins."""
    return (0, *(found.end() for found in _LETTER.finditer(raw)))


def counts(limit: Limit) -> tuple[int, int]:
    """How many pieces of a field an ad has, at least and at most."""
    if limit.count_max is None:
        return 1, 1
    return limit.count_min or 0, limit.count_max


def has_ads(channel: Channel) -> bool:
    """Whether a channel can be asked for a whole ad: some field of it comes in a number of pieces."""
    return any(limit.count_max for limit in channel.fields.values())


def require_field(channel: str, field: str) -> None:
    """Accept a field of the channel, and `ad` where it has whole ads.

    Raises:
        UnknownName: no such channel, or nothing in it of that name.
    """
    if field == AD:
        ad_fields(channel)
    else:
        load_limit(channel, field)


def ad_fields(channel: str) -> Mapping[str, Limit]:
    """The fields of a whole ad.

    Raises:
        UnknownName: no such channel, or its fields stand alone.
    """
    found = load_channel(channel)
    if not has_ads(found):
        allowed = "one of " + ", ".join(found.fields)
        raise UnknownName(Problem(f'channel {channel} has no whole "{AD}"', allowed=allowed))
    return found.fields


def ad_schema(channel: str, language: str, spare: int = 0) -> dict[str, Any]:
    """JSON schema of an ad in `language`.

    JSON schema knows characters only: where a unit counts Chinese ones double, a Chinese ad gets half
    of them. `spare` lets every piece be so many characters longer than its field allows.

    Raises:
        UnknownName: the channel has no whole ads.
    """
    fields = ad_fields(channel)
    return {
        "type": "object",
        "properties": {field: _list_of(limit, language, spare) for field, limit in fields.items()},
        "required": [field for field, limit in fields.items() if counts(limit)[0]],
        "additionalProperties": False,
    }


def _list_of(limit: Limit, language: str, spare: int) -> dict[str, Any]:
    least, most = counts(limit)
    piece: dict[str, Any] = {"type": "string", "minLength": max(1, limit.min)}
    if characters := limit.characters(language):
        piece["maxLength"] = characters + spare
    return {"type": "array", "minItems": least, "maxItems": most, "items": piece}


def ad_tokens(channel: str, language: str) -> int:
    """More tokens than an ad takes: one for two characters, in Chinese for one, and the JSON."""
    total = 0
    for limit in ad_fields(channel).values():
        characters = limit.characters(language) or 200
        total += counts(limit)[1] * (characters // (1 if language == "zh" else 2) + 8)
    return total


def write_ad(ad: Ad) -> str:
    """JSON on one line, Chinese as it is."""
    return json.dumps({field: list(texts) for field, texts in ad.items() if texts}, ensure_ascii=False)


def read_ad(text: str, channel: str) -> dict[str, tuple[str, ...]]:
    """The pieces of every field of an ad.

    Raises:
        DataError: it is not JSON, not an object of lists of strings, or has unknown, missing, repeated
            or wrongly numbered fields; all at once but for the first.
        UnknownName: the channel has no whole ads.
    """
    fields, pairs = ad_fields(channel), _parsed(text)
    if isinstance(pairs, Problem):
        raise DataError(pairs)
    ad = dict(pairs)
    names = Counter(field for field, _ in pairs)
    problems = [Problem(f'field "{field}" stands twice') for field in ad if names[field] > 1]
    for field in ad.keys() - fields.keys():
        problems.append(Problem(f'channel {channel} has no field "{field}"', allowed=nearest(field, fields)))
    for field, limit in fields.items():
        (least, most), found = counts(limit), len(ad.get(field, ()))
        if not least <= found <= most:
            allowed = f"{least} to {most}" if least < most else str(most)
            problems.append(Problem(f"number of {field} pieces", got=str(found), allowed=allowed))
    if problems:
        raise DataError(problems)
    return ad


def pieces(text: str, brief: Brief) -> list[Piece]:
    """The texts to judge by themselves: the pieces of an ad, else the text as it is.

    A broken ad has none.
    """
    if brief.field != AD:
        return [Piece(brief.field, 0, text, 0, text)]
    return list(_pieces_of_ad(text))


def plain(answer: str, brief: Brief) -> str:
    """What is to be read of an answer: of a whole ad its pieces, one a line; of a broken one nothing."""
    return "\n".join(piece.text for piece in pieces(answer, brief))


# A copy's JSON is asked for by every guard, by mending, ranking and metrics: it is parsed once.
@lru_cache(maxsize=256)
def _pieces_of_ad(text: str) -> tuple[Piece, ...]:
    return () if isinstance(_parsed(text), Problem) else tuple(_strings(text))


@lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[tuple[str, tuple[str, ...]], ...] | Problem:
    """The fields of an ad as they stand in it, or why it is none."""
    try:
        value = json.loads(text, object_pairs_hook=_Pairs)
    except (json.JSONDecodeError, RecursionError) as error:
        return Problem("not JSON", got=str(error))
    lists = isinstance(value, _Pairs) and all(isinstance(texts, list) for _, texts in value)
    if not lists or not all(_is_text(one) for _, texts in value for one in texts):
        return Problem("an ad is an object that lists the texts of each field", got=_kind(value))
    return tuple((field, tuple(texts)) for field, texts in value)


def _is_text(value: Any) -> bool:
    """Whether it is Unicode: an escape can spell half a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


class _Pairs(tuple[tuple[str, Any], ...]):
    """An object of JSON with the keys that stand twice in it."""


def _kind(value: Any) -> str:
    return "an object of other things" if isinstance(value, _Pairs) else f"a {type(value).__name__}"


def _strings(text: str) -> Iterator[Piece]:
    """Every string of an ad that has proved to be one; a string before a colon names the field."""
    field, number = "", 0
    for found in _TOKEN.finditer(text):
        if found[2]:
            field, number = json.loads(f'"{found[1]}"'), 0
        else:
            yield Piece(field, number, json.loads(f'"{found[1]}"'), found.start(1), found[1])
            number += 1


def taught_texts(rows: Iterable[Example]) -> Iterator[str]:
    """What `rows` teach: their texts, and of whole ads every piece by itself."""
    for row in rows:
        yield row.text
        yield from (piece.text for piece in pieces(row.text, row.brief()))
