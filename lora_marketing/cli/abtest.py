"""`abtest`: which text won, or how much longer the test takes. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lora_marketing.common.console import note, plain_text, result, rich_stdout
from lora_marketing.common.printable import visible_line

if TYPE_CHECKING:
    from lora_marketing.abtest.posterior import Beta
    from lora_marketing.abtest.verdict import AbTestOutcome


def abtest(
    results: Annotated[
        Path, typer.Argument(help="CSV with id, impressions, clicks, conversions, or an export.")
    ],
    metric: Annotated[
        Literal["ctr", "cvr"], typer.Option(help="Clicks of impressions, or conversions of clicks.")
    ] = "ctr",
    prior: Annotated[
        str, typer.Option(metavar="A,B", help="Beta prior of a rate: 2,98 expects about 2 %.")
    ] = "1,1",
    max_expected_loss: Annotated[
        float,
        typer.Option(
            "--max-expected-loss", "--care", min=1e-6, max=1, help="End below this share of the best rate."
        ),
    ] = 0.01,
    min_trials: Annotated[
        int, typer.Option("--min-trials", "--least", min=0, help="Impressions that every variant needs.")
    ] = 1000,
    floor: Annotated[float, typer.Option(min=0, max=1, help="Least share in the next round.")] = 0.05,
    queue: Annotated[Path | None, typer.Option(help="Review queue whose ids the variants have.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Say which variant is best and whether that is decided, and share out the next round.

    The test ends when the leader's expected loss is below --max-expected-loss of its rate. That bounds
    what a wrong winner costs on average; it does not bound how often the winner is wrong. See
    docs/review.md.
    """
    from lora_marketing.abtest.results import read_results_file
    from lora_marketing.abtest.verdict import StoppingRule, judge

    rule = StoppingRule(max_expected_loss, min_trials, _prior(prior), floor)
    file = read_results_file(results)
    for remark in file.remarks:
        note(remark)
    outcome = judge(file.variants, metric, rule)
    texts = _texts(queue, [standing.result.id for standing in outcome.standings]) if queue else {}
    if as_json:
        result(json.dumps(_values(outcome, texts), indent=2, ensure_ascii=False))
    else:
        _show(outcome, texts)


def _prior(text: str) -> Beta:
    from lora_marketing.abtest.posterior import Beta
    from lora_marketing.common.errors import DataError, Problem

    try:
        a, b = map(float, text.split(","))
    except ValueError:
        a = b = 0.0
    if not (0 < a < 1e9 and 0 < b < 1e9):
        raise DataError(Problem("not a prior", got=text, allowed="two numbers above 0, as in --prior 2,98"))
    return Beta(a, b)


def _texts(queue: Path, ids: list[str]) -> dict[str, str]:
    from lora_marketing.review import Queue

    with Queue(queue) as opened:
        return {ad: "\n".join(opened.find(one).text for one in _ids(ad)) for ad in ids}


def _ids(ad: str) -> list[str]:
    """The ids of the texts of an ad, as exports name it: `id+id`, perhaps with the product before it."""
    return ad.rpartition(" ")[2].split("+")


def _values(outcome: AbTestOutcome, texts: dict[str, str]) -> dict[str, object]:
    variants = [
        {
            "id": standing.result.id,
            "text": texts.get(standing.result.id),
            "impressions": standing.result.impressions,
            "clicks": standing.result.clicks,
            "conversions": standing.result.conversions,
            "cost": standing.result.cost,
            "rate": standing.rate.mean,
            "interval_95": standing.rate.interval(),
            "probability_best": standing.best,
            "expected_loss": standing.loss,
            "p_against_leader": standing.p,
            "next_weight": standing.weight,
        }
        for standing in outcome.standings
    ]
    winner = outcome.winner.result.id if outcome.winner else None
    more = outcome.more
    return {"metric": outcome.metric, "winner": winner, "more_impressions": more, "variants": variants}


def _show(outcome: AbTestOutcome, texts: dict[str, str]) -> None:
    from rich.table import Table

    columns = (
        "variant",
        "impressions",
        outcome.metric,
        "95 % interval",
        "best",
        "expected loss",
        "p",
        "next",
    )
    table = Table(*columns, *(["text"] if texts else []), box=None)
    for standing in sorted(outcome.standings, key=lambda standing: -standing.best):
        low, high = standing.rate.interval()
        table.add_row(
            plain_text(standing.result.id[:16], one_line=True),
            str(standing.result.impressions),
            f"{standing.rate.mean:.3%}",
            f"{low:.3%} to {high:.3%}",
            f"{standing.best:.1%}",
            f"{standing.loss:.4%}",
            "" if standing.p is None else f"{standing.p:.3f}",
            f"{standing.weight:.0%}",
            *([plain_text(texts[standing.result.id])] if texts else []),
        )
    rich_stdout().print(table)
    result(_verdict(outcome))


def _verdict(outcome: AbTestOutcome) -> str:
    if outcome.winner:
        best, lost = outcome.winner.best, outcome.winner.loss / outcome.winner.rate.mean
        reason = f"the best with {best:.1%}; expected loss {lost:.2%} of its rate"
        return f"Winner: {visible_line(outcome.winner.result.id)}, {reason}"
    if outcome.more is None:
        return "Not decided: the variants hardly differ; more than a thousand times as many impressions"
    return f"Not decided: about {outcome.more} more impressions"
