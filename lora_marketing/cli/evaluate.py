"""`evaluate`: figures over written copy, compared and reported. Needs no model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.console import note, result, rich_stdout
from lora_marketing.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from lora_marketing.evaluation import Evaluation


def evaluate(
    adapter: Annotated[
        str | None,
        typer.Argument(metavar="[ADAPTER]", help="Let it write for the rows held out from it, and judge it."),
    ] = None,
    copies: Annotated[
        Path | None, typer.Option("--from", help="Copy that `generate --out` kept, or a kept evaluation.")
    ] = None,
    recipe: Annotated[
        list[Path] | None,
        typer.Option("--recipe", help="Recipes whose real texts teach the voice classifier."),
    ] = None,
    references: Annotated[
        Path | None, typer.Option(help="Rows with texts of the same briefs; the held-out rows by default.")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="Only these, as in bleu,slots.")] = None,
    wordings: Annotated[
        Path | None, typer.Option(help="YAML: other ways to say a value, by attribute and value.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="A writer, such as base, or a kept evaluation; with commas for more.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Folds and bootstrap.")] = 13,
    judge: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Send texts to an OpenAI-compatible endpoint to compare."),
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="The judge's model.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the evaluation as JSON.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write one HTML file with everything in it.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    variants: Annotated[int, typer.Option(min=1, help="With ADAPTER: texts per row.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="With ADAPTER: only so many rows.")] = None,
    base_id: Annotated[
        str | None, typer.Option(help="Where the base lies, if not where the recipe says.")
    ] = None,
    adapters: Annotated[Path, typer.Option(help="The registry.")] = Path("adapters"),
) -> None:
    """Is the copy good? Voice, likeness to real texts, slots, variety, guards; with 95 % intervals.

    With ADAPTER also loss, everyday questions and adverts where none were asked for, beside --against
    (base, aliases or digests of it, other adapters; base by default).
    """
    if (copies is None) == (adapter is None):
        what = "nothing to evaluate" if copies is None else "two things to evaluate"
        raise DataError(Problem(what, fix="ADAPTER with --recipe, or --from COPIES.jsonl"))
    if copies is not None:
        evaluation = _of_copies(copies, recipe or [], references, metrics, wordings, seed)
    else:
        assert adapter is not None
        rivals = against or "base"
        options = (rivals.split(","), variants, seed, base_id, limit)
        evaluation = _of_adapter(adapters, adapter, recipe or [], *options)
        others = {one.writer for one in evaluation.writers} - {evaluation.writers[0].writer}
        against = ",".join(sorted(others))
    finish(evaluation, against, judge, judge_model, out, report, as_json)


def _of_adapter(
    adapters: Path,
    ref: str,
    recipes: Sequence[Path],
    against: Sequence[str],
    variants: int,
    seed: int,
    base_id: str | None,
    limit: int | None,
) -> Evaluation:
    """Judge an adapter by its own recipe among those given; the others' texts teach the voices."""
    from lora_marketing.cli.quiet import quiet_upstream
    from lora_marketing.recipe import load_recipe
    from lora_marketing.registry.names import AdapterRef
    from lora_marketing.registry.store import Registry

    name = str(Registry(adapters).resolve(AdapterRef.parse(ref)).name)
    own = [path for path in recipes if load_recipe(path).name == name]
    quiet_upstream()
    from lora_marketing import judging

    return judging.judge(
        adapters,
        ref,
        against,
        variants=variants,
        seed=seed,
        base_id=base_id,
        limit=limit,
        recipe=own[0] if own else None,
        voices=[path for path in recipes if path not in own],
    )


def finish(
    evaluation: Evaluation,
    against: str | None,
    judge: str | None,
    judge_model: str | None,
    out: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Compare an evaluation as asked, keep it, and show it."""
    from lora_marketing.evaluation import write_evaluation
    from lora_marketing.evaluation.report import write_report

    rivals = against.split(",") if against else []
    evaluation = _compared(evaluation, rivals)
    if judge:
        evaluation = _judged(evaluation, [one for one in rivals if not _is_kept(one)], judge, judge_model)
    if out:
        write_evaluation(out, evaluation)
    if report:
        write_report(report, evaluation)
    for line in evaluation.notes:
        note(line)
    if as_json:
        result(evaluation.model_dump_json(by_alias=True, indent=2))
    else:
        _show(evaluation)


def _of_copies(
    copies: Path,
    recipes: Sequence[Path],
    references: Path | None,
    metrics: str | None,
    wordings: Path | None,
    seed: int,
) -> Evaluation:
    from lora_marketing.copies import read_copies
    from lora_marketing.data import prepare, read_examples
    from lora_marketing.documents import read_document
    from lora_marketing.evaluation import evaluate, read_evaluation
    from lora_marketing.recipe import load_recipe

    if _is_kept(str(copies)):
        return read_evaluation(copies)
    written = read_copies(copies)
    if not recipes:
        raise DataError(Problem("nobody's texts to compare with", fix="add --recipe RECIPE for each brand"))
    loaded = [load_recipe(path) for path in recipes]
    if references:
        known = [row for _, row in read_examples(references)]
    else:
        known = [row for one in loaded for row in prepare(one).validation]
    return evaluate(
        written,
        known,
        loaded,
        metrics=metrics.split(",") if metrics else None,
        wordings=read_document(wordings).value if wordings else None,
        seed=seed,
    )


def _is_kept(name: str) -> bool:
    return name.endswith(".json")


def _compared(evaluation: Evaluation, against: Sequence[str]) -> Evaluation:
    from lora_marketing.evaluation import compare_evaluations, compare_writers, read_evaluation

    if not against:
        return evaluation
    found = [
        comparison
        for name in against
        for comparison in (
            compare_evaluations(evaluation, read_evaluation(Path(name)))
            if _is_kept(name)
            else compare_writers(evaluation, name)
        )
    ]
    return evaluation.model_copy(update={"comparisons": found})


def _judged(evaluation: Evaluation, against: Sequence[str], url: str, model: str | None) -> Evaluation:
    from lora_marketing.evaluation.judge import Endpoint, prefer

    if not model:
        raise DataError(Problem("a judge without a model", fix="add --judge-model NAME"))
    if not against:
        raise DataError(Problem("a judge compares two writers", fix="name one with --against, such as base"))
    found = [one for name in against for one in prefer(evaluation, name, Endpoint(url, model))]
    return evaluation.model_copy(update={"preferences": found})


def _show(evaluation: Evaluation) -> None:
    console = rich_stdout()
    _show_voices(console, evaluation)
    _show_figures(console, evaluation)
    _show_comparisons(console, evaluation)
    for found in evaluation.preferences:
        console.print(
            f"{found.judge} as judge: {found.writer} as {found.brand} won {found.won}, lost {found.lost},"
            f" tied {found.tied} against {found.against};"
            f" both orders agree on {found.agreement:.0%}"
        )


def _show_voices(console: Console, evaluation: Evaluation) -> None:
    """The classifier's own accuracy, then how it names each writer's texts."""
    from rich.table import Table

    held = evaluation.held_out
    if held:
        console.print(
            f"Voice classifier on held-out real texts, topic words masked:"
            f" {held.accuracy:.1%} right [dim](95 % interval {held.interval[0]:.1%} to"
            f" {held.interval[1]:.1%}, {held.texts} texts of {', '.join(held.by_brand)})[/dim]"
        )
    table = Table("written by", "as brand", "texts", "named right", "95 % interval", "stopped", box=None)
    for scores in evaluation.writers:
        voice, stopped = scores.figures.get("voice"), scores.figures.get("stop_rate")
        interval = f"{voice.interval[0]:.0%} to {voice.interval[1]:.0%}" if voice and voice.interval else ""
        shares = [f"{found.value:.0%}" if found else "" for found in (voice, stopped)]
        table.add_row(scores.writer, scores.brand, str(scores.texts), shares[0], interval, shares[1])
    console.print(table)


def _show_figures(console: Console, evaluation: Evaluation) -> None:
    """One row per figure, one column per writer and brand."""
    from rich.table import Table

    from lora_marketing.metrics import all_figures

    table = Table("95 % intervals by brief", box=None, title_justify="left")
    for scores in evaluation.writers:
        table.add_column(f"{scores.writer}\nas {scores.brand}", justify="right")
    for name, figure in all_figures().items():
        found = [scores.figures.get(name) for scores in evaluation.writers]
        if any(found):
            cells = [
                ""
                if one is None
                else figure.told(one.value)
                + (
                    f" [dim]{figure.told(one.interval[0])}–{figure.told(one.interval[1])}[/dim]"
                    if one.interval
                    else ""
                )
                for one in found
            ]
            table.add_row(figure.title, *cells)
    console.print()
    console.print(table)


def _show_comparisons(console: Console, evaluation: Evaluation) -> None:
    from rich.table import Table

    from lora_marketing.evaluation.comparing import better
    from lora_marketing.metrics import all_figures

    if not evaluation.comparisons:
        return
    table = Table("brand", "written by", "less", "figure", box=None)
    for title in ("difference", "95 % interval", "p", "briefs"):
        table.add_column(title, justify="right")
    table.add_column("")
    words = {True: "[green]better[/green]", False: "[red]worse[/red]", None: ""}
    for one in evaluation.comparisons:
        figure, found = all_figures()[one.figure], one.difference
        interval = " to ".join(figure.told(end) for end in found.interval) if found.interval else ""
        numbers = (figure.told(found.value), interval, found.told_p, str(found.briefs))
        table.add_row(
            one.brand, one.writer, one.against, figure.title, *numbers, words[better(figure, found)]
        )
    console.print()
    console.print(table)
