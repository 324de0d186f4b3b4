"""Where copy goes: the limits of each field, one file a channel.

Every limit has its source and date.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from lora_marketing.brands.brand import Name
from lora_marketing.common.documents import Frozen, packaged_document, validated
from lora_marketing.common.errors import Problem, UnknownName, nearest
from lora_marketing.common.plugins import names, require

Unit = Literal[
    "char",
    "byte",
    "byte_gbk",
    "width2",
    "gads_width",
    "baidu_width",
    "yandex",
    "x_weight",
    "half_width",
    "gsm7",
    "ucs2",
    "xhs",
]

Ban = Literal[
    "emoji",
    "braces",
    "hash",
    "repeated_marks",
    "all_capitals",
    "amazon_signs",
    "word_three_times",
    "store_ranking",
    "word_over_22",
    "word_over_23",
]


class Limit(Frozen):
    """How long one field of a channel may be, in `unit`, and how many of it an ad carries.

    `multiline` fields take line breaks. `bans` name what the platform refuses besides (`channels/bans.py`).
    """

    max: Annotated[int, Field(gt=0)] | None = None
    min: Annotated[int, Field(ge=0)] = 0
    recommended: Annotated[int, Field(gt=0)] | None = None
    unit: Unit = "char"
    count_min: int | None = None
    count_max: int | None = None
    multiline: bool = False
    source: str
    source_kind: Literal["official", "official_via_mirror", "third_party", "own"]
    source_date: str
    note: str = ""
    bans: list[Ban] = []

    @property
    def unconfirmed(self) -> str:
        """What to add where a user sees the limit: that no page of the platform itself says so."""
        return " (unconfirmed: not from the platform itself)" if self.source_kind == "third_party" else ""

    def characters(self, language: str) -> int | None:
        """About how many characters of `language` fit: Chinese ones count two or three in some units."""
        if self.max is None or language != "zh":
            return self.max
        if self.unit == "gsm7":
            return 70  # one character outside GSM 03.38 makes the whole message UCS-2
        if self.unit == "byte":
            return self.max // 3  # in UTF-8
        return (
            self.max // 2
            if self.unit in ("byte_gbk", "width2", "gads_width", "baidu_width", "x_weight")
            else self.max
        )


class Channel(Frozen):
    """A place where copy is published, with a title a copywriter knows and its fields."""

    title: Name
    fields: dict[str, Limit]


def channel_names() -> tuple[str, ...]:
    """The names of all channels."""
    return names(__name__, ".yaml")


@cache
def load_channel(name: str) -> Channel:
    """Read one channel.

    Raises:
        UnknownName: no such channel; the nearest one is named.
    """
    require(__name__, ".yaml", name)
    document = packaged_document(__name__, f"{name}.yaml")
    return validated(Channel, document.value, document.places)


def load_limit(channel: str, field: str) -> Limit:
    """The limit of one field.

    Raises:
        UnknownName: no such channel, or the channel has no such field.
    """
    fields = load_channel(channel).fields
    if field not in fields:
        raise UnknownName(
            Problem(f'channel {channel} has no field "{field}"', allowed=nearest(field, fields))
        )
    return fields[field]
