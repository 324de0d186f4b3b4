"""`generate`: copy for one or many briefs, in one or many voices, from one loaded base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.cli.quiet import quiet_upstream
from lora_marketing.console import result, rich_stdout
from lora_marketing.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lora_marketing.brand import Brief
    from lora_marketing.copies import Copy


def generate(
    text: Annotated[str | None, typer.Argument(metavar="[BRIEF]", help="What to write about.")] = None,
    adapter: Annotated[
        list[str] | None, typer.Option("--adapter", help="brand/line[@alias|:digest]; repeat for more.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="With --base: whose prompt the base gets.")] = None,
    brief: Annotated[Path | None, typer.Option(help="Briefs as YAML (one) or JSON lines (many).")] = None,
    channel: Annotated[str, typer.Option(help="Where it will be published.")] = "meta_feed",
    field: Annotated[
        str | None, typer.Option(help="Which text of the channel; its first by default.")
    ] = None,
    audience: Annotated[str, typer.Option(help="Who will read it.")] = "",
    attribute: Annotated[list[str] | None, typer.Option("--attribute", metavar="KEY=VALUE")] = None,
    variants: Annotated[int, typer.Option(min=1, help="Texts per brief and voice.")] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same text.")] = 13,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 0.7,
    top_p: Annotated[float, typer.Option(min=0.01, max=1)] = 0.9,
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 120,
    base: Annotated[bool, typer.Option("--base", help="Write with the bare base, without adapters.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Base and adapters side by side.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Let the text break the brand's terms and the channel's limit.")
    ] = False,
    base_id: Annotated[
        str | None, typer.Option(help="Where the base lies, if not where the recipe says.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per text.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also keep the texts as JSON lines.")] = None,
    adapters: Annotated[Path, typer.Option(help="The registry.")] = Path("adapters"),
) -> None:
    """Write copy. All voices share one base and one batch; each text has its own random numbers.

    The same seed gives the same text alone or in any batch, in bfloat16 up to rounding.
    """
    from lora_marketing.copies import write_copies

    briefs = _briefs(text, brief, channel, field, audience, attribute or [])
    if not (adapter or recipe):
        fix = "--adapter brand/line, or --base --recipe RECIPE"
        raise DataError(Problem("nobody to write as", fix=fix))
    _require_published(adapters, adapter or [])
    quiet_upstream()
    from lora_marketing.desk import Desk
    from lora_marketing.writing.sampling import Sampling

    desk = Desk.open(adapters, adapter or [], recipe, base_id)
    copies = desk.write(
        briefs,
        variants,
        Sampling(seed, temperature, top_p, max_new_tokens),
        with_base=base or compare or not adapter,
        with_adapters=not base or compare,
        raw=raw,
    )
    if out:
        write_copies(out, copies)
    if as_json:
        for copy in copies:
            result(copy.model_dump_json())
    else:
        _show(copies)


def _require_published(adapters: Path, refs: Sequence[str]) -> None:
    """Say that an adapter is unknown before torch is loaded, which takes seconds."""
    from lora_marketing.registry.names import AdapterRef
    from lora_marketing.registry.store import Registry

    for ref in refs:
        Registry(adapters).resolve(AdapterRef.parse(ref))


def _briefs(
    text: str | None,
    file: Path | None,
    channel: str,
    field: str | None,
    audience: str,
    attributes: Sequence[str],
) -> list[Brief]:
    from lora_marketing.brand import Brief
    from lora_marketing.channels import load_channel, load_limit
    from lora_marketing.data import read_briefs

    if file:
        return read_briefs(file)
    if not text:
        raise DataError(Problem("no brief", fix='give one as text, as in "Gift card, £20", or --brief FILE'))
    pairs = [pair.partition("=") for pair in attributes]
    broken = [key for key, separator, _ in pairs if not separator]
    if broken:
        raise DataError(Problem("--attribute needs KEY=VALUE", got=", ".join(broken)))
    field = field or next(iter(load_channel(channel).fields))
    load_limit(channel, field)
    given = {key: value for key, _, value in pairs}
    return [Brief(product=text, channel=channel, field=field, audience=audience, attributes=given)]


def _show(copies: Sequence[Copy]) -> None:
    """One block per brief and variant, one row per voice."""
    from rich.table import Table

    console = rich_stdout()
    seen: dict[tuple[str, int], list[Copy]] = {}
    for copy in copies:
        seen.setdefault((copy.brief.model_dump_json(), copy.variant), []).append(copy)
    for group in seen.values():
        brief = group[0].brief
        attributes = "".join(f", {key} {value}" for key, value in brief.attributes.items())
        title = f"{brief.product}{attributes} · {brief.channel} {brief.field}"
        table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for copy in sorted(group, key=lambda copy: (copy.brand, copy.line, copy.adapter is not None)):
            voice = copy.adapter or f"base as {copy.brand}"
            table.add_row(voice, copy.text + ("" if copy.stopped else " …"))
        console.print(table)
        console.print()
