"""The gate of an alias, as `adapters promote` asks it. Loads a model only where there is no evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

from lora_marketing.common.console import note
from lora_marketing.common.errors import GateFailed, Problem
from lora_marketing.evaluation import Evaluation, read_evaluation, write_evaluation
from lora_marketing.evaluation.document import as_json
from lora_marketing.evaluation.promotion_gate import Check, GateResult, PromotionFigures, decide, objections
from lora_marketing.evaluation.voices import BASE
from lora_marketing.recipe import load_recipe
from lora_marketing.registry.history import GatedCheck, GateRecord
from lora_marketing.registry.names import AdapterRef
from lora_marketing.registry.provenance import kept_profile
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version


@dataclass(frozen=True)
class GateOptions:
    """What a version is judged by, as the options of `adapters promote` say.

    Args:
        recipes: the adapter's own, whose held-out rows it writes for; further ones teach other voices.
        kept: a kept evaluation to judge by; with recipes, where the new one is kept.
        force: the reason to move the alias whatever the checks say; None to keep to them.
        seed: of everything that is drawn.
        base_id: where the base lies on this machine, if not where the recipe says.
    """

    recipes: Sequence[Path]
    kept: Path | None
    force: str | None
    seed: int
    base_id: str | None


def pass_gate(registry: Registry, version: Version, alias: str, options: GateOptions) -> GateRecord:
    """Judge `version` beside the one that `alias` names, or go on with a reason; what the history keeps.

    Raises:
        GateFailed: a check did not pass, or there is nothing to judge by.
    """
    recipes, kept, force = options.recipes, options.kept, options.force
    digest = registry.aliases(version.name).get(alias)
    present = registry.resolve(AdapterRef(version.name, digest=digest)) if digest else None
    if not (recipes or kept):
        if force:
            return GateRecord(passed=False, forced=True, against=digest, evaluation_sha256=None, checks=[])
        fix = "--recipe with the adapter's recipe, or --evaluation with a kept evaluation of it"
        raise GateFailed(Problem(f"{version.name}@{alias} has a gate, and nothing to judge by", fix=fix))
    against_kept: list[Check] = []
    if kept and not recipes:
        evaluation = read_evaluation(kept)
        against_kept = objections(evaluation, str(version), str(present) if present else None, date.today())
        if against_kept and not force:
            raise GateFailed([check.problem() for check in against_kept])
    else:
        evaluation = _judged(registry, version, present, options)
        if kept:
            write_evaluation(kept, evaluation)
    outcome = GateResult([*against_kept, *_decided(registry, version, present, evaluation).checks])
    for check in outcome.checks:
        note(f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.value} ({check.limit})")
    if not (outcome.passed or force):
        fix = f"the alias stays where it is; --force REASON moves {version.name}@{alias} all the same"
        raise GateFailed([*(check.problem() for check in outcome.failed), Problem("not moved", fix=fix)])
    return _record(evaluation, outcome, digest)


def _judged(
    registry: Registry, version: Version, present: Version | None, options: GateOptions
) -> Evaluation:
    """Let them write and be measured: the recipe of this adapter gives the rows, all teach voices."""
    from lora_marketing.cli.quiet import quiet_upstream

    quiet_upstream()
    from lora_marketing.model_eval import TrialOptions, judge

    recipes = options.recipes
    own = next((path for path in recipes if load_recipe(path).name == str(version.name)), recipes[0])
    against = [BASE, *([f"{present.name}:{present.digest}"] if present else [])]
    others = [path for path in recipes if path != own]
    trial = TrialOptions(against, own, others, seed=options.seed, base_id=options.base_id)
    return judge(registry.root, f"{version.name}:{version.digest}", trial)


def _decided(
    registry: Registry, version: Version, present: Version | None, evaluation: Evaluation
) -> GateResult:
    others = _other_brands(registry, version)
    candidate = PromotionFigures.of(evaluation, str(version), others)
    return decide(candidate, PromotionFigures.of(evaluation, str(present), others) if present else None)


def _other_brands(registry: Registry, version: Version) -> list[str]:
    """The names under which the registry's other brands are known."""
    own = kept_profile(version.manifest).get("display_name")
    profiles = {
        name.brand: kept_profile(other.manifest)
        for name in registry.names()
        if name.brand != version.name.brand
        for other in registry.versions(name)
    }
    return sorted({str(profile.get("display_name", brand)) for brand, profile in profiles.items()} - {own})


def _record(evaluation: Evaluation, outcome: GateResult, against: str | None) -> GateRecord:
    checks = [GatedCheck(**check.model_dump(exclude={"evidence"})) for check in outcome.checks]
    return GateRecord(
        passed=outcome.passed,
        forced=not outcome.passed,
        against=against,
        evaluation_sha256=sha256(as_json(evaluation).encode()).hexdigest(),
        checks=checks,
    )
