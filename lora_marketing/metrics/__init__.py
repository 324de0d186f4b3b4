"""A number over many texts, one file a metric.

Most figures are made of counts that add up over texts (matches, lengths, texts that passed), so the
figure of any set of texts, also of one drawn anew for an interval, comes from the sum of their counts.
A figure that is no function of a sum says so with `whole`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import nan
from typing import Literal, Protocol, cast

from lora_marketing.brands.brand import Brief
from lora_marketing.channels.structure import Piece, pieces, plain
from lora_marketing.common.plugins import module, names
from lora_marketing.guards import Verdict

Counts = tuple[float, ...]
"""What one text adds to a figure."""
Values = Mapping[str, Sequence[str]]
"""Values of each attribute."""


@dataclass(frozen=True)
class MeasuredText:
    """One text as metrics see it.

    Args:
        answer: what was written; a whole ad is JSON, and metrics read its `text` or its `pieces`.
        brief: what was asked for.
        brand: for whom.
        language: of the brand's locale: `en`, `zh`.
        stopped: whether the model ended the text by itself.
        references: texts that people wrote for the same brief, `plain`.
        verdict: of the guards; None if they were not asked.
        sounds_like: the brand that the voice classifier names; None without a classifier.
        copied: words of the longest passage found in training texts; None if nobody looked.
        known: the values that usual attributes have in the set, to notice one that was not asked for.
        wordings: other ways to say a value of an attribute, by attribute and value.
        facts: what the brand may say unasked.
    """

    answer: str
    brief: Brief
    brand: str
    language: str
    stopped: bool = True
    references: Sequence[str] = ()
    verdict: Verdict | None = None
    sounds_like: str | None = None
    copied: int | None = None
    known: Values | None = None
    wordings: Mapping[str, Values] | None = None
    facts: Sequence[str] = ()

    @cached_property
    def text(self) -> str:
        """The answer without JSON and names of fields."""
        return plain(self.answer, self.brief)

    @property
    def pieces(self) -> Sequence[Piece]:
        """The texts that a reader sees by themselves; none of a broken ad."""
        return pieces(self.answer, self.brief)


def ratio(sums: Sequence[float]) -> float:
    """The first sum by the second: a mean, or a share. Not a number if the second is 0."""
    return sums[0] / sums[1] if sums[1] else nan


@dataclass(frozen=True)
class Figure:
    """One number that a metric gives.

    Args:
        title: how a table names it.
        unit: a share is told in per cent, points are 0 to 100, a number is told as it is.
        better: which way it is better; None where it depends.
        value: the figure from the sum of the counts.
        whole: the figure from all texts at once, where counts do not add up.
        among: what a text adds depends on the other texts of its brief (the figure is named as its metric).
    """

    title: str
    unit: Literal["share", "points", "number"]
    better: Literal["more", "less"] | None = None
    value: Callable[[Sequence[float]], float] = ratio
    whole: Callable[[Sequence[str]], float] | None = None
    among: bool = False

    def told(self, value: float) -> str:
        """The value as a person reads it."""
        told = f"{value:.1%}" if self.unit == "share" else f"{value:.1f}"
        return told.replace("-", "−")


class Metric(Protocol):
    """What a metric file offers."""

    FIGURES: Mapping[str, Figure]

    def count(self, texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
        """For each of one writer's texts for one brand, what it adds to each figure that it bears on."""


@cache
def metric_names() -> tuple[str, ...]:
    """The names of all metrics."""
    return names(__name__, ".py")


@cache
def load_metric(name: str) -> Metric:
    """Import one metric.

    Raises:
        UnknownName: no such metric.
    """
    return cast(Metric, module(__name__, name))


@cache
def all_figures() -> Mapping[str, Figure]:
    """Every figure of every metric by its name."""
    return {key: figure for name in metric_names() for key, figure in load_metric(name).FIGURES.items()}
