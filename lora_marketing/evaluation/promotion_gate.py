"""The gate: may this version have that alias? Decided from saved figures, without a model.

What is compared with the present version is compared over the same briefs. A check of this kind fails
in two cases: the candidate is significantly worse (the whole interval of the difference is on the
wrong side of 0), or the rows do not rule out that it is worse by more than a margin (the interval's
worse end is beyond the margin). The second is a test of non-inferiority: with few rows it does not
pass by default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import sqrt
from statistics import NormalDist, fmean, stdev

from lora_marketing.common.documents import Frozen
from lora_marketing.common.errors import Problem
from lora_marketing.evaluation import Evaluation
from lora_marketing.evaluation.document import ScoredText
from lora_marketing.evaluation.voices import BASE
from lora_marketing.guards import Verdict
from lora_marketing.text.scripts import UNSPACED
from lora_marketing.text.words import words

SHOWN = 5
"""So many failed rows of a check are told."""
WHOLE = 0.8
"""A text of which one passage of a training text makes up so much repeats it."""
MOST_DAYS = 30
"""An older evaluation decides nothing."""


class GateRules(Frozen):
    """Limits of the gate. Shares are 0 to 1; the loss is nats a token.

    Args:
        confidence: of the two-sided intervals of differences.
        briefs: fewer held-out briefs decide nothing.
        blocked: most texts that a guard blocks.
        guards_passed: fewest texts that no guard objects to.
        stopped: fewest texts that the model ends by itself.
        leaks: most texts that name another brand, or repeat a training text.
        loss_margin: how much more loss than the present version's cannot be excluded at worst.
        share_margin: likewise for the shares of texts that guards pass and that sound like the brand.
        ability_margin: how many more everyday questions it may get wrong than the bare base, at worst.
        advert_margin: how many more everyday answers may read like adverts, at worst.
    """

    confidence: float = 0.95
    briefs: int = 20
    blocked: float = 0.0
    guards_passed: float = 0.5
    stopped: float = 0.9
    leaks: float = 0.0
    loss_margin: float = 0.05
    share_margin: float = 0.1
    ability_margin: float = 0.15
    advert_margin: float = 0.2


@dataclass(frozen=True)
class Gap:
    """How much more one writer has than another, with an interval."""

    value: float
    low: float
    high: float

    def named(self, name: str) -> dict[str, float]:
        """As three figures."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


def mean_difference(pairs: Sequence[tuple[float, float]], confidence: float = 0.95) -> Gap:
    """Difference of means (first less second) over pairs, by Student's t. At least two pairs."""
    from scipy.special import stdtrit

    gaps = [first - second for first, second in pairs]
    reach = float(stdtrit(len(gaps) - 1, (1 + confidence) / 2)) * stdev(gaps) / sqrt(len(gaps))
    return Gap(fmean(gaps), fmean(gaps) - reach, fmean(gaps) + reach)


def share_difference(pairs: Sequence[tuple[float, float]], confidence: float = 0.95) -> Gap:
    """Difference of shares (first less second) over pairs of values from 0 to 1.

    Agresti and Min's interval (Statistics in Medicine 24, 2005): half a pair of each of the four kinds
    is added, so that pairs which all agree still leave room for doubt.
    """
    gaps = [first - second for first, second in pairs]
    n = len(gaps) + 2
    centre = sum(gaps) / n
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * sqrt(
        ((sum(gap * gap for gap in gaps) + 1) / n - centre * centre) / n
    )
    return Gap(fmean(gaps), centre - reach, centre + reach)


def not_worse(better_by: Gap, margin: float) -> bool:
    """Whether it is not significantly worse, and surely not worse by more than `margin`."""
    return better_by.high >= 0 and better_by.low >= -margin


@dataclass(frozen=True)
class JudgedText:
    """One text as the gate sees it. `voice` is 1 if it sounds like its brand, else 0 (None: nobody
    listened), `told` what guards found, `leaks` what should have stayed elsewhere."""

    brief: str
    text: str
    verdict: Verdict
    stopped: bool
    voice: float | None = None
    leaks: Sequence[str] = ()
    told: Sequence[str] = ()


@dataclass(frozen=True)
class PromotionFigures:
    """All texts of one writer, and what only a model could tell of it.

    `extra` of the judged adapter holds `proven_held_out`, and with `_low` and `_high`
    `ability_over_base`, `advert_over_base` and `loss_over:WRITER` for each it was compared with.
    """

    writer: str
    rows: Sequence[JudgedText]
    extra: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, evaluation: Evaluation, writer: str, others: Sequence[str] = ()) -> PromotionFigures:
        """The figures of one writer of an evaluation; `others` are the names of other brands."""
        texts = [text for text in evaluation.texts if text.writer == writer]
        extra = next((scores.extra for scores in evaluation.writers if scores.writer == writer), {})
        return cls(writer, [_row(text, others) for text in texts], extra)

    def share(self, wanted: Callable[[JudgedText], bool]) -> float:
        """Share of texts of which `wanted` holds."""
        return sum(map(wanted, self.rows)) / max(1, len(self.rows))

    def by_brief(self, value: Callable[[JudgedText], float]) -> dict[str, float]:
        """The mean of `value` over the variants of each brief."""
        values_of: dict[str, list[float]] = {}
        for row in self.rows:
            values_of.setdefault(row.brief, []).append(value(row))
        return {brief: fmean(values) for brief, values in values_of.items()}

    def gap(self, name: str) -> Gap | None:
        """A difference that was taken with the model."""
        if name not in self.extra:
            return None
        return Gap(*(self.extra[key] for key in (name, f"{name}_low", f"{name}_high")))


def _row(text: ScoredText, others: Sequence[str]) -> JudgedText:
    asked = text.brief.model_dump_json()
    leaks = [f"names {name}" for name in others if names(name, text.text) and not names(name, asked)]
    if _repeats(text):
        leaks.append("repeats a training text")
    return JudgedText(
        brief=text.key,
        text=text.text,
        verdict=text.verdict,
        stopped=text.stopped,
        voice=None if text.sounds_like is None else float(text.sounds_like == text.brand),
        leaks=leaks,
        told=[f"{finding.rule}: {finding.message}" for finding in text.findings],
    )


def _repeats(text: ScoredText) -> bool:
    """Whether most of it is one passage that was trained on, and the guard against that objects.

    The guard knows what may be repeated: short phrases, and what the brief and the profile say.
    """
    guarded = any(finding.rule.split(".")[0] == "regurgitation" for finding in text.findings)
    return guarded and (text.copied or 0) >= WHOLE * len(words(text.plain))


def names(name: str, text: str) -> bool:
    """Whether `text` says `name`, as it is written: `Ember` is a brand where `ember` is a coal."""
    edge = rf"(?<![^\W{UNSPACED}]){{}}(?![^\W{UNSPACED}])"
    return re.search(edge.format(re.escape(name)), text) is not None


class Check(Frozen):
    """One thing that was looked at: what was found, what was asked, and the rows that speak against it."""

    name: str
    passed: bool
    value: str
    limit: str
    evidence: list[str] = []

    def problem(self) -> Problem:
        """The failed check as it is told."""
        shown = [f"\n        {row}" for row in self.evidence[:SHOWN]]
        more = len(self.evidence) - SHOWN
        rest = f"\n        and {more} more" if more > 0 else ""
        return Problem(f"the gate: {self.name}", got=self.value + "".join(shown) + rest, allowed=self.limit)


def objections(evaluation: Evaluation, judged: str, present: str | None, today: date) -> list[Check]:
    """Failed checks: why an evaluation does not tell whether `judged` may take the place of `present`.

    `today` is this machine's date, as is that of an evaluation. One from further east may be of tomorrow.
    """
    writers = {scores.writer for scores in evaluation.writers}
    wanted = [judged, BASE, *([present] if present else [])]
    missing = [name for name in wanted if name not in writers]
    checks = [
        _objection(f"the evaluation has no texts of {name}", ", ".join(sorted(writers)), name)
        for name in missing
    ]
    if present and not missing and _asked(evaluation, judged) != _asked(evaluation, present):
        what = "the evaluation has other briefs or variants of one than of the other"
        checks.append(_objection(what, "others", "the same briefs and variants"))
    if not -1 <= (today - evaluation.made).days <= MOST_DAYS:
        what = "the evaluation is too old, or of a day to come"
        checks.append(_objection(what, str(evaluation.made), f"at most {MOST_DAYS} days old"))
    return checks


def _objection(name: str, value: str, limit: str) -> Check:
    return Check(name=name, passed=False, value=value, limit=limit)


def _asked(evaluation: Evaluation, writer: str) -> set[tuple[str, int]]:
    return {(text.key, text.variant) for text in evaluation.texts if text.writer == writer}


@dataclass(frozen=True)
class GateResult:
    """All checks; they all have to pass."""

    checks: Sequence[Check]

    @property
    def passed(self) -> bool:
        """Whether the version may have the alias."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]


def decide(
    candidate: PromotionFigures, present: PromotionFigures | None, rules: GateRules | None = None
) -> GateResult:
    """Judge a version by its own figures and, where an alias names one now, by the present version's.

    Both must have written the same briefs.
    """
    rules = rules or GateRules()
    checks = [*_absolute(candidate, rules), *_ability(candidate, rules)]
    if present is not None:
        checks += _against(candidate, present, rules)
    return GateResult(checks)


def _absolute(figures: PromotionFigures, rules: GateRules) -> list[Check]:
    briefs = len({row.brief for row in figures.rows})
    proven = figures.extra.get("proven_held_out", 0.0) > 0
    return [
        Check(
            name="held-out briefs",
            passed=briefs >= rules.briefs,
            value=f"{briefs}",
            limit=f"at least {rules.briefs}",
        ),
        Check(
            name="rows that it was not trained on",
            passed=proven,
            value="proven by the manifest" if proven else "not proven",
            limit="the recipe that it was trained with",
        ),
        _most(figures, "texts that a guard blocks", lambda row: row.verdict == "block", rules.blocked),
        _least(figures, "texts that all guards pass", lambda row: row.verdict == "pass", rules.guards_passed),
        _least(figures, "texts that it ended by itself", lambda row: row.stopped, rules.stopped),
        _most(figures, "texts that leak", lambda row: bool(row.leaks), rules.leaks),
    ]


def _least(figures: PromotionFigures, name: str, good: Callable[[JudgedText], bool], limit: float) -> Check:
    share, bad = figures.share(good), [_told(row) for row in figures.rows if not good(row)]
    return Check(
        name=name, passed=share >= limit, value=f"{share:.1%}", limit=f"at least {limit:.1%}", evidence=bad
    )


def _most(figures: PromotionFigures, name: str, bad: Callable[[JudgedText], bool], limit: float) -> Check:
    share, found = figures.share(bad), [_told(row) for row in figures.rows if bad(row)]
    return Check(
        name=name, passed=share <= limit, value=f"{share:.1%}", limit=f"at most {limit:.1%}", evidence=found
    )


def _ability(figures: PromotionFigures, rules: GateRules) -> list[Check]:
    ability, adverts = (figures.gap(f"{name}_over_base") for name in ("ability", "advert"))
    least, most = -rules.ability_margin, rules.advert_margin
    return [
        Check(
            name="everyday questions, against the bare base",
            passed=ability is not None and ability.low >= least,
            value=_shares(ability),
            limit=f"surely not worse by more than {rules.ability_margin:.1%}",
        ),
        Check(
            name="everyday answers that read like adverts, against the bare base",
            passed=adverts is not None and adverts.high <= most,
            value=_shares(adverts),
            limit=f"surely not more by more than {most:.1%}",
        ),
    ]


def _against(candidate: PromotionFigures, present: PromotionFigures, rules: GateRules) -> list[Check]:
    loss = candidate.gap(f"loss_over:{present.writer}")
    told = "not measured" if loss is None else f"{loss.value:+.3f} ({loss.low:+.3f} to {loss.high:+.3f})"
    checks = [
        Check(
            name="loss on the test texts, against the present version",
            passed=loss is not None and not_worse(Gap(-loss.value, -loss.high, -loss.low), rules.loss_margin),
            value=told,
            limit=_limit(f"{rules.loss_margin} nats a token"),
        ),
        _paired(candidate, present, "texts that all guards pass", _passes, rules),
    ]
    if all(row.voice is not None for row in (*candidate.rows, *present.rows)):
        checks.append(_paired(candidate, present, "texts that sound like the brand", _sounds, rules))
    return checks


def _passes(row: JudgedText) -> float:
    return float(row.verdict == "pass")


def _sounds(row: JudgedText) -> float:
    return row.voice or 0.0


def _paired(
    candidate: PromotionFigures,
    present: PromotionFigures,
    name: str,
    value: Callable[[JudgedText], float],
    rules: GateRules,
) -> Check:
    name = f"{name}, against the present version"
    here, there = candidate.by_brief(value), present.by_brief(value)
    if here.keys() != there.keys() or not here:
        got = f"{len(here.keys() ^ there.keys())} briefs that only one of them wrote"
        return Check(name=name, passed=False, value=got, limit="the same briefs")
    gap = share_difference([(here[brief], there[brief]) for brief in here], rules.confidence)
    worse = {brief for brief in here if here[brief] < there[brief]}
    return Check(
        name=name,
        passed=not_worse(gap, rules.share_margin),
        value=_shares(gap),
        limit=_limit(f"{rules.share_margin:.1%}"),
        evidence=[_told(row) for row in candidate.rows if row.brief in worse],
    )


def _limit(margin: str) -> str:
    return f"not significantly worse, and surely not by more than {margin}"


def _shares(gap: Gap | None) -> str:
    return "not measured" if gap is None else f"{gap.value:+.1%} ({gap.low:+.1%} to {gap.high:+.1%})"


def _told(row: JudgedText) -> str:
    reasons = "; ".join((*row.told, *row.leaks)) or ("" if row.stopped else "not ended by the model")
    return f"{row.text!r}: {reasons}" if reasons else repr(row.text)
