"""`evaluate`: figures over written copy, compared and reported. Needs no model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.common.console import note, result, rich_stdout
from lora_marketing.common.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from lora_marketing.evaluation import Evaluation

SEED = 13


def evaluate(
    adapter: Annotated[
        str | None,
        typer.Argument(metavar="[ADAPTER]", help="Let it write for the rows held out from it, and judge it."),
    ] = None,
    copies: Annotated[
        Path | None,
        typer.Option("--from", help="Copy that `generate --raw --out` kept, or a kept evaluation."),
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
    seed: Annotated[int | None, typer.Option(help="Folds and bootstrap; 13 if not given.")] = None,
    judge: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Send texts to an OpenAI-compatible endpoint to compare."),
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="The judge's model.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the evaluation as JSON.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write one HTML file with everything in it.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    variants: Annotated[
        int | None, typer.Option(min=1, help="With ADAPTER: texts per row; 1 if not given.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="With ADAPTER: only so many rows.")] = None,
    base_id: Annotated[
        str | None, typer.Option(help="With ADAPTER: where the base lies, if not where the recipe says.")
    ] = None,
    adapters: Annotated[Path, typer.Option(help="The registry.")] = Path("adapters"),
) -> None:
    """Is the copy good? Voice, likeness to real texts, slots, variety, guards; with 95 % intervals.

    With ADAPTER also loss, everyday questions and adverts where none were asked for, beside --against
    (base, aliases or digests of it, other adapters; base by default).
    """
    rivals = against.split(",") if against else []
    of_copies = {"--references": references, "--metrics": metrics, "--wordings": wordings}
    of_adapter = {"--variants": variants, "--limit": limit, "--base-id": base_id}
    taking = {"--recipe": recipe or None, "--seed": seed}
    _require_used(adapter, copies, rivals, of_copies, of_adapter, taking)
    _require_judge(judge, judge_model, rivals if adapter is None else rivals or ["base"])
    seed = SEED if seed is None else seed
    writer = None
    if copies is not None:
        evaluation = _of_copies(copies, recipe or [], references, metrics, wordings, seed)
    else:
        assert adapter is not None
        options = (rivals or ["base"], variants or 1, seed, base_id, limit)
        evaluation, writer = _of_adapter(adapters, adapter, recipe or [], *options)
        rivals = sorted({one.writer for one in evaluation.writers} - {writer})
    finish(evaluation, rivals, writer, judge, judge_model, out, report, as_json)


def _require_used(
    adapter: str | None,
    copies: Path | None,
    against: Sequence[str],
    of_copies: Mapping[str, object],
    of_adapter: Mapping[str, object],
    taking: Mapping[str, object],
) -> None:
    """Refuse options that the asked way of evaluating would pass over.

    Raises:
        DataError: all of them at once, or there is not one thing to evaluate.
    """
    if (copies is None) == (adapter is None):
        what = "nothing to evaluate" if copies is None else "two things to evaluate"
        raise DataError(Problem(what, fix="ADAPTER with --recipe, or --from COPIES.jsonl"))
    if adapter is not None:
        unused, fix = of_copies, "keep its copy with generate --raw --out, and evaluate that --from"
    elif _is_kept(str(copies)):
        unused, fix = {**taking, **of_copies, **of_adapter}, "evaluate its texts again: --from COPIES.jsonl"
    else:
        unused, fix = of_adapter, "name an ADAPTER instead of --from"
    way = adapter or copies
    problems = [
        Problem(f"{name} has no use with {way}", fix=fix)
        for name, value in unused.items()
        if value is not None
    ]
    if adapter is not None:
        fix = "keep this one with --out, then --from it --against the other"
        kept = [name for name in against if _is_kept(name)]
        problems += [
            Problem("a kept evaluation does not write beside an adapter", got=n, fix=fix) for n in kept
        ]
    if problems:
        raise DataError(problems)


def _require_judge(judge: str | None, model: str | None, against: Sequence[str]) -> None:
    """Refuse half a judge, and one without two writers to compare, before anything is written.

    Raises:
        DataError: what is missing.
    """
    problems = []
    if judge and not model:
        problems.append(Problem("a judge without a model", fix="add --judge-model NAME"))
    if model and not judge:
        problems.append(Problem("a judge's model without a judge", got=model, fix="add --judge URL"))
    if judge and all(map(_is_kept, against)):
        fix = "name one with --against, such as base"
        problems.append(Problem("a judge compares two writers", fix=fix))
    if problems:
        raise DataError(problems)


def _of_adapter(
    adapters: Path,
    ref: str,
    recipes: Sequence[Path],
    against: Sequence[str],
    variants: int,
    seed: int,
    base_id: str | None,
    limit: int | None,
) -> tuple[Evaluation, str]:
    """Judge an adapter by its own recipe among those given; the others' texts teach the voices.

    Returns the evaluation, and its name of the judged adapter.
    """
    from lora_marketing.cli.quiet import quiet_upstream
    from lora_marketing.recipe import load_recipe
    from lora_marketing.registry.names import AdapterRef
    from lora_marketing.registry.store import Registry

    version = Registry(adapters).resolve(AdapterRef.parse(ref))
    own = [path for path in recipes if load_recipe(path).name == str(version.name)]
    quiet_upstream()
    from lora_marketing import model_eval as judging

    found = judging.judge(
        adapters,
        f"{version.name}:{version.digest}",
        against,
        variants=variants,
        seed=seed,
        base_id=base_id,
        limit=limit,
        recipe=own[0] if own else None,
        voices=[path for path in recipes if path not in own],
    )
    return found, str(version)


def finish(
    evaluation: Evaluation,
    against: Sequence[str],
    writer: str | None,
    judge: str | None,
    judge_model: str | None,
    out: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Compare an evaluation's `writer` (all, if None) as asked, keep it, and show it."""
    from lora_marketing.evaluation import write_evaluation
    from lora_marketing.evaluation.report import write_report

    evaluation = _compared(evaluation, against, writer)
    if judge and judge_model:
        rivals = [one for one in against if not _is_kept(one)]
        evaluation = _judged(evaluation, rivals, writer, judge, judge_model)
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
    from lora_marketing.common.documents import read_document
    from lora_marketing.copy.record import read_copies
    from lora_marketing.data.dataset import prepare, read_examples
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


def _compared(evaluation: Evaluation, against: Sequence[str], writer: str | None) -> Evaluation:
    from lora_marketing.evaluation import (
        compare_evaluations,
        compare_writers,
        incomparable,
        read_evaluation,
    )

    if not against:
        return evaluation
    found, notes = [], list(evaluation.notes)
    for name in against:
        if _is_kept(name):
            old = read_evaluation(Path(name))
            found += compare_evaluations(evaluation, old)
            notes += incomparable(evaluation, old)
        else:
            found += compare_writers(evaluation, name, writer)
    return evaluation.model_copy(update={"comparisons": found, "notes": list(dict.fromkeys(notes))})


def _judged(
    evaluation: Evaluation, against: Sequence[str], writer: str | None, url: str, model: str
) -> Evaluation:
    from lora_marketing.evaluation.llm_judge import Endpoint, prefer

    found = [one for name in against for one in prefer(evaluation, name, Endpoint(url, model), writer)]
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
            + (f"; {found.unreadable} without a readable answer" if found.unreadable else "")
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
    from lora_marketing.evaluation.statistics import UNCORRECTED
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
    console.print(UNCORRECTED)
