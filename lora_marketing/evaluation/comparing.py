"""Compare two writers over the briefs that both have, from kept evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from lora_marketing.common.errors import DataError, Problem, nearest
from lora_marketing.evaluation.document import Comparison, Evaluation, ScoredText, WriterScores
from lora_marketing.evaluation.scoring import added, by_brief
from lora_marketing.evaluation.statistics import FEWEST, RESAMPLES, Difference, difference, whole_difference
from lora_marketing.metrics import Figure, MeasuredText, all_figures, load_metric

HELD_AGAINST = frozenset(
    {"voice", "copying_rate", "slot_coverage", "slot_errors", "slots_invented", "slots_repeated"}
)
"""Figures that need more than the texts: see `WriterScores.held_against`."""
_TextPair = tuple[Sequence[ScoredText], Sequence[ScoredText]]
"""Both writers' texts for one brief."""


def compare_writers(evaluation: Evaluation, against: str, writer: str | None = None) -> list[Comparison]:
    """`writer`, or every other one, with the writer `against` of the same brand, figure by figure.

    Raises:
        DataError: no such writer, or nobody else wrote for the same briefs.
    """
    known = {scores.writer for scores in evaluation.writers}
    missing = [name for name in (against, writer or against) if name not in known]
    if missing:
        raise DataError(
            Problem(f'no texts of "{name}"', allowed=nearest(name, known)) for name in dict.fromkeys(missing)
        )
    comparisons = [
        comparison
        for scores in evaluation.writers
        if scores.writer != against and writer in (None, scores.writer)
        for comparison in _compared(evaluation, evaluation, scores, against)
    ]
    if not comparisons:
        raise DataError(
            Problem(f'nobody else wrote for the briefs of "{against}"', fix="compare equal briefs")
        )
    return comparisons


def compare_evaluations(new: Evaluation, old: Evaluation) -> list[Comparison]:
    """Every writer and brand of `new` with the same writer and brand of `old`.

    Raises:
        DataError: they share no writer with a brief.
    """
    comparisons = [
        comparison
        for scores in new.writers
        for comparison in _compared(new, old, scores, scores.writer, _incomparable(new, old, scores))
    ]
    if not comparisons:
        got = ", ".join(sorted({scores.writer for scores in old.writers}))
        raise DataError(Problem("the two evaluations share no writer with equal briefs and figures", got=got))
    return comparisons


def incomparable(new: Evaluation, old: Evaluation) -> list[str]:
    """What `compare_evaluations` leaves out, and why, as notes."""
    return [
        f"{scores.writer} as {scores.brand}: {', '.join(all_figures()[name].title for name in names)} not"
        " compared: the two evaluations are not known to hold them against the same texts, values and brands"
        for scores in new.writers
        if (names := sorted(_incomparable(new, old, scores)))
    ]


def compare(
    name: str, ours: Sequence[ScoredText], theirs: Sequence[ScoredText], seed: int, resamples: int = RESAMPLES
) -> Difference | None:
    """One figure of two writers; None where it bears on no brief that both have.

    A figure that depends on how many texts there are is taken of equally many variants of each brief.
    """
    figure = all_figures()[name]
    own, other = by_brief(ours), by_brief(theirs)
    pairs: list[_TextPair] = [(own[key], other[key]) for key in own if key in other]
    if figure.whole:
        if not pairs:
            return None
        texts = [[text.plain for text in side] for pair in map(_equally_many, pairs) for side in pair]
        return whole_difference(figure.whole, texts[::2], texts[1::2])
    if figure.among:
        pairs = [
            pair if len(pair[0]) == len(pair[1]) else _recounted(name, _equally_many(pair)) for pair in pairs
        ]
    sums = [(added(name, one), added(name, two)) for one, two in pairs]
    both = [(one, two) for one, two in sums if one is not None and two is not None]
    if not both:
        return None
    return difference(figure, [one for one, _ in both], [two for _, two in both], seed, resamples)


def better(figure: Figure, gap: Difference) -> bool | None:
    """Whether the difference is for the better; None where it may be chance, or where it depends."""
    if figure.better is None or gap.p is None or gap.p >= 0.05 or gap.briefs < FEWEST:
        return None
    return (gap.value > 0) == (figure.better == "more")


def _equally_many(pair: _TextPair) -> _TextPair:
    size = min(map(len, pair))
    return pair[0][:size], pair[1][:size]


def _recounted(name: str, pair: _TextPair) -> _TextPair:
    """With what each text adds to a figure among these alone; nothing where the language is not known."""
    return _among(name, pair[0]), _among(name, pair[1])


def _among(name: str, texts: Sequence[ScoredText]) -> list[ScoredText]:
    written = [MeasuredText(text.text, text.brief, text.brand, text.language or "") for text in texts]
    counts = load_metric(name).count(written)
    return [
        text.model_copy(update={"counts": {key: list(sums) for key, sums in counted.items()}})
        for text, counted in zip(texts, counts, strict=True)
        if text.language
    ]


def _scores(evaluation: Evaluation, writer: str, brand: str) -> WriterScores | None:
    return next(
        (scores for scores in evaluation.writers if (scores.writer, scores.brand) == (writer, brand)), None
    )


def _incomparable(new: Evaluation, old: Evaluation, ours: WriterScores) -> Set[str]:
    """Figures of a writer in both evaluations that may have been held against different things."""
    theirs = _scores(old, ours.writer, ours.brand)
    if theirs is None:
        return frozenset()
    return {
        name
        for name in HELD_AGAINST & ours.figures.keys() & theirs.figures.keys()
        if name not in ours.held_against or ours.held_against[name] != theirs.held_against.get(name)
    }


def _compared(
    new: Evaluation, old: Evaluation, ours: WriterScores, against: str, without: Set[str] = frozenset()
) -> Iterator[Comparison]:
    """Figure by figure, of those that both have."""
    theirs = _scores(old, against, ours.brand)
    if theirs is None:
        return
    own, other = new.of(ours.writer, ours.brand), old.of(against, ours.brand)
    for name in all_figures():
        if name not in ours.figures or name not in theirs.figures or name in without:
            continue
        gap = compare(name, own, other, new.seed, new.resamples)
        if gap is not None:
            yield Comparison(
                brand=ours.brand, writer=ours.writer, against=against, figure=name, difference=gap
            )
