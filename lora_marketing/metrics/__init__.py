"""Metrics: numbers that describe a set of texts, one file each.

A metric gives counts for each text (matches, lengths, texts that passed). The counts of a set of texts are
added up, and its figure is computed from the sums; so a bootstrap resample only adds other counts. A figure
that cannot be computed from sums, such as distinct-n, has a function of all texts instead (`Figure.whole`).
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
"""The numbers that one text adds to the sums of a figure."""
Values = Mapping[str, Sequence[str]]
"""The values of each attribute, by the attribute's name."""


@dataclass(frozen=True)
class MeasuredText:
    """One text with everything that a metric may need to measure it.

    Args:
        answer: the text as the model wrote it; a whole ad is JSON, so metrics read `text` or `pieces`.
        brief: the brief that the text answers.
        brand: name of the brand that the text was written for.
        language: language code of the brand's locale, such as `en` or `zh`.
        stopped: whether the model ended the text by itself.
        references: texts that people wrote for the same brief, without JSON (see `channels.structure.plain`).
        verdict: the guards' verdict; None if the guards did not run.
        sounds_like: the brand that the voice classifier predicts; None without a classifier.
        copied: length in words of the longest passage copied from the training texts; None if not checked.
        known: the values that each attribute has in the whole data set; one that the brief does not have is
            counted as invented.
        wordings: other ways to say a value of an attribute, by attribute and value.
        facts: facts of the brand's profile, which a text may state without being asked to.
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
        """The answer without JSON and field names."""
        return plain(self.answer, self.brief)

    @property
    def pieces(self) -> Sequence[Piece]:
        """The separate texts of the answer, such as headlines; empty if an ad's JSON cannot be read."""
        return pieces(self.answer, self.brief)


def ratio(sums: Sequence[float]) -> float:
    """The first sum divided by the second (a mean or a share), or NaN if the second is 0."""
    return sums[0] / sums[1] if sums[1] else nan


@dataclass(frozen=True)
class Figure:
    """One number that a metric gives, and how to compute and show it.

    Args:
        title: its name in tables.
        unit: `share` is a fraction, shown in per cent; `points` go from 0 to 100; `number` is any other.
        better: whether more or less is better; None where it depends.
        value: computes the figure from the summed counts.
        whole: computes the figure from all texts at once, where summed counts do not give it.
        among: True if a text's counts depend on the other texts of its brief. Such a figure is named like its
            metric.
    """

    title: str
    unit: Literal["share", "points", "number"]
    better: Literal["more", "less"] | None = None
    value: Callable[[Sequence[float]], float] = ratio
    whole: Callable[[Sequence[str]], float] | None = None
    among: bool = False

    def told(self, value: float) -> str:
        """Format the value for a table, with a real minus sign."""
        formatted = f"{value:.1%}" if self.unit == "share" else f"{value:.1f}"
        return formatted.replace("-", "−")


class Metric(Protocol):
    """The interface of a metric file: its figures by name, and `count`."""

    FIGURES: Mapping[str, Figure]

    def count(self, texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
        """Give the counts of each text by figure, in order; `texts` are those of one model for one brand."""


@cache
def metric_names() -> tuple[str, ...]:
    """The names of all metrics."""
    return names(__name__, ".py")


@cache
def load_metric(name: str) -> Metric:
    """Import one metric by its name.

    Raises:
        UnknownName: there is no metric of this name.
    """
    return cast(Metric, module(__name__, name))


@cache
def all_figures() -> Mapping[str, Figure]:
    """The figures of all metrics by name."""
    return {key: figure for name in metric_names() for key, figure in load_metric(name).FIGURES.items()}
