"""Compare two writers over the briefs that both have, from kept evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lora_marketing.errors import DataError, Problem, nearest
from lora_marketing.evaluation.document import Comparison, Evaluation, ScoredText
from lora_marketing.evaluation.scoring import added, by_brief
from lora_marketing.evaluation.statistics import RESAMPLES, Difference, difference, whole_difference
from lora_marketing.metrics import Figure, all_figures


def compare_writers(evaluation: Evaluation, against: str) -> list[Comparison]:
    """Every other writer of a brand with the writer `against` of that brand, figure by figure.

    Raises:
        DataError: no such writer, or nobody else wrote for the same briefs.
    """
    known = {scores.writer for scores in evaluation.writers}
    if against not in known:
        raise DataError(Problem(f'no texts of "{against}"', allowed=nearest(against, known)))
    found = [
        one
        for scores in evaluation.writers
        if scores.writer != against
        for one in _compared(evaluation, evaluation, scores.brand, scores.writer, against)
    ]
    if not found:
        raise DataError(
            Problem(f'nobody else wrote for the briefs of "{against}"', fix="compare equal briefs")
        )
    return found


def compare_evaluations(new: Evaluation, old: Evaluation) -> list[Comparison]:
    """Every writer and brand of `new` with the same writer and brand of `old`.

    Raises:
        DataError: they share no writer with a brief.
    """
    found = [
        one
        for scores in new.writers
        for one in _compared(new, old, scores.brand, scores.writer, scores.writer)
    ]
    if not found:
        got = ", ".join(sorted({scores.writer for scores in old.writers}))
        raise DataError(Problem("the two evaluations share no writer with the same briefs", got=got))
    return found


def compare(
    name: str, ours: Sequence[ScoredText], theirs: Sequence[ScoredText], seed: int, resamples: int = RESAMPLES
) -> Difference | None:
    """One figure of two writers; None where it bears on no brief that both have."""
    figure = all_figures()[name]
    own, other = by_brief(ours), by_brief(theirs)
    pairs = [(own[key], other[key]) for key in own if key in other]
    if figure.whole:
        if not pairs:
            return None
        texts = [[text.text for text in side] for pair in pairs for side in pair]
        return whole_difference(figure.whole, texts[::2], texts[1::2])
    sums = [(added(name, one), added(name, two)) for one, two in pairs]
    both = [(one, two) for one, two in sums if one is not None and two is not None]
    if not both:
        return None
    return difference(figure, [one for one, _ in both], [two for _, two in both], seed, resamples)


def better(figure: Figure, found: Difference) -> bool | None:
    """Whether the difference is for the better; None where it may be chance, or where it depends."""
    if figure.better is None or found.p is None or found.p >= 0.05:
        return None
    return (found.value > 0) == (figure.better == "more")


def _compared(
    new: Evaluation, old: Evaluation, brand: str, writer: str, against: str
) -> Iterator[Comparison]:
    ours, theirs = new.of(writer, brand), old.of(against, brand)
    for name in all_figures():
        found = compare(name, ours, theirs, new.seed, new.resamples)
        if found is not None:
            yield Comparison(brand=brand, writer=writer, against=against, figure=name, difference=found)
