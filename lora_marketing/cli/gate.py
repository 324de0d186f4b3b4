"""The gate of an alias, as `adapters promote` asks it. Loads a model only where there is no evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path

from lora_marketing.common.console import note
from lora_marketing.common.errors import GateFailed, Problem
from lora_marketing.evaluation import Evaluation, read_evaluation, write_evaluation
from lora_marketing.evaluation.promotion import Check, GateResult, PromotionFigures, decide, objections
from lora_marketing.evaluation.voices import BASE
from lora_marketing.recipe import load_recipe
from lora_marketing.registry.history import GatedCheck, GateRecord
from lora_marketing.registry.names import AdapterRef
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version


def pass_gate(
    registry: Registry,
    version: Version,
    alias: str,
    recipes: Sequence[Path],
    kept: Path | None,
    force: str | None,
    seed: int,
    base_id: str | None,
) -> GateRecord:
    """Judge `version` beside the one that `alias` names, or go on with `force`; what the history keeps.

    Raises:
        GateFailed: a check did not pass, or there is nothing to judge by.
    """
    digest = registry.aliases(version.name).get(alias)
    present = registry.resolve(AdapterRef(version.name, digest=digest)) if digest else None
    if not (recipes or kept):
        if force:
            return GateRecord(passed=False, forced=True, against=digest, evaluation_sha256=None, checks=[])
        fix = "--recipe with the adapter's recipe, or --evaluation with a kept evaluation of it"
        raise GateFailed(Problem(f"{version.name}@{alias} has a gate, and nothing to judge by", fix=fix))
    found: list[Check] = []
    if kept and not recipes:
        evaluation = read_evaluation(kept)
        found = objections(evaluation, str(version), str(present) if present else None, date.today())
        if found and not force:
            raise GateFailed([check.problem() for check in found])
    else:
        evaluation = _judged(registry, version, present, recipes, seed, base_id)
        if kept:
            write_evaluation(kept, evaluation)
    outcome = GateResult([*found, *_decided(registry, version, present, evaluation).checks])
    for check in outcome.checks:
        note(f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.value} ({check.limit})")
    if not (outcome.passed or force):
        fix = f"the alias stays where it is; --force REASON moves {version.name}@{alias} all the same"
        raise GateFailed([*(check.problem() for check in outcome.failed), Problem("not moved", fix=fix)])
    return _record(evaluation, outcome, digest)


def _judged(
    registry: Registry,
    version: Version,
    present: Version | None,
    recipes: Sequence[Path],
    seed: int,
    base_id: str | None,
) -> Evaluation:
    """Let them write and be measured: the recipe of this adapter gives the rows, all teach voices."""
    from lora_marketing.cli.quiet import quiet_upstream

    quiet_upstream()
    from lora_marketing.model_eval import judge

    own = next((path for path in recipes if load_recipe(path).name == str(version.name)), recipes[0])
    against = [BASE, *([f"{present.name}:{present.digest}"] if present else [])]
    others = [path for path in recipes if path != own]
    ref = f"{version.name}:{version.digest}"
    return judge(registry.root, ref, against, seed=seed, base_id=base_id, recipe=own, voices=others)


def _decided(
    registry: Registry, version: Version, present: Version | None, evaluation: Evaluation
) -> GateResult:
    others = _other_brands(registry, version)
    candidate = PromotionFigures.of(evaluation, str(version), others)
    return decide(candidate, PromotionFigures.of(evaluation, str(present), others) if present else None)


def _other_brands(registry: Registry, version: Version) -> list[str]:
    """The names under which the registry's other brands are known."""
    own = version.manifest.recipe.get("brand_profile", {}).get("display_name")
    profiles = {
        name.brand: other.manifest.recipe.get("brand_profile", {})
        for name in registry.names()
        if name.brand != version.name.brand
        for other in registry.versions(name)
    }
    return sorted({profile.get("display_name", brand) for brand, profile in profiles.items()} - {own})


def _record(evaluation: Evaluation, outcome: GateResult, against: str | None) -> GateRecord:
    checks = [GatedCheck(**check.model_dump(exclude={"evidence"})) for check in outcome.checks]
    told = evaluation.model_dump_json(by_alias=True, indent=1) + "\n"
    return GateRecord(
        passed=outcome.passed,
        forced=not outcome.passed,
        against=against,
        evaluation_sha256=sha256(told.encode()).hexdigest(),
        checks=checks,
    )
