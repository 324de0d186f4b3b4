"""The bench: an adapter, other versions and the bare base write the same briefs, and are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lora_marketing.channels.structure import plain
from lora_marketing.common.console import note
from lora_marketing.common.errors import Problem, RecipeError
from lora_marketing.copy.record import Copy
from lora_marketing.engine.sampling import Sampling
from lora_marketing.evaluation import Evaluation, ScoringOptions, evaluate
from lora_marketing.evaluation.promotion_gate import share_difference
from lora_marketing.evaluation.voices import BASE
from lora_marketing.metrics.copying import Passages
from lora_marketing.model_eval.ability import Ability, examine
from lora_marketing.model_eval.adverts import AdvertRules
from lora_marketing.model_eval.held_out import HeldOut, held_out
from lora_marketing.model_eval.losses import Losses, losses
from lora_marketing.model_eval.scoring import Scorer
from lora_marketing.recipe import LoadedRecipe, load_recipe
from lora_marketing.registry.names import AdapterRef
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version
from lora_marketing.tokens.render import require_no_control_tokens
from lora_marketing.writing.copywriter import CopyOrder, Voice, write_copy
from lora_marketing.writing.session import WritingSession


@dataclass(frozen=True)
class Sheet:
    """What one writer wrote and was measured at."""

    voice: Voice
    copies: Sequence[Copy]
    losses: Losses
    ability: Ability

    @property
    def name(self) -> str:
        """As the evaluation names the writer."""
        return self.voice.adapter or BASE

    def figures(self) -> dict[str, float]:
        """What only a model can tell of it."""
        return {**self.losses.figures(), **self.ability.figures()}


@dataclass(frozen=True)
class Trial:
    """All that a model is needed for. The judged adapter's sheet is the first."""

    loaded: LoadedRecipe
    rows: HeldOut
    sheets: Sequence[Sheet]
    seed: int


@dataclass(frozen=True)
class TrialOptions:
    """Beside whom an adapter writes, for which rows, and what is drawn.

    Args:
        against: `base`, aliases or digests of the same adapter, or other adapters.
        recipe: whose held-out rows it is judged by: a manifest keeps but their hashes.
        voices: recipes of other brands, whose texts teach what this one does not sound like.
        variants: texts per brief.
        limit: only so many rows; all if None.
        seed: of everything that is drawn.
        base_id: where the base lies on this machine, if the manifests' own word does not hold here.
    """

    against: Sequence[str] = (BASE,)
    recipe: Path | None = None
    voices: Sequence[Path] = ()
    variants: int = 1
    limit: int | None = None
    seed: int = 13
    base_id: str | None = None


def judge(adapters: Path, ref: str, options: TrialOptions) -> Evaluation:
    """Judge an adapter beside others on the rows that were held out from it.

    Args:
        adapters: the registry.
        ref: the adapter to judge.
        options: the recipe that it was trained with, the writers beside it, and what is drawn.

    Raises:
        RecipeError: no recipe. DataError: its rows cannot test the adapter. RegistryError,
        AdapterRefused, BaseModelError: as WritingSession.open says.
    """
    trial = write_trial(adapters, ref, options)
    return scored(trial, [load_recipe(path) for path in options.voices])


def write_trial(adapters: Path, ref: str, options: TrialOptions) -> Trial:
    """Let all of them write, and take what only a model can tell. Raises as `judge` says."""
    if options.recipe is None:
        fix = "--recipe with the recipe that it was trained with"
        raise RecipeError(Problem("a manifest keeps no texts to judge an adapter by", got=ref, fix=fix))
    loaded, registry = load_recipe(options.recipe), Registry(adapters)
    judged, others = _versions(registry, ref, options.against)
    rows = held_out(loaded, judged, others)
    rows = replace(rows, rows=rows.rows[: options.limit])
    for remark in rows.remarks:
        note(f"Remark: {remark}")
    versions = (judged, *others)
    session = WritingSession.open(adapters, list(map(_exact, versions)), base_id=options.base_id)
    seats = [replace(voice, adapter=str(v)) for v, voice in zip(versions, session.voices, strict=True)]
    if BASE in options.against:
        seats.append(Voice(seats[0].brand, seats[0].line))
    return Trial(loaded, rows, _sheets(session, seats, versions, loaded, rows, options), options.seed)


def _versions(registry: Registry, ref: str, against: Sequence[str]) -> tuple[Version, list[Version]]:
    """The judged version and the others, each once. `prod` means the judged adapter's own alias."""
    judged = registry.resolve(AdapterRef.parse(ref))
    others: dict[str, Version] = {}
    for name in against:
        if name == BASE:
            continue
        whole = name if "/" in name else f"{judged.name}{name if name[0] in '@:' else f'@{name}'}"
        version = registry.resolve(AdapterRef.parse(whole))
        if version.digest != judged.digest:
            others[version.digest] = version
    return judged, list(others.values())


def _exact(version: Version) -> str:
    return f"{version.name}:{version.digest}"


def _sheets(
    session: WritingSession,
    seats: Sequence[Voice],
    versions: Sequence[Version],
    loaded: LoadedRecipe,
    rows: HeldOut,
    options: TrialOptions,
) -> list[Sheet]:
    """Every seat's texts from one mixed batch, its losses and its answers to everyday questions."""
    settings, base = loaded.recipe.eval, session.writer.base
    sampling = Sampling(options.seed, settings.temperature, settings.top_p, settings.max_new_tokens)
    orders = [
        CopyOrder(seat, row.brief(), variant)
        for seat in seats
        for row in rows.rows
        for variant in range(options.variants)
    ]
    require_no_control_tokens(rows.rows, [loaded.brand], base)
    copies = write_copy(session.writer, orders, sampling, raw=True)
    scorer = Scorer(base, len(versions))
    for version in versions:
        scorer.register(version)
    rules = AdvertRules.of(loaded.brand, [*rows.known, *rows.rows])
    abilities = examine(scorer, session.writer, [seat.digest for seat in seats], rules)
    each = len(rows.rows) * options.variants
    return [
        Sheet(
            seat,
            copies[at * each : (at + 1) * each],
            losses(scorer, rows.rows, seat.brand, seat.digest, base),
            abilities[at],
        )
        for at, seat in enumerate(seats)
    ]


def scored(trial: Trial, taught: Sequence[LoadedRecipe] = ()) -> Evaluation:
    """The evaluation of what was written, with what only the model could tell beside it."""
    rows, copies = trial.rows, [copy for sheet in trial.sheets for copy in sheet.copies]
    known = Passages((plain(row.text, row) for row in rows.known), rows.taught)
    recipes, brand = [trial.loaded, *taught], trial.loaded.brand.name
    evaluation = evaluate(
        copies, rows.rows, recipes, ScoringOptions(known_texts={brand: known}, seed=trial.seed)
    )
    extra = {sheet.name: sheet.figures() for sheet in trial.sheets}
    extra[trial.sheets[0].name] |= _gaps(trial)
    writers = [scores.model_copy(update={"extra": extra[scores.writer]}) for scores in evaluation.writers]
    return evaluation.model_copy(update={"writers": writers, "notes": [*evaluation.notes, *rows.remarks]})


def _gaps(trial: Trial) -> dict[str, float]:
    """What the judged adapter has more or less than each writer beside it."""
    judged, *others = trial.sheets
    gaps = {"proven_held_out": float(trial.rows.proven)}
    for other in others:
        if gap := judged.losses.over(other.losses):
            gaps |= gap.named(f"loss_over:{other.name}")
        if other.voice.digest is None:
            right = zip(judged.ability.all_right, other.ability.all_right, strict=True)
            adverts = zip(judged.ability.adverts, other.ability.adverts, strict=True)
            gaps |= share_difference(list(right)).named("ability_over_base")
            gaps |= share_difference(list(adverts)).named("advert_over_base")
    return gaps
