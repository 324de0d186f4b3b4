"""Before a server starts: which adapters of a registry share a base, and the engine that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lora_marketing.bases.locate import prompt_settings
from lora_marketing.common.errors import AdapterRefused, Problem, RegistryError
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.registry.names import AdapterName, AdapterRef
from lora_marketing.registry.provenance import base_section_here, recipe_of, require_usable
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version
from lora_marketing.tokens.pinned_template import PromptSettings

if TYPE_CHECKING:
    from lora_marketing.serving.worker import WritingEngine


@dataclass(frozen=True)
class ServedAdapters:
    """Adapters that share a base and are served together; those left out, each with the reason."""

    section: BaseSection
    versions: Sequence[Version]
    left_out: Sequence[str]


def find_adapters(
    registry: Registry, only: Sequence[AdapterName] = (), base_id: str | None = None
) -> ServedAdapters:
    """Find the base that most adapters share, and these adapters.

    Args:
        registry: where they are published.
        only: serve these and no others; they must share a base.
        base_id: where the base lies on this machine, if not where the recipes say.

    Raises:
        RegistryError: nothing to serve, or an adapter of `only` is not there.
        AdapterRefused: those of `only` need different bases.
        BaseModelError: the base is a local folder, and `base_id` does not say where it lies.
    """
    versions, damaged = _versions(registry, only)
    by_base: dict[str, list[Version]] = {}
    for version in versions:
        base = f"{version.manifest.base.fingerprint} {_prompts(version)}"
        by_base.setdefault(base, []).append(version)
    if not by_base:
        fix = "train and publish one: lora-marketing train RECIPE"
        raise RegistryError(
            Problem("no adapter to serve", str(registry.root), "; ".join(damaged) or None, fix=fix)
        )
    if only and len(by_base) > 1:
        groups = list(by_base.values())
        others = [f"{group[0].name}: {_needs(group[0], groups[0][0])}" for group in groups[1:]]
        got = "; ".join([f"{groups[0][0].name}: {_needs(groups[0][0], None)}", *others])
        fix = "serve them from separate processes"
        raise AdapterRefused(Problem("these adapters need different bases", got=got, fix=fix))
    served = max(by_base.values(), key=len)
    others = [
        f"{version.name}: needs {_needs(version, served[0])}" for version in versions if version not in served
    ]
    section = base_section_here(recipe_of(served[0].manifest)[0], base_id)
    return ServedAdapters(section, served, [*others, *damaged])


def _prompts(version: Version) -> PromptSettings:
    return prompt_settings(recipe_of(version.manifest)[0])


def _needs(version: Version, served: Version | None) -> str:
    """What a version needs, and that it is another thing than what `served` needs."""
    base = version.manifest.base
    if served is None or base.fingerprint != served.manifest.base.fingerprint:
        return f"the base {base.id}"
    prompts = _prompts(version)
    settings = [f"chat_date: {prompts.date}", f"system_turn: {prompts.system_turn}"]
    settings += [f"{name}: {value}" for name, value in prompts.arguments.items()]
    return f"the base {base.id} with other prompts ({', '.join(settings)})"


def _versions(registry: Registry, only: Sequence[AdapterName]) -> tuple[list[Version], list[str]]:
    """The usual version of every adapter, and those that have none, or one that cannot be used here."""
    known = registry.names()
    versions, damaged = [], []
    for name in only or known:
        try:
            version = registry.resolve(AdapterRef(name))
            require_usable(version)
            versions.append(version)
        except RegistryError as error:
            if name not in known:
                raise
            damaged.append(f"{name}: {_short(error)}")
    return versions, damaged


def _short(error: RegistryError) -> str:
    problem = error.problems[0]
    return f"{problem.what} ({problem.got})" if problem.got else problem.what


def load_engine(adapters: ServedAdapters, max_rows: int) -> WritingEngine:
    """Load the base, and put an engine with all adapters on it. Seconds to minutes.

    An adapter that the load gate refuses stays out; requests for it are answered with 503.

    Raises:
        BaseModelError: the base cannot be loaded.
        AdapterRefused: an adapter was trained on other weights of the same name.
    """
    from lora_marketing.engine.base import load_base
    from lora_marketing.engine.constraints.grammar import vocabulary_of
    from lora_marketing.engine.engine import Engine

    engine = Engine(load_base(adapters.section), max_rows=max_rows)
    for version in adapters.versions:
        engine.register(version)
    engine.prepare()
    # read once at the first use: the tokenizer's settings, and a vocabulary that holds up every thread
    engine.base.encode([{"role": "user", "content": "x"}], header=True)
    vocabulary_of(engine.base.tokenizer, engine.base.stop_ids)
    return engine
