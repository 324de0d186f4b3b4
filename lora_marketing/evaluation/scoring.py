"""Take every figure of written copy, with intervals. Needs no model."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from math import isnan
from typing import Any

from lora_marketing.brands.brand import Brand, Brief, Example
from lora_marketing.channels.structure import plain
from lora_marketing.common.errors import DataError
from lora_marketing.copy.mending import is_complete
from lora_marketing.copy.record import Copy
from lora_marketing.data.dataset import prepare, read_texts
from lora_marketing.evaluation.document import Evaluation, HeldOutVoice, ScoredText, WriterScores
from lora_marketing.evaluation.statistics import RESAMPLES, Estimate, estimate, whole_estimate
from lora_marketing.evaluation.voices import BASE, fit_voices, require_taught, taught
from lora_marketing.guards import Case, Finding, findings, verdict
from lora_marketing.metrics import Figure, MeasuredText, Values, load_metric, metric_names
from lora_marketing.metrics.copying import Passages
from lora_marketing.metrics.voice import VoiceClassifier
from lora_marketing.recipe import LoadedRecipe

PACKAGES = ("lora_marketing", "sacrebleu", "rouge_score", "scikit-learn", "numpy")
Wordings = Mapping[str, Values]
"""Other ways to say a value, by attribute and value."""


USUAL = 1 / 3
"""Values of an attribute that fewer of a brand's briefs have are words like others, not its slots."""
CHOSEN = (
    "texts were chosen by the guards before: guard figures are of what was delivered, not of what the model"
    " writes; use generate --raw"
)


@dataclass(frozen=True)
class _Reference:
    """What all texts of an evaluation are held against."""

    brands: Mapping[str, Brand]
    references: Mapping[str, Sequence[str]]
    known: Mapping[str, Values]
    wordings: Wordings
    passages: Mapping[str, Passages]
    voices: VoiceClassifier | None
    taught: str
    today: date

    def others(self, brand: Brand) -> tuple[str, ...]:
        """Names of the other brands, which no text of this one may say."""
        return tuple(other.display_name for other in self.brands.values() if other.name != brand.name)

    def held_against(self, brand: str) -> dict[str, str]:
        """Digests of what a brand's figures are held against, of those that need more than the texts."""
        facts, passages = self.brands[brand].facts, self.passages.get(brand)
        known = {name: sorted(values) for name, values in self.known[brand].items()}
        said, invented = _digest(self.wordings), _digest([self.wordings, known, facts])
        digests = {"slot_coverage": said, "slots_repeated": said, "slot_errors": invented}
        digests["slots_invented"] = invented
        if self.voices:
            digests["voice"] = self.taught
        if passages:
            digests["copying_rate"] = _digest([sorted(passages.known.shingles), sorted(passages.known.texts)])
        return digests


@dataclass(frozen=True)
class ScoringOptions:
    """How copy is scored, beyond the copy and the recipes.

    Args:
        known_texts: by brand, texts that copy must not repeat; the recipes' training rows by default.
        wordings: other ways to say a value of an attribute, besides the value itself.
        metrics: names of metrics; all of them if None.
        today: the day on which claims are judged; the present one if None.
        seed: of intervals and of the voice classifier's folds.
        resamples: how many sets of briefs are drawn for an interval.
    """

    known_texts: Mapping[str, Passages] | None = None
    wordings: Wordings | None = None
    metrics: Sequence[str] | None = None
    today: date | None = None
    seed: int = 13
    resamples: int = RESAMPLES


def evaluate(
    copies: Sequence[Copy],
    references: Sequence[Example],
    recipes: Sequence[LoadedRecipe],
    options: ScoringOptions = ScoringOptions(),
) -> Evaluation:
    """Score copy of any writers for any brands.

    Args:
        copies: the texts.
        references: texts that people wrote for the same briefs; those of other briefs do not matter.
        recipes: of the copies' brands, whose policy holds and whose real texts teach the voices.
        options: metrics, intervals and what else the texts are held against.

    Raises:
        DataError: copies of a brand without a recipe, or unusable training rows.
        UnknownName: an unknown metric, channel or field.
    """
    require_taught(copies, recipes)
    metrics = list(options.metrics or metric_names())
    figures = {
        name: figure for metric in map(load_metric, metrics) for name, figure in metric.FIGURES.items()
    }
    voices, notes = _voices(recipes, options.seed) if "voice" in figures else (None, [])
    setting = _Reference(
        {loaded.brand.name: loaded.brand for loaded in reversed(recipes)},
        _by_brief(references),
        _known_values(copies, recipes),
        options.wordings or {},
        _training_passages(recipes) if options.known_texts is None else options.known_texts,
        voices,
        _taught(recipes) if voices else "",
        options.today or date.today(),
    )
    groups: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    for copy, writer in zip(copies, writers_of(copies), strict=True):
        groups[writer, copy.brand].append(copy)
    texts: list[ScoredText] = []
    scores = []
    for (writer, brand), own in sorted(groups.items()):
        scored = _scored(writer, own, setting, metrics)
        texts += scored
        writer_scores = _scores(writer, brand, scored, figures, options)
        scores.append(writer_scores.model_copy(update={"held_against": setting.held_against(brand)}))
    return Evaluation(
        made=setting.today,
        seed=options.seed,
        resamples=options.resamples,
        packages=dict(_versions()),
        held_out=_held_out(voices),
        writers=scores,
        texts=texts,
        notes=[*notes, *([CHOSEN] if any(map(_is_chosen, copies)) else [])],
    )


def writers_of(copies: Sequence[Copy]) -> list[str]:
    """The writer of each copy: the bare base, an adapter, or a version of one if there are several."""
    versions: dict[str, set[str | None]] = defaultdict(set)
    for copy in copies:
        if copy.adapter:
            versions[copy.adapter].add(copy.digest)
    return [
        BASE
        if copy.adapter is None
        else f"{copy.adapter}:{(copy.digest or 'unknown')[:8]}"
        if len(versions[copy.adapter]) > 1
        else copy.adapter
        for copy in copies
    ]


def by_brief(texts: Iterable[ScoredText]) -> dict[str, list[ScoredText]]:
    """Texts of equal briefs together, in the order of their first texts."""
    groups: dict[str, list[ScoredText]] = defaultdict(list)
    for text in texts:
        groups[text.key].append(text)
    return dict(groups)


def added(name: str, texts: Sequence[ScoredText]) -> list[float] | None:
    """What texts add to a figure together; None if it bears on none of them."""
    counts = [text.counts[name] for text in texts if name in text.counts]
    return [sum(column) for column in zip(*counts, strict=True)] if counts else None


def _scored(
    writer: str, copies: Sequence[Copy], setting: _Reference, metrics: Sequence[str]
) -> list[ScoredText]:
    """All of one writer's texts for one brand, with what every metric counts in them."""
    brand = setting.brands[copies[0].brand]
    passages = setting.passages.get(brand.name)
    known, others = passages.known if passages else None, setting.others(brand)
    findings_of = [
        findings(copy.text, Case(copy.brief, brand, _is_whole(copy), setting.today, known, others))
        for copy in copies
    ]
    plain_texts = [plain(copy.text, copy.brief) for copy in copies]
    named: list[str | None] = [None] * len(copies)
    if setting.voices:
        named = [guess.brand for guess in setting.voices.predict(plain_texts)]
    copied = [passages.longest(text) if passages else None for text in plain_texts]
    written = [
        _written(copy, brand, setting, own, voice, length)
        for copy, own, voice, length in zip(copies, findings_of, named, copied, strict=True)
    ]
    counts: list[dict[str, list[float]]] = [{} for _ in copies]
    for name in metrics:
        for kept, counted in zip(counts, load_metric(name).count(written), strict=True):
            kept.update({figure: list(numbers) for figure, numbers in counted.items()})
    return [
        ScoredText(
            writer=writer,
            brand=copy.brand,
            variant=copy.variant,
            seed=copy.seed,
            brief=copy.brief,
            text=copy.text,
            references=list(row.references),
            stopped=copy.stopped,
            verdict=verdict(own),
            findings=own,
            sounds_like=row.sounds_like,
            copied=row.copied,
            counts=kept,
            language=brand.language,
        )
        for copy, row, own, kept in zip(copies, written, findings_of, counts, strict=True)
    ]


def _is_chosen(copy: Copy) -> bool:
    """Whether guards had a say in it: it was judged, mended or written again."""
    return bool(copy.verdict or copy.mended or copy.round > 1)


def _is_whole(copy: Copy) -> bool:
    """As `generate` takes it: a judged text was cut to whole sentences before."""
    return is_complete(copy.text, copy.brief, copy.stopped) if copy.verdict else copy.stopped


def _written(
    copy: Copy,
    brand: Brand,
    setting: _Reference,
    found: Sequence[Finding],
    voice: str | None,
    copied: int | None,
) -> MeasuredText:
    return MeasuredText(
        copy.text,
        copy.brief,
        copy.brand,
        brand.language,
        copy.stopped,
        setting.references.get(copy.brief.key, ()),
        verdict(found),
        voice,
        copied,
        setting.known[copy.brand],
        setting.wordings,
        brand.facts,
    )


def _scores(
    writer: str,
    brand: str,
    texts: Sequence[ScoredText],
    figures: Mapping[str, Figure],
    options: ScoringOptions,
) -> WriterScores:
    groups = by_brief(texts)
    estimates = {
        name: _estimate(name, figure, list(groups.values()), options) for name, figure in figures.items()
    }
    rules = Counter(rule for text in texts for rule in sorted({finding.rule for finding in text.findings}))
    return WriterScores(
        writer=writer,
        brand=brand,
        texts=len(texts),
        briefs=len(groups),
        figures={name: value for name, value in estimates.items() if value is not None},
        verdicts=dict(Counter(text.verdict for text in texts)),
        rules=dict(rules.most_common()),
    )


def _estimate(
    name: str, figure: Figure, groups: Sequence[Sequence[ScoredText]], options: ScoringOptions
) -> Estimate | None:
    """A figure over groups of texts with one brief each; None where it bears on nothing."""
    if figure.whole:
        return whole_estimate(figure.whole, [[text.plain for text in group] for group in groups])
    sums = [counts for counts in (added(name, group) for group in groups) if counts is not None]
    if not sums or isnan(figure.value([sum(column) for column in zip(*sums, strict=True)])):
        return None
    return estimate(figure, sums, options.seed, options.resamples)


def _voices(recipes: Sequence[LoadedRecipe], seed: int) -> tuple[VoiceClassifier | None, list[str]]:
    """The classifier of the recipes' voices, or why there is none."""
    try:
        return fit_voices(recipes, seed), []
    except DataError as error:
        return None, [f"no voice score: {problem.what}" for problem in error.problems]


def _taught(recipes: Sequence[LoadedRecipe]) -> str:
    texts, names = taught(recipes)
    return _digest([sorted((text.brand, text.text, text.group) for text in texts), sorted(names)])


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _held_out(voices: VoiceClassifier | None) -> HeldOutVoice | None:
    if voices is None:
        return None
    accuracy = voices.heldout_accuracy
    return HeldOutVoice(
        accuracy=accuracy.accuracy,
        interval=accuracy.interval,
        macro=accuracy.macro,
        by_brand=dict(accuracy.by_brand),
        texts=accuracy.n,
    )


def _by_brief(references: Sequence[Example]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = defaultdict(list)
    for example in references:
        texts[example.key].append(plain(example.text, example))
    return texts


def _known_values(copies: Sequence[Copy], recipes: Sequence[LoadedRecipe]) -> dict[str, Values]:
    """The values of each usual attribute in a brand's briefs, those of its real texts among them."""
    # lines of a brand share a file, brands may share a queue
    sources = {(loaded.brand.name, loaded.train_file): loaded for loaded in recipes}.values()
    briefs: list[tuple[str, Brief]] = [
        (loaded.brand.name, row) for loaded in sources for _, row in read_texts(loaded)
    ]
    briefs += [(copy.brand, copy.brief) for copy in copies]
    briefs_of = Counter(brand for brand, _ in briefs)
    having = Counter((brand, name) for brand, brief in briefs for name in brief.attributes)
    found: dict[str, dict[str, dict[str, None]]] = {brand: {} for brand in briefs_of}
    for brand, brief in briefs:
        for name, value in brief.attributes.items():
            if having[brand, name] >= USUAL * briefs_of[brand]:
                found[brand].setdefault(name, {})[value] = None
    return {brand: {name: list(values) for name, values in usual.items()} for brand, usual in found.items()}


def _training_passages(recipes: Sequence[LoadedRecipe]) -> dict[str, Passages]:
    rows: dict[str, list[str]] = defaultdict(list)
    for loaded in recipes:
        rows[loaded.brand.name] += [plain(row.text, row) for row in prepare(loaded).train]
    return {brand: Passages(texts) for brand, texts in rows.items()}


def _versions() -> Iterable[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
