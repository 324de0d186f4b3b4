"""Exports: files that other programs take approved texts from. One file per format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol, cast

from lora_marketing.brands.brand import Brief
from lora_marketing.channels import load_limit
from lora_marketing.channels.counting import count
from lora_marketing.channels.structure import AD, read_ad
from lora_marketing.common.errors import DataError, NotApproved, Problem, ReviewError
from lora_marketing.common.plugins import module, names
from lora_marketing.common.printable import unprintable
from lora_marketing.review.log import SHIPPABLE, Item
from lora_marketing.review.sheet import begins_formula, sheet


@dataclass(frozen=True)
class Shipment:
    """What a file is made for.

    Args:
        ship: everything in it is to be published.
        campaign: name of the campaign; the brand's if empty.
        group: name of the ad group or ad set; the product's if empty.
        url: landing page.
        literal: whether cells that a spreadsheet would run as formulas are written as they are.
    """

    ship: bool = False
    campaign: str = ""
    group: str = ""
    url: str = ""
    literal: bool = False


class Export(Protocol):
    """What an export file offers. `CHANNELS` are those that it takes; all if empty."""

    CHANNELS: tuple[str, ...]

    def content(self, items: Sequence[Item], shipment: Shipment) -> bytes:
        """The file."""


@cache
def export_names() -> tuple[str, ...]:
    """All formats, as the command line writes them."""
    return tuple(name.replace("_", "-") for name in names(__name__, ".py"))


def exported(name: str, items: Sequence[Item], shipment: Shipment) -> bytes:
    """A file with those of `items` that the format takes.

    Rejected texts are left out of drafts. What is shipped must be approved, all of it.

    Raises:
        UnknownName: no such format. NotApproved: a text to be shipped was not approved.
        ReviewError: there is nothing to write, or the format cannot hold it; all problems at once.
    """
    export = cast(Export, module(__name__, name.replace("-", "_")))
    taken = [item for item in items if not export.CHANNELS or item.written.brief.channel in export.CHANNELS]
    if not shipment.ship:
        taken = [item for item in taken if item.state != "rejected"]
    refused = [
        Problem(f"{item.id[:16]} is {item.state}", got=item.text, fix="review approve, or leave it out")
        for item in taken
        if shipment.ship and item.state not in SHIPPABLE
    ]
    if refused:
        raise NotApproved(refused)
    if not taken:
        allowed = f"texts for {', '.join(export.CHANNELS)}" if export.CHANNELS else None
        raise ReviewError(Problem("nothing to export", allowed=allowed))
    return export.content(taken, shipment)


@dataclass(frozen=True)
class ExportedText:
    """One text of one field, and the item that it is (part of)."""

    text: str
    item: Item


@dataclass(frozen=True)
class ExportedAd:
    """Texts of one brand for one product, by field, in the order in which they were put up."""

    brand: str
    line: str
    brief: Brief
    fields: dict[str, list[ExportedText]]

    def texts(self, field: str) -> list[str]:
        """What stands in one field."""
        return [text.text for text in self.fields.get(field, [])]

    def variants(self) -> Iterator[dict[str, ExportedText]]:
        """The first text of every field, then the second; a field with fewer texts begins again."""
        for place in range(max(map(len, self.fields.values()))):
            yield {field: texts[place % len(texts)] for field, texts in self.fields.items()}

    def problems(self) -> Iterator[Problem]:
        """Texts that are too long for their field, in its unit, and texts that stand there twice."""
        for field, texts in self.fields.items():
            limit = load_limit(self.brief.channel, field)
            for place, exported_text in enumerate(texts):
                length, where = count(exported_text.text, limit.unit), exported_text.item.id[:16]
                if limit.max is not None and length > limit.max:
                    allowed = f"{limit.max} {limit.unit}{limit.unconfirmed}"
                    yield Problem(
                        f"too long for a {field}", where, f"{length}: {exported_text.text}", allowed
                    )
                if not limit.multiline and "\n" in exported_text.text.strip():
                    yield Problem(f"a line break in a {field}", where, exported_text.text, "one line")
                if exported_text.text in self.texts(field)[:place]:
                    yield Problem(f"the ad has this {field} twice", where, got=exported_text.text)


def ads(items: Sequence[Item]) -> list[ExportedAd]:
    """Texts whose briefs differ in nothing but the field make one ad; a whole ad is one by itself.

    Raises:
        DataError: whole ads that are broken, all at once.
    """
    ads_of: dict[tuple[str, ...], ExportedAd] = {}
    problems: list[Problem] = []
    for item in items:
        written = item.written
        brief = written.brief.model_copy(update={"field": ""})
        key = (written.brand, written.line, brief.key)
        if written.brief.field != AD:
            ad = ads_of.setdefault(key, ExportedAd(written.brand, written.line, brief, {}))
            ad.fields.setdefault(written.brief.field, []).append(ExportedText(item.text, item))
            continue
        try:
            whole = read_ad(item.text, brief.channel)
        except DataError as error:
            problems += [replace(problem, where=item.id[:16]) for problem in error.problems]
            continue
        fields = {field: [ExportedText(text, item) for text in texts] for field, texts in whole.items()}
        ads_of[*key, item.id] = ExportedAd(written.brand, written.line, brief, fields)
    if problems:
        raise DataError(problems)
    return list(ads_of.values())


def ids_of(used: Iterable[ExportedText]) -> list[str]:
    """Short ids of the items, each once."""
    return list(dict.fromkeys(text.item.id[:16] for text in used))


def state_of(used: Iterable[ExportedText]) -> str:
    """`DRAFT` with the ids of what was not approved; the ids of all if everything was."""
    texts = list(used)
    drafts = ids_of(text for text in texts if text.item.state not in SHIPPABLE)
    return f"DRAFT, not approved: {' '.join(drafts)}" if drafts else f"approved: {' '.join(ids_of(texts))}"


def import_sheet(
    columns: Sequence[str], rows: Sequence[Sequence[str]], problems: Sequence[Problem], literal: bool
) -> bytes:
    """A sheet for an importer, in which an apostrophe would be published.

    Raises:
        ReviewError: `problems`, cells with control characters, and cells that a spreadsheet would run as
            formulas unless `literal`.
    """
    fix = "review edit, or --literal if no spreadsheet will open the file"
    risky = [
        Problem(f"{column} begins like a formula, which a spreadsheet would run", got=cell, fix=fix)
        for row in rows
        for column, cell in zip(columns, row, strict=True)
        if begins_formula(cell) and not literal
    ]
    risky += [
        Problem(f"{column} has control characters", got=cell, fix=f"review edit: take out {letter}")
        for row in rows
        for column, cell in zip(columns, row, strict=True)
        if (letter := unprintable(cell))
    ]
    if problems or risky:
        raise ReviewError([*problems, *risky])
    return sheet(columns, rows, "as they are")
