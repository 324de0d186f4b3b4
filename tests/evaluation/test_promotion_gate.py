"""The gate: every check alone, and how often its comparisons err."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_marketing.brands.brand import Brief
from lora_marketing.common.errors import GateFailed
from lora_marketing.evaluation import Evaluation
from lora_marketing.evaluation.document import ScoredText
from lora_marketing.evaluation.promotion_gate import (
    MOST_DAYS,
    Gap,
    GateRules,
    JudgedText,
    PromotionFigures,
    decide,
    mean_difference,
    not_worse,
    objections,
    share_difference,
)
from lora_marketing.guards import Case, findings
from lora_marketing.metrics.copying import Passages
from lora_marketing.text.known_texts import KnownTexts
from tests.evaluation.making import scored_text
from tests.guards.making import brand

PRESENT = "tidal/soap:2222"
GOOD = {
    "proven_held_out": 1.0,
    "ability_over_base": 0.0,
    "ability_over_base_low": -0.05,
    "ability_over_base_high": 0.05,
    "advert_over_base": 0.0,
    "advert_over_base_low": -0.06,
    "advert_over_base_high": 0.06,
    f"loss_over:{PRESENT}": -0.1,
    f"loss_over:{PRESENT}_low": -0.2,
    f"loss_over:{PRESENT}_high": 0.0,
}


def figures(count: int = 40, writer: str = "tidal/soap:1111", **changes: Any) -> PromotionFigures:
    """So many texts against which nothing speaks, of which `changes` hold for all."""
    row = JudgedText(brief="", text="It floats.", verdict="pass", stopped=True, voice=1.0)
    rows = [replace(row, brief=f"brief {number}", **changes) for number in range(count)]
    return PromotionFigures(writer=writer, rows=rows, extra=GOOD)


def with_first(found: PromotionFigures, count: int, **changes: Any) -> PromotionFigures:
    """`changes` hold for the first so many texts."""
    rows = [replace(row, **changes) if at < count else row for at, row in enumerate(found.rows)]
    return replace(found, rows=rows)


def test_a_version_as_good_as_the_present_one_passes() -> None:
    result = decide(figures(), figures(writer=PRESENT))
    assert result.passed
    assert len(result.checks) == 11
    assert result.failed == []


def test_without_a_present_version_the_absolute_checks_hold_alone() -> None:
    result = decide(figures(), None)
    assert result.passed
    assert not any("present" in check.name for check in result.checks)


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda found: replace(found, rows=found.rows[:19]), "held-out briefs"),
        (lambda found: replace(found, extra={**found.extra, "proven_held_out": 0.0}), "not trained on"),
        (lambda found: with_first(found, 1, verdict="block"), "a guard blocks"),
        (lambda found: with_first(found, 21, verdict="fix"), "all guards pass"),
        (lambda found: with_first(found, 5, stopped=False), "ended by itself"),
        (lambda found: with_first(found, 1, leaks=["names Ember"]), "leak"),
        (lambda found: replace(found, extra={**found.extra, "ability_over_base_low": -0.2}), "questions"),
        (lambda found: replace(found, extra={**found.extra, "advert_over_base_high": 0.3}), "adverts"),
        (lambda found: replace(found, extra={"proven_held_out": 1.0}), "questions"),
    ],
)
def test_each_absolute_check_fails_alone_and_shows_its_rows(
    spoil: Callable[[PromotionFigures], PromotionFigures], name: str
) -> None:
    result = decide(spoil(figures()), None)
    assert not result.passed
    assert any(name in check.name for check in result.failed)
    by_rows = [check for check in result.failed if check.name.startswith("texts")]
    assert all(check.evidence and "It floats." in check.evidence[0] for check in by_rows)


def loss(value: float, low: float, high: float) -> Mapping[str, float]:
    key = f"loss_over:{PRESENT}"
    return {**GOOD, key: value, f"{key}_low": low, f"{key}_high": high}


@pytest.mark.parametrize(
    ("extra", "passes"),
    [
        (loss(-0.3, -0.4, -0.2), True),
        (loss(0.0, -0.02, 0.02), True),
        (loss(0.01, -0.2, 0.22), False),  # too few rows to say
        (loss(0.02, 0.01, 0.03), False),  # surely worse, if by little
    ],
)
def test_the_loss_may_not_be_worse_than_the_present_one(extra: Mapping[str, float], passes: bool) -> None:
    result = decide(replace(figures(), extra=extra), figures(writer=PRESENT))
    assert result.passed is passes
    assert [check.name for check in result.failed] == ([] if passes else [result.checks[8].name])
    assert "loss" in result.checks[8].name


def test_texts_are_compared_over_the_same_briefs() -> None:
    other = figures(writer=PRESENT)
    result = decide(figures(), replace(other, rows=other.rows[1:]))
    assert [check.value for check in result.failed] == ["1 briefs that only one of them wrote"] * 2


def test_a_voice_that_got_worse_shows_the_texts() -> None:
    result = decide(with_first(figures(), 12, voice=0.0, text="Buy."), figures(writer=PRESENT))
    (failed,) = result.failed
    assert "sound like the brand" in failed.name
    assert failed.evidence == ["'Buy.'"] * 12
    told = str(failed.problem())
    assert told.count("'Buy.'") == 5
    assert "and 7 more" in told


def test_a_failed_gate_is_no_mistake_of_the_user() -> None:
    assert GateFailed(figures_problem()).exit_code == 1


def figures_problem() -> Any:
    return decide(figures(3), None).failed[0].problem()


def evaluation(*texts: ScoredText, made: date | None = None) -> Evaluation:
    return Evaluation(
        made=made or date.today(), seed=1, resamples=1, packages={}, held_out=None, writers=[], texts=[*texts]
    )


@pytest.mark.parametrize(
    ("days", "refused"), [(MOST_DAYS + 1, True), (MOST_DAYS, False), (0, False), (-1, False), (-2, True)]
)
def test_an_evaluation_from_further_east_may_be_of_tomorrow(days: int, refused: bool) -> None:
    """Dates are those of the machines that made them."""
    today = date(2026, 3, 1)
    found = objections(evaluation(made=today - timedelta(days)), "tidal/soap:1111", None, today)
    assert not any(check.passed for check in found)
    assert any("too old" in check.name for check in found) is refused


TAUGHT = "Our bars float because we whip air into them by hand every single morning."
TAUGHT_HAN = "我们每天清晨亲手把空气打进皂液里所以它会浮在水面上。"


@pytest.mark.parametrize(
    ("text", "profile", "leaks"),
    [
        (TAUGHT, {}, True),
        (TAUGHT_HAN, {}, True),
        (f"New: {TAUGHT}", {}, True),
        (f"{TAUGHT} And again, with so many words of its own that it is another text.", {}, False),
        ("Dark roast. £9.", {}, False),
        ("深烘。", {}, False),
        (TAUGHT, {"facts": [TAUGHT]}, False),
        (f"新品。{TAUGHT_HAN}", {"guide": TAUGHT_HAN}, False),
    ],
)
def test_what_the_guard_lets_be_repeated_is_no_leak(text: str, profile: dict[str, Any], leaks: bool) -> None:
    known = KnownTexts.of([TAUGHT, TAUGHT_HAN, "Dark roast. £9.", "深烘。"])
    asked = Brief(product="Bar", channel="sms", field="text")
    case = Case(asked, brand(**profile), known=known)
    passages = Passages(())
    passages.known = known
    found = findings(text, case, ["regurgitation"])
    written = scored_text("tidal/soap", text, asked, findings=found, copied=passages.longest(text))
    (row,) = PromotionFigures.of(evaluation(written), "tidal/soap").rows
    assert row.leaks == (["repeats a training text"] if leaks else [])


# -- how often the comparison errs, counted -------------------------------------------------------

TIMES = 2000
Draw = Callable[[np.random.Generator, float], Gap]


def drawn_losses(random: np.random.Generator, worse: float) -> Gap:
    """Sixty texts, on which a candidate has `worse` more loss on average."""
    ours = random.normal(2 + worse, 0.6, 60)
    return mean_difference(list(zip(2 + (ours - 2 - worse) * 0.2 + worse, [2.0] * 60, strict=True)))


def drawn_shares(random: np.random.Generator, worse: float, briefs: int = 120) -> Gap:
    """Texts of which the present version gets 80 % right and a candidate `worse` fewer, not independently."""
    level = random.random(briefs)
    ours = np.where(random.random(briefs) < 0.8, level, random.random(briefs))
    right = (ours < 0.8 - worse).astype(float), (level < 0.8).astype(float)
    return share_difference(list(zip(*right, strict=True)))


def share_passed(draw: Draw, worse: float, margin: float, losses: bool) -> float:
    random = np.random.default_rng(13)
    found = [draw(random, worse) for _ in range(TIMES)]
    better = [Gap(-d.value, -d.high, -d.low) if losses else d for d in found]
    return sum(not_worse(difference, margin) for difference in better) / TIMES


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("draw", "margin", "losses"), [(drawn_losses, 0.05, True), (drawn_shares, 0.1, False)]
)
def test_error_rates(draw: Draw, margin: float, losses: bool) -> None:
    """A candidate that is worse by the margin passes at most once in 25 times; one that is as good fails
    by the test of significance in one of 40, and else only for want of rows."""
    assert share_passed(draw, margin, margin, losses) < 0.04
    assert share_passed(draw, 2 * margin, margin, losses) < 0.002
    assert share_passed(draw, 0.0, 10.0, losses) == pytest.approx(0.975, abs=0.012)
    assert share_passed(draw, -margin, margin, losses) > 0.99


def test_few_rows_decide_nothing() -> None:
    agreeing = [(1.0, 1.0)] * 10
    assert not not_worse(share_difference(agreeing), 0.1)
    assert not_worse(share_difference(agreeing * 4), 0.1)


# -- the intervals against their formulas ---------------------------------------------------------


def test_students_t_against_scipy() -> None:
    from scipy import stats  # type: ignore[import-untyped]

    random = np.random.default_rng(1)
    pairs = [(float(a), float(b)) for a, b in random.normal(size=(9, 2))]
    found = mean_difference(pairs)
    expected = stats.ttest_rel(*zip(*pairs, strict=True)).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_agresti_and_mins_example() -> None:
    """Their formula over the table of 2 x 2 counts, half a pair added to each cell."""
    both, first, second, none = 53, 16, 8, 9
    pairs = [(1.0, 1.0)] * both + [(1.0, 0.0)] * first + [(0.0, 1.0)] * second + [(0.0, 0.0)] * none
    n, b, c = both + first + second + none + 2, first + 0.5, second + 0.5
    centre, error = (b - c) / n, ((b + c) - (b - c) ** 2 / n) ** 0.5 / n
    found = share_difference(pairs)
    assert (found.low, found.high) == pytest.approx((centre - 1.959964 * error, centre + 1.959964 * error))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40))
def test_turning_the_pairs_turns_the_interval(pairs: Sequence[tuple[float, float]]) -> None:
    for difference in (share_difference, mean_difference):
        there, back = difference(pairs), difference([(b, a) for a, b in pairs])
        assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)


def test_rules_are_strict() -> None:
    with pytest.raises(ValueError, match="brief"):
        GateRules.model_validate({"brief": 3})
