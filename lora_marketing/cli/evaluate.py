"""`evaluate` and `score`: is the copy good? An adapter writes first; kept copy is scored without a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.common.console import note, result
from lora_marketing.common.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lora_marketing.evaluation import Evaluation

SEED = 13
VoiceRecipes = Annotated[
    list[Path] | None,
    typer.Option("--recipe", help="Recipes whose real texts teach the voice classifier."),
]
JudgeUrl = Annotated[
    str | None,
    typer.Option("--judge", metavar="URL", help="Send texts to an OpenAI-compatible endpoint to compare."),
]
JudgeModel = Annotated[str | None, typer.Option("--judge-model", help="The judge's model.")]
Out = Annotated[Path | None, typer.Option("--out", help="Keep the evaluation as JSON.")]
Report = Annotated[Path | None, typer.Option("--report", help="Write one HTML file with everything in it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the evaluation as JSON.")]


@dataclass(frozen=True)
class ReportOptions:
    """What is done with an evaluation: with whom it is compared, where it is kept, how it is shown.

    Args:
        against: writers (`base`, adapters) or kept evaluations (names that end in `.json`).
        judge: the endpoint that compares texts, with its model; None if nobody does.
        out: where the evaluation is kept as JSON.
        report: where the HTML report is written.
        as_json: print the evaluation as JSON instead of tables.
    """

    against: Sequence[str]
    judge: str | None
    judge_model: str | None
    out: Path | None
    report: Path | None
    as_json: bool

    def require_writable(self) -> None:
        """Refuse outputs that cannot be written.

        Raises:
            OutputError: all of them at once.
        """
        from lora_marketing.common.files import check_writable

        check_writable(self.out, self.report)

    def require_judge(self) -> None:
        """Refuse half a judge, and one without two writers to compare.

        Raises:
            DataError: what is missing.
        """
        problems = []
        if self.judge and not self.judge_model:
            problems.append(Problem("a judge without a model", fix="add --judge-model NAME"))
        if self.judge_model and not self.judge:
            what = "a judge's model without a judge"
            problems.append(Problem(what, got=self.judge_model, fix="add --judge URL"))
        if self.judge and all(map(_is_kept, self.against)):
            fix = "name one with --against, such as base"
            problems.append(Problem("a judge compares two writers", fix=fix))
        if problems:
            raise DataError(problems)


@dataclass(frozen=True)
class CopyOptions:
    """What kept copy is scored with, as the options of `score` say; None is an option not given."""

    recipes: Sequence[Path] | None
    references: Path | None
    metrics: str | None
    wordings: Path | None
    seed: int | None

    def given(self) -> Mapping[str, object]:
        """Those that were given, by the option's name."""
        options = {
            "--recipe": self.recipes or None,
            "--seed": self.seed,
            "--references": self.references,
            "--metrics": self.metrics,
            "--wordings": self.wordings,
        }
        return {name: value for name, value in options.items() if value is not None}


def evaluate(
    adapter: Annotated[
        str, typer.Argument(metavar="ADAPTER", help="brand/line, brand/line@alias or brand/line:digest.")
    ],
    recipe: VoiceRecipes = None,
    against: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Who writes beside it: base, its aliases or digests, adapters."),
    ] = "base",
    variants: Annotated[int, typer.Option(min=1, help="Texts per row.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many rows.")] = None,
    seed: Annotated[int, typer.Option(help="Of texts, folds and bootstrap.")] = SEED,
    base_id: Annotated[
        str | None, typer.Option(help="Where the base lies, if not where the recipe says.")
    ] = None,
    judge: JudgeUrl = None,
    judge_model: JudgeModel = None,
    out: Out = None,
    report: Report = None,
    as_json: AsJson = False,
    adapters: Annotated[Path, typer.Option(help="The registry.")] = Path("adapters"),
) -> None:
    """Let an adapter write for the rows held out from it, and score its texts beside others'.

    Voice, likeness to real texts, slots, variety, guards; loss, everyday questions and adverts where none
    were asked for; with 95 % intervals. One --recipe is the adapter's own, which has the rows.
    """
    rivals = _names(against) or ["base"]
    options = ReportOptions(rivals, judge, judge_model, out, report, as_json)
    options.require_writable()
    _refuse_kept(rivals)
    options.require_judge()
    from lora_marketing.cli.quiet import quiet_upstream
    from lora_marketing.recipe import load_recipe
    from lora_marketing.registry.names import AdapterRef
    from lora_marketing.registry.store import Registry

    version = Registry(adapters).resolve(AdapterRef.parse(adapter))
    recipes = recipe or []
    own = [path for path in recipes if load_recipe(path).name == str(version.name)]
    others = [path for path in recipes if path not in own]
    quiet_upstream()
    from lora_marketing import model_eval

    trial = model_eval.TrialOptions(rivals, own[0] if own else None, others, variants, limit, seed, base_id)
    evaluation = model_eval.judge(adapters, f"{version.name}:{version.digest}", trial)
    writers = {scores.writer for scores in evaluation.writers} - {str(version)}
    _finish(evaluation, replace(options, against=sorted(writers)), str(version))


def score(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Copy that `generate --raw --out` kept, or a kept evaluation."),
    ],
    recipe: VoiceRecipes = None,
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
    seed: Annotated[int | None, typer.Option(help=f"Folds and bootstrap; {SEED} if not given.")] = None,
    judge: JudgeUrl = None,
    judge_model: JudgeModel = None,
    out: Out = None,
    report: Report = None,
    as_json: AsJson = False,
) -> None:
    """Score kept copy, or show and compare a kept evaluation. Loads no model.

    Voice, likeness to real texts, slots, variety, guards; with 95 % intervals.
    """
    rivals = _names(against or "")
    options = ReportOptions(rivals, judge, judge_model, out, report, as_json)
    copy_options = CopyOptions(recipe, references, metrics, wordings, seed)
    options.require_writable()
    _refuse_unused(file, copy_options)
    options.require_judge()
    _finish(_scored(file, copy_options), options)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _refuse_kept(against: Sequence[str]) -> None:
    """Refuse kept evaluations among the writers beside an adapter.

    Raises:
        DataError: all of them at once.
    """
    fix = "keep this one with --out, then lora-marketing score it --against the other"
    what = "a kept evaluation does not write beside an adapter"
    if problems := [Problem(what, got=name, fix=fix) for name in against if _is_kept(name)]:
        raise DataError(problems)


def _refuse_unused(file: Path, options: CopyOptions) -> None:
    """Refuse options that a kept evaluation has no use for: its figures are taken already.

    Raises:
        DataError: all of them at once.
    """
    if _is_kept(str(file)) and (given := options.given()):
        fix = "score its texts again: lora-marketing score COPIES.jsonl"
        raise DataError(Problem(f"{name} has no use with {file}", fix=fix) for name in given)


def _finish(evaluation: Evaluation, options: ReportOptions, writer: str | None = None) -> None:
    """Compare an evaluation's `writer` (all, if None) as asked, keep it, and show it."""
    from lora_marketing.cli.evaluation_tables import show_evaluation
    from lora_marketing.evaluation import write_evaluation
    from lora_marketing.evaluation.report import write_report

    evaluation = _judged(_compared(evaluation, options.against, writer), options, writer)
    if options.out:
        write_evaluation(options.out, evaluation)
    if options.report:
        write_report(options.report, evaluation)
    for line in evaluation.notes:
        note(line)
    if options.as_json:
        result(evaluation.model_dump_json(by_alias=True, indent=2))
    else:
        show_evaluation(evaluation)


def _scored(file: Path, options: CopyOptions) -> Evaluation:
    from lora_marketing.common.documents import read_document
    from lora_marketing.copy.record import read_copies
    from lora_marketing.data.dataset import prepare, read_examples
    from lora_marketing.evaluation import ScoringOptions, evaluate, read_evaluation
    from lora_marketing.recipe import load_recipe

    if _is_kept(str(file)):
        return read_evaluation(file)
    copies = read_copies(file)
    if not options.recipes:
        raise DataError(Problem("nobody's texts to compare with", fix="add --recipe RECIPE for each brand"))
    recipes = [load_recipe(path) for path in options.recipes]
    if options.references:
        references = [row for _, row in read_examples(options.references)]
    else:
        references = [row for recipe in recipes for row in prepare(recipe).validation]
    scoring = ScoringOptions(
        metrics=options.metrics.split(",") if options.metrics else None,
        wordings=read_document(options.wordings).value if options.wordings else None,
        seed=SEED if options.seed is None else options.seed,
    )
    return evaluate(copies, references, recipes, scoring)


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
    comparisons, notes = [], list(evaluation.notes)
    for name in against:
        if _is_kept(name):
            old = read_evaluation(Path(name))
            comparisons += compare_evaluations(evaluation, old)
            notes += incomparable(evaluation, old)
        else:
            comparisons += compare_writers(evaluation, name, writer)
    return evaluation.model_copy(update={"comparisons": comparisons, "notes": list(dict.fromkeys(notes))})


def _judged(evaluation: Evaluation, options: ReportOptions, writer: str | None) -> Evaluation:
    from lora_marketing.evaluation.llm_judge import Endpoint, prefer

    if not (options.judge and options.judge_model):
        return evaluation
    endpoint = Endpoint(options.judge, options.judge_model)
    rivals = [name for name in options.against if not _is_kept(name)]
    preferences = [one for name in rivals for one in prefer(evaluation, name, endpoint, writer)]
    return evaluation.model_copy(update={"preferences": preferences})
