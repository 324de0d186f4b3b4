"""Approved and edited texts as training rows, and as pairs of a better and a worse text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from pydantic import ValidationError

from lora_marketing.brands.brand import Brief, Example
from lora_marketing.common.documents import Frozen, shown, validation_problems
from lora_marketing.common.errors import DataError, Problem
from lora_marketing.review.log import SHIPPABLE, Item
from lora_marketing.review.queue import Queue


class ReviewedPair(Frozen):
    """Two texts for one brief: what people took, and what they did not. `ids` are the items of both."""

    brief: Brief
    chosen: str
    rejected: str
    ids: tuple[str, str]

    def row(self) -> dict[str, object]:
        """One JSON line: the keys of the brief, `chosen`, `rejected` and an id of both."""
        chosen, rejected = self.ids
        brief = {"id": f"{chosen[:16]}-{rejected[:16]}", **self.brief.model_dump(mode="json")}
        return {**brief, "chosen": self.chosen, "rejected": self.rejected}


def approved_rows(queue: Path, brand: str, line: str | None = None) -> list[tuple[str, Example]]:
    """Texts that were approved, or edited (then the edited text), each with its place. The id is the item's.

    Raises:
        ReviewError: there is no such queue. DataError: texts that are no training rows, all at once.
    """
    problems: list[Problem] = []
    rows: list[tuple[str, Example]] = []
    with Queue(queue) as opened:
        taken = opened.items(SHIPPABLE, brand, line)
    for item in taken:
        place = f"{shown(queue)} {item.id[:16]}"
        asked = item.written.brief.model_dump() | {"line": item.written.line}
        value = {**asked, "id": item.id, "text": item.text}
        try:
            rows.append((place, Example.model_validate(value)))
        except ValidationError as error:
            problems += validation_problems(Example, value, error, {(): place}, lacks="row without")
    if problems:
        raise DataError(problems)
    return rows


def pairs(queue: Path, brand: str, line: str | None = None) -> list[ReviewedPair]:
    """What was taken against what was not: every text against the rejected ones of its brief and line,
    and every edited text against what it was before.

    Raises:
        ReviewError: there is no such queue.
    """
    with Queue(queue) as opened:
        items = opened.items((), brand, line)
    reviewed: list[ReviewedPair] = []
    for _, group in groupby(sorted(items, key=_asked), key=_asked):
        reviewed += _pairs_of(list(group))
    return reviewed


def _asked(item: Item) -> tuple[str, str]:
    return item.written.line, item.written.brief.key


def _pairs_of(items: list[Item]) -> Iterator[ReviewedPair]:
    taken = [item for item in items if item.state in SHIPPABLE]
    for good in taken:
        brief = good.written.brief.model_copy(update={"line": good.written.line})
        if good.state == "edited":
            yield ReviewedPair(
                brief=brief, chosen=good.text, rejected=good.written.text, ids=(good.id, good.id)
            )
        for bad in items:
            if bad.state == "rejected" and bad.text != good.text:
                yield ReviewedPair(brief=brief, chosen=good.text, rejected=bad.text, ids=(good.id, bad.id))
