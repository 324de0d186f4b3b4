"""`adapters ...`: look at the registry, move aliases, verify. No torch."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.common.console import note, plain_text, result, rich_stdout
from lora_marketing.common.errors import Problem, RegistryError

if TYPE_CHECKING:
    from lora_marketing.registry.store import Registry
    from lora_marketing.registry.version import Version

app = typer.Typer(help="Look at published adapters, move aliases, verify.", no_args_is_help=True)

RegistryFolder = Annotated[Path, typer.Option("--adapters", help="The registry.")]
Ref = Annotated[
    str, typer.Argument(metavar="ADAPTER", help="brand/line, brand/line@alias or brand/line:digest.")
]


@app.command("list")
def list_(adapters: RegistryFolder = Path("adapters")) -> None:
    """List every version with its aliases and figures."""
    from rich.table import Table

    from lora_marketing.registry.store import Registry

    registry = Registry(adapters)
    table = Table("adapter", "version", "aliases", "held-out loss", "stops", "base", "created", box=None)
    for problem in registry.links():
        note(f"not listed: {problem}")
    for name in registry.names():
        aliases = registry.aliases(name)
        for problem in (*registry.damaged(name), *registry.alias_problems(name)):
            note(f"damaged: {problem}")
        for version in registry.versions(name):
            metrics = version.manifest.metrics
            held = ", ".join(f"@{alias}" for alias, digest in aliases.items() if digest == version.digest)
            loss = " → ".join(
                f"{metrics[key]:.3f}" for key in ("base_loss", "held_out_loss") if key in metrics
            )
            stops = f"{metrics['stop_rate']:.0%}" if "stop_rate" in metrics else ""
            base = plain_text(version.manifest.base.id)
            created = plain_text(version.manifest.created)
            table.add_row(str(name), version.digest[:16], held, loss, stops, base, created)
    rich_stdout().print(table)


@app.command()
def show(adapter: Ref, adapters: RegistryFolder = Path("adapters")) -> None:
    """Print a version's manifest as JSON: recipe, data, base, packages, metrics, files."""
    from lora_marketing.registry.names import AdapterRef
    from lora_marketing.registry.store import Registry

    version = Registry(adapters).resolve(AdapterRef.parse(adapter))
    manifest = version.manifest.model_dump(mode="json")
    result(json.dumps({"digest": version.digest, **manifest}, indent=2, ensure_ascii=False))


@app.command()
def promote(
    adapter: Ref,
    to: Annotated[str, typer.Argument(metavar="ALIAS", help="The alias to move.")] = "prod",
    reason: Annotated[str | None, typer.Option(help="Kept in the history.")] = None,
    recipe: Annotated[
        list[Path] | None,
        typer.Option(help="For the gate: the adapter's recipe; further ones teach other brands' voices."),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(
            help="For the gate: a kept evaluation of this very version; with --recipe, where to keep it."
        ),
    ] = None,
    brand: Annotated[
        Path | None, typer.Option(help="A newer brand profile, whose gated aliases hold.")
    ] = None,
    force: Annotated[
        str | None, typer.Option(metavar="REASON", help="Move all the same; recorded with what failed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="For the gate: of what is drawn.")] = 13,
    base_id: Annotated[
        str | None, typer.Option(help="For the gate: where the base lies on this machine.")
    ] = None,
    adapters: RegistryFolder = Path("adapters"),
) -> None:
    """Point an alias at a version; a bare brand/line means its @candidate. Where the brand gates the alias,
    the version has to pass the gate."""
    from lora_marketing.common.files import check_writable
    from lora_marketing.registry.names import AdapterRef
    from lora_marketing.registry.store import Registry, candidate_of

    check_writable(evaluation if recipe else None)
    registry = Registry(adapters)
    version = registry.resolve(candidate_of(AdapterRef.parse(adapter)))
    gated = to in _gated(registry, version, to, brand)
    if registry.aliases(version.name).get(to) == version.digest:
        result(f"{version.name}@{to} is {version.digest[:16]} already: nothing was moved")
        return
    if not gated:
        registry.promote(AdapterRef(version.name, digest=version.digest), to, reason or force)
    else:
        from lora_marketing.cli.gate import GateOptions, pass_gate

        options = GateOptions(recipe or [], evaluation, force, seed, base_id)
        record = pass_gate(registry, version, to, options)
        registry.promote(AdapterRef(version.name, digest=version.digest), to, force or reason, record)
    result(f"{version.name}@{to} is now {version.digest[:16]}")


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(metavar="BRAND/LINE")],
    alias: Annotated[str, typer.Argument(metavar="ALIAS")] = "prod",
    adapters: RegistryFolder = Path("adapters"),
) -> None:
    """Point an alias back at the version it named before."""
    from lora_marketing.registry.names import AdapterName
    from lora_marketing.registry.store import Registry

    version = Registry(adapters).rollback(AdapterName.parse(name), alias)
    result(f"{version.name}@{alias} is again {version.digest[:16]}")


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="A")],
    new: Annotated[str, typer.Argument(metavar="B")],
    adapters: RegistryFolder = Path("adapters"),
) -> None:
    """Show what differs between two versions: recipe, base, data, packages, metrics."""
    from rich.table import Table

    from lora_marketing.registry.names import AdapterRef
    from lora_marketing.registry.store import Registry

    registry = Registry(adapters)
    a, b = (registry.resolve(AdapterRef.parse(ref)) for ref in (old, new))
    table = Table("key", a.digest[:16], b.digest[:16], box=None)
    for key, before, after in registry.diff(a, b):
        table.add_row(*map(plain_text, (key, _cell(before), _cell(after))))
    rich_stdout().print(table)


@app.command()
def verify(
    adapter: Annotated[
        str | None, typer.Argument(metavar="[ADAPTER]", help="All versions if left out.")
    ] = None,
    adapters: RegistryFolder = Path("adapters"),
) -> None:
    """Hash every file again and compare with the manifest."""
    from lora_marketing.registry.names import AdapterRef
    from lora_marketing.registry.store import Registry

    registry = Registry(adapters)
    problems = []
    if adapter:
        versions = [registry.resolve(AdapterRef.parse(adapter))]
        problems = registry.alias_problems(versions[0].name)
    else:
        names = registry.names()
        versions = [version for name in names for version in registry.versions(name)]
        problems = registry.links()
        problems += [problem for name in names for problem in registry.damaged(name)]
        problems += [problem for name in names for problem in registry.alias_problems(name)]
        if not versions and not problems:
            fix = "name the registry with --adapters"
            raise RegistryError(Problem("there is no adapter to verify", str(adapters), fix=fix))
    for version in versions:
        damage = registry.verify(version)
        problems.extend(damage)
        result(f"{version.name}:{version.digest[:16]} {'DAMAGED' if damage else 'ok'}")
    if problems:
        raise RegistryError(problems)


def _gated(registry: Registry, version: Version, alias: str, brand: Path | None) -> Collection[str]:
    """The aliases that have a gate, as the given profile says, or else any of those that were kept with the
    version, the one that `alias` names now and the newest."""
    if brand is None:
        from lora_marketing.registry.provenance import kept_profile

        published = registry.versions(version.name)
        named = registry.aliases(version.name).get(alias)
        asked = (version, published[-1], *(one for one in published if one.digest == named))
        kept = [kept_profile(one.manifest).get("gated_aliases") for one in asked]
        return {gated for aliases in kept if isinstance(aliases, list) for gated in aliases}
    from lora_marketing.brands.brand import load_brand

    policy = load_brand(brand)
    if policy.name != version.name.brand:
        what = "the profile of another brand"
        raise RegistryError(Problem(what, str(brand), got=policy.name, allowed=version.name.brand))
    return policy.gated_aliases


def _cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
