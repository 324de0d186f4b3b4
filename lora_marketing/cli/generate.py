"""`generate`: copy for one or many briefs, in one or many voices, from one loaded base."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.cli.quiet import quiet_upstream
from lora_marketing.common.console import note, plain_text, result, rich_stdout
from lora_marketing.common.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lora_marketing.brands.brand import Brief
    from lora_marketing.copy.record import Copy
    from lora_marketing.metrics.voice import VoiceClassifier
    from lora_marketing.writing.until_good import BriefOutcome, Good


def generate(
    text: Annotated[str | None, typer.Argument(metavar="[BRIEF]", help="What to write about.")] = None,
    adapter: Annotated[
        list[str] | None, typer.Option("--adapter", help="brand/line[@alias|:digest]; repeat for more.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="With --base: whose prompt the base gets.")] = None,
    brief: Annotated[Path | None, typer.Option(help="Briefs as YAML (one) or JSON lines (many).")] = None,
    channel: Annotated[str, typer.Option(help="Where it will be published.")] = "meta_feed",
    field: Annotated[
        str | None, typer.Option(help="Which text of the channel (its first by default), or ad: all of them.")
    ] = None,
    audience: Annotated[str, typer.Option(help="Who will read it.")] = "",
    attribute: Annotated[list[str] | None, typer.Option("--attribute", metavar="KEY=VALUE")] = None,
    variants: Annotated[int, typer.Option(min=1, help="Texts wanted per brief and voice.")] = 1,
    tries: Annotated[int, typer.Option(min=1, help="Texts tried for each of them at once.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="How often what is to be fixed is written at most.")] = 3,
    voices: Annotated[
        list[Path] | None,
        typer.Option(
            "--voices", help="Recipes of two brands or more: what sounds like its brand ranks first."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same text.")] = 13,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 0.7,
    top_p: Annotated[float, typer.Option(min=0.01, max=1)] = 0.9,
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 120,
    base: Annotated[bool, typer.Option("--base", help="Write with the bare base, without adapters.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Base and adapters side by side.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="What the model says by itself: no guards.")] = False,
    base_id: Annotated[str | None, typer.Option(help="Where the base lies, if not as a recipe says.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per text.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Also keep the texts as JSON lines, with those that wait for a person."),
    ] = None,
    adapters: Annotated[Path, typer.Option(help="The registry.")] = Path("adapters"),
) -> None:
    """Write copy until it is good: variants are tried, mended, held against all guards, and ranked.

    All voices share one base and one batch; each text has its own random numbers. What is to be fixed
    is written again; what a person has to look at is kept in --out, not shown. Exit code 1 if for some
    brief no variant passed. The same seed gives the same text alone or in any batch, in bfloat16 up to
    rounding.
    """
    _require_writable(out)
    briefs = _briefs(text, brief, channel, field, audience, attribute or [])
    _require_writers(adapters, adapter or [], recipe)
    quiet_upstream()
    from lora_marketing.engine.sampling import Sampling
    from lora_marketing.writing.session import WritingSession
    from lora_marketing.writing.until_good import Effort

    classifier = _classifier(voices or [], seed)
    desk = WritingSession.open(adapters, adapter or [], recipe, base_id)
    sampling = Sampling(seed, temperature, top_p, max_new_tokens)
    bare, tuned = base or compare or not adapter, not base or compare
    outcomes: list[BriefOutcome] = []
    if raw:
        copies = desk.write(briefs, variants, sampling, with_base=bare, with_adapters=tuned, raw=True)
    else:
        effort = Effort(variants, tries * variants, rounds)
        outcomes = desk.write_until_good(
            briefs, effort, sampling, with_base=bare, with_adapters=tuned, classifier=classifier
        )
        copies = [good.copy for outcome in outcomes for good in outcome.good]
    _show(copies, as_json)
    _tell(outcomes)
    _keep(out, copies, [copy for outcome in outcomes for copy in outcome.waiting])
    if not all(outcome.good for outcome in outcomes):
        raise typer.Exit(1)


def _require_writable(out: Path | None) -> None:
    from lora_marketing.common.files import check_writable

    check_writable(out)


def _require_writers(adapters: Path, refs: Sequence[str], recipe: Path | None) -> None:
    """Say that nobody writes, or that an adapter is unknown, before torch is loaded, which takes seconds."""
    from lora_marketing.registry.names import AdapterRef
    from lora_marketing.registry.store import Registry

    if not (refs or recipe):
        fix = "--adapter brand/line, or --base --recipe RECIPE"
        raise DataError(Problem("nobody to write as", fix=fix))
    for ref in refs:
        Registry(adapters).resolve(AdapterRef.parse(ref))


def _classifier(recipes: Sequence[Path], seed: int) -> VoiceClassifier | None:
    """What hears whose voice a text is in, taught by the recipes' real texts."""
    if not recipes:
        return None
    from lora_marketing.evaluation.voices import fit_voices
    from lora_marketing.recipe import load_recipe

    return fit_voices([load_recipe(path) for path in recipes], seed)


def _briefs(
    text: str | None,
    file: Path | None,
    channel: str,
    field: str | None,
    audience: str,
    attributes: Sequence[str],
) -> list[Brief]:
    from lora_marketing.brands.brand import Brief
    from lora_marketing.channels import load_channel
    from lora_marketing.channels.structure import require_field
    from lora_marketing.common.documents import validated
    from lora_marketing.data.dataset import read_briefs
    from lora_marketing.text.normalise import all_as_written

    if file:
        return read_briefs(file)
    if not text:
        raise DataError(Problem("no brief", fix='give one as text, as in "Gift card, £20", or --brief FILE'))
    pairs = [pair.partition("=") for pair in attributes]
    broken = [key for key, separator, _ in pairs if not separator]
    if broken:
        raise DataError(Problem("--attribute needs KEY=VALUE", got=", ".join(broken)))
    field = field or next(iter(load_channel(channel).fields))
    require_field(channel, field)
    given = {key: value for key, _, value in pairs}
    asked = {"product": text, "channel": channel, "field": field, "audience": audience, "attributes": given}
    return [validated(Brief, all_as_written(asked), {})]


def _show(copies: Sequence[Copy], as_json: bool) -> None:
    """One JSON object per text, or one block per brief and variant with one row per voice."""
    if as_json:
        for copy in copies:
            result(copy.model_dump_json())
        return
    from rich.table import Table

    console = rich_stdout()
    seen: dict[tuple[str, int], list[Copy]] = {}
    nth: Counter[tuple[str, str]] = Counter()
    for copy in copies:
        brief = copy.brief.key
        seen.setdefault((brief, nth[brief, _voice(copy)]), []).append(copy)
        nth[brief, _voice(copy)] += 1
    for group in seen.values():
        title = plain_text(_title(group[0].brief), one_line=True)
        table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for copy in sorted(group, key=lambda copy: (copy.brand, copy.line, copy.adapter is not None)):
            cut = "" if copy.verdict or copy.stopped else " …"
            table.add_row(plain_text(_voice(copy)), plain_text(copy.text + cut))
        console.print(table)
        console.print()


def _tell(outcomes: Sequence[BriefOutcome]) -> None:
    """On stderr: what it took, what was mended, and everything against the briefs that have no text."""
    for outcome in outcomes:
        who = outcome.voice.adapter or f"base as {outcome.voice.brand.name}"
        cost = outcome.cost
        took = f"{cost.texts} texts, {cost.rounds} rounds, {cost.tokens} tokens"
        passed = f"{len(outcome.good)} passed" if outcome.good else "no variant passed"
        note(f"{who} · {_title(outcome.brief)}: {passed} ({took})")
        for good in outcome.good:
            note(f"    variant {good.copy.variant}: {_parts(good)}")
            for mending in good.copy.mended:
                note(f"    mended {mending.rule}: {mending.before!r} → {mending.after!r}")
        for copy in () if outcome.good else outcome.tried:
            note(f"    variant {copy.variant}, round {copy.round}: {copy.verdict}: {copy.text!r}")
            for finding in copy.findings:
                note(f"        {finding.severity} {finding.rule}: {finding.message}")


def _keep(out: Path | None, copies: Sequence[Copy], waiting: Sequence[Copy]) -> None:
    """Write what is shown and what waits for a person, and say how the latter is decided."""
    from lora_marketing.copy.record import write_copies

    if out:
        write_copies(out, [*copies, *waiting])
    if waiting:
        how = f"lora-marketing review add {out}" if out else "keep them with --out FILE"
        note(f"for a person to decide: {len(waiting)} ({how})")


def _parts(good: Good) -> str:
    """What spoke for a text when it was ranked."""
    parts = good.parts.model_dump(exclude={"total"}, exclude_none=True)
    return f"ranked {good.parts.total:.2f}: " + ", ".join(
        f"{name} {part:.2f}" for name, part in parts.items()
    )


def _voice(copy: Copy) -> str:
    return copy.adapter or f"base as {copy.brand}"


def _title(brief: Brief) -> str:
    attributes = "".join(f", {key} {value}" for key, value in brief.attributes.items())
    return f"{brief.product}{attributes} · {brief.channel} {brief.field}"
