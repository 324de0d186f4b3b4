"""Data to text: attributes become a sentence or two that say all of them and nothing else.

The order is the same for all briefs and brands, and comes first, so that it is computed once; the
adapter knows the voice from its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.tasks import Message


@dataclass(frozen=True)
class _DataToTextWords:
    """The prompt's fixed words in one language."""

    system: str
    name: str
    audience: str
    notes: str
    pair: str


_ENGLISH = _DataToTextWords(
    system="Put the data into a sentence or two: all of them, and nothing else.",
    name="name: {name}",
    audience="audience: {audience}",
    notes="notes: {notes}",
    pair="{key}: {value}",
)
_CHINESE = _DataToTextWords(
    system="把下列数据写成一两句话：一项不漏，也不添加。",
    name="名称：{name}",
    audience="受众：{audience}",
    notes="备注：{notes}",
    pair="{key}：{value}",
)


def messages(brief: Brief, brand: Brand) -> list[Message]:
    """System turn with the order, user turn with one line per attribute."""
    words = _words(brand)
    lines = [words.name.format(name=brief.product)]
    lines += [words.pair.format(key=key, value=value) for key, value in brief.attributes.items()]
    if brief.audience:
        lines.append(words.audience.format(audience=brief.audience))
    if brief.notes:
        lines.append(words.notes.format(notes=brief.notes))
    return [system_turn(brand), {"role": "user", "content": "\n".join(lines)}]


def system_turn(brand: Brand) -> Message:
    """The order, in the brand's language."""
    return {"role": "system", "content": _words(brand).system}


def _words(brand: Brand) -> _DataToTextWords:
    return _CHINESE if brand.language == "zh" else _ENGLISH
