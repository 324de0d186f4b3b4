"""One HTML file per evaluation: figures, plots, and every text side by side. It asks nothing of the network.

Texts, names and messages are data: the template escapes all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lora_marketing.brands.brand import Brief
from lora_marketing.common.files import read_resource, write_output
from lora_marketing.common.printable import visible
from lora_marketing.evaluation.comparing import better
from lora_marketing.evaluation.document import Evaluation, ScoredText, WriterScores
from lora_marketing.evaluation.plots import IntervalPlot, interval_plot
from lora_marketing.evaluation.scoring import by_brief
from lora_marketing.evaluation.statistics import UNCORRECTED
from lora_marketing.evaluation.voices import BASE
from lora_marketing.guards import GRAVITY, Finding, Severity, Verdict, verdict
from lora_marketing.metrics import all_figures

PER_TEXT = ("bleu", "chrf", "rouge_l", "slot_coverage", "of_limit")
"""Figures told under each text."""


@dataclass(frozen=True)
class Cell:
    """A figure of one writer as a table tells it."""

    value: str
    interval: str


@dataclass(frozen=True)
class Stretch:
    """A piece of a text with the findings that lie on it; `severity` is that of the gravest."""

    text: str
    severity: Severity | None
    message: str


@dataclass(frozen=True)
class Side:
    """One writer's text for a brief."""

    scored: ScoredText
    stretches: Sequence[Stretch]
    figures: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Block:
    """One brief with all texts written for it and those that people wrote."""

    brand: str
    brief: Brief
    sides: Sequence[Side]
    references: Sequence[str]
    verdicts: str


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write the report of an evaluation.

    Raises:
        OutputError: the file cannot be written.
    """
    write_output(path, rendered(evaluation))


def rendered(evaluation: Evaluation) -> str:
    """The report as HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True
    )
    source = read_resource(__package__, "report.html.jinja")
    return environment.from_string(source).render(
        evaluation=evaluation,
        figures=all_figures(),
        rows=_rows(evaluation),
        plots=_plots(evaluation),
        bars=[_bar(scores) for scores in evaluation.writers],
        comparisons=_comparisons(evaluation),
        blocks=_blocks(evaluation),
        gravity=GRAVITY,
        base=BASE,
        uncorrected=UNCORRECTED,
    )


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value


def stretches(text: str, found: Sequence[Finding]) -> list[Stretch]:
    """`text` cut where findings begin and end, so that overlapping ones are told together."""
    placed = [(finding.span, finding) for finding in found if finding.span is not None]
    cuts = sorted({0, len(text), *(min(end, len(text)) for span, _ in placed for end in span)})
    cut = []
    for start, end in pairwise(cuts):
        here = [finding for span, finding in placed if span[0] <= start and end <= span[1]]
        gravest = verdict(here)
        message = "\n".join(f"{finding.rule}: {finding.message}" for finding in here)
        cut.append(Stretch(text[start:end], None if gravest == "pass" else gravest, message))
    return cut


def _rows(evaluation: Evaluation) -> list[tuple[str, str | None, list[Cell | None]]]:
    """Title, which way is better, and a cell for each writer, of every figure that somebody has."""
    rows: list[tuple[str, str | None, list[Cell | None]]] = []
    for name, figure in all_figures().items():
        estimates = [scores.figures.get(name) for scores in evaluation.writers]
        if any(estimates):
            cells = [
                None
                if estimate is None
                else Cell(
                    figure.told(estimate.value),
                    f"{figure.told(estimate.interval[0])} – {figure.told(estimate.interval[1])}"
                    if estimate.interval
                    else "",
                )
                for estimate in estimates
            ]
            rows.append((figure.title, figure.better, cells))
    for name in sorted({name for scores in evaluation.writers for name in scores.extra}):
        values = [scores.extra.get(name) for scores in evaluation.writers]
        extra_cells = [None if value is None else Cell(f"{value:.4g}", "") for value in values]
        rows.append((name.replace("_", " "), None, extra_cells))
    return rows


def _plots(evaluation: Evaluation) -> list[IntervalPlot]:
    return [
        interval_plot(
            figure,
            [
                (f"{scores.writer} as {scores.brand}", scores.writer != BASE, scores.figures[name])
                for scores in evaluation.writers
                if name in scores.figures
            ],
        )
        for name, figure in all_figures().items()
        if any(name in scores.figures for scores in evaluation.writers)
    ]


def _bar(
    scores: WriterScores,
) -> tuple[WriterScores, list[tuple[Verdict, int, float]], list[tuple[str, int]]]:
    """A writer with its verdicts (name, texts, per cent) and the rules that object most."""
    shares = [
        (name, scores.verdicts[name], 100 * scores.verdicts[name] / scores.texts)
        for name in GRAVITY
        if scores.verdicts.get(name)
    ]
    return scores, shares, list(scores.rules.items())[:5]


def _comparisons(evaluation: Evaluation) -> list[dict[str, Any]]:
    words = {True: "better", False: "worse", None: ""}
    return [
        {
            "one": one,
            "title": figure.title,
            "value": figure.told(one.difference.value),
            "interval": " to ".join(map(figure.told, one.difference.interval or ())),
            "p": one.difference.told_p,
            "said": words[better(figure, one.difference)],
        }
        for one in evaluation.comparisons
        for figure in [all_figures()[one.figure]]
    ]


def _blocks(evaluation: Evaluation) -> list[Block]:
    """Each brief of each brand; the bare base first, then adapters, variants in order."""
    blocks = []
    for brand in sorted({text.brand for text in evaluation.texts}):
        own = [text for text in evaluation.texts if text.brand == brand]
        for texts in by_brief(own).values():
            ordered = sorted(texts, key=lambda text: (text.writer != BASE, text.writer, text.variant))
            sides = [_side(text) for text in ordered]
            verdicts = " ".join(sorted({text.verdict for text in texts}))
            blocks.append(Block(brand, texts[0].brief, sides, texts[0].references, verdicts))
    return blocks


def _side(scored: ScoredText) -> Side:
    figures = all_figures()
    per_text = [
        (figures[name].title, figures[name].told(figures[name].value(scored.counts[name])))
        for name in PER_TEXT
        if name in scored.counts
    ]
    return Side(scored, stretches(scored.text, scored.findings), per_text)
