"""Ad copy: what is the same for all briefs of a brand comes first, so that it is computed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.channels import Limit, load_channel, load_limit
from lora_marketing.channels.structure import AD, ad_fields, counts
from lora_marketing.tasks import Message

LONG = 300
"""Longer limits than this (characters) are not told to the model."""


@dataclass(frozen=True)
class _AdCopyWords:
    """The prompt's fixed words in one language."""

    system: str
    facts: str
    order: str
    limit: str
    ideal: str
    product: str
    audience: str
    notes: str
    pair: str
    ad: str
    pieces: str


_ENGLISH = _AdCopyWords(
    system="You write copy for {name}. {guide}",
    facts="Facts: {facts}",
    order="Write one {field} for {channel}.",
    limit=" At most {limit} characters.",
    ideal=" Ideally at most {limit} characters.",
    product="Product: {product}",
    audience="Audience: {audience}",
    notes="Notes: {notes}",
    pair="{key}: {value}",
    ad="Write one whole ad for {channel}, as JSON that lists the texts of each field. No two alike.",
    pieces="{field}: {number}.{length}",
)
_CHINESE = _AdCopyWords(
    system="你为{name}写文案。{guide}",
    facts="事实：{facts}",
    order="为{channel}写一条 {field}。",
    limit="不超过 {limit} 个字符。",
    ideal="最好不超过 {limit} 个字符。",
    product="产品：{product}",
    audience="受众：{audience}",
    notes="备注：{notes}",
    pair="{key}：{value}",
    ad="为{channel}写一整条广告，用 JSON 列出每个字段的文案，各条不得雷同。",
    pieces="{field}：{number} 条。{length}",
)


def messages(brief: Brief, brand: Brand) -> list[Message]:
    """System turn with the brand's guide and facts, user turn with the brief.

    Raises:
        UnknownName: the brief's channel or field does not exist.
    """
    words = _words(brand)
    return [system_turn(brand), {"role": "user", "content": _user(brief, brand, words)}]


def system_turn(brand: Brand) -> Message:
    """The brand's guide and facts, as they stand before every brief, and before every chat."""
    return {"role": "system", "content": _system(brand, _words(brand))}


def _words(brand: Brand) -> _AdCopyWords:
    return _CHINESE if brand.language == "zh" else _ENGLISH


def _system(brand: Brand, words: _AdCopyWords) -> str:
    parts = [words.system.format(name=brand.display_name, guide=brand.guide)]
    if brand.facts:
        parts.append(words.facts.format(facts=" ".join(brand.facts)))
    return "\n".join(parts)


def _user(brief: Brief, brand: Brand, words: _AdCopyWords) -> str:
    lines = list(_order(brief, brand.language, words))
    lines.append(words.product.format(product=brief.product))
    lines += [words.pair.format(key=key, value=value) for key, value in brief.attributes.items()]
    if brief.audience:
        lines.append(words.audience.format(audience=brief.audience))
    if brief.notes:
        lines.append(words.notes.format(notes=brief.notes))
    return "\n".join(lines)


def _order(brief: Brief, language: str, words: _AdCopyWords) -> Iterator[str]:
    """What to write: one text, or an ad with so many texts of every field."""
    title = load_channel(brief.channel).title
    if brief.field != AD:
        length = _length(load_limit(brief.channel, brief.field), language, words)
        yield words.order.format(field=brief.field.replace("_", " "), channel=title) + length
        return
    yield words.ad.format(channel=title)
    for field, limit in ad_fields(brief.channel).items():
        least, most = counts(limit)
        number = str(most) if least == most else f"{least}–{most}"
        yield words.pieces.format(field=field, number=number, length=_length(limit, language, words))


def _length(limit: Limit, language: str, words: _AdCopyWords) -> str:
    """The field's limit in words; one that no copywriter comes near is left out."""
    if limit.recommended:
        return words.ideal.format(limit=limit.recommended)
    most = limit.characters(language)
    return words.limit.format(limit=most) if most and most <= LONG else ""
