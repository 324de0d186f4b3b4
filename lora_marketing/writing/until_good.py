"""Write until good: variants in one batch, mended, guarded, written again where that may help, ranked.

A variant is written again only while its verdict is `fix`. One that a person has to look at, or that
is blocked, is not: more draws of it would only look for words that the guards do not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.channels.structure import AD, Piece, pieces, plain
from lora_marketing.copy.checking import Draft, RewrittenPiece, checked
from lora_marketing.copy.ranking import Parts, rank
from lora_marketing.copy.record import Copy
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.writer import Writer
from lora_marketing.guards import Case
from lora_marketing.writing.copywriter import CopyOrder, PromptCache, Voice, write_copy

if TYPE_CHECKING:
    from lora_marketing.metrics.voice import VoiceClassifier


@dataclass(frozen=True)
class Effort:
    """How many texts are `wanted` of a brief, how many variants are tried, and in how many rounds at most."""

    wanted: int = 1
    tries: int = 4
    rounds: int = 3


@dataclass(frozen=True)
class Cost:
    """What it took: texts or pieces written, rounds, and tokens."""

    texts: int = 0
    rounds: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Good:
    """A text that passed, and why it was taken before others."""

    copy: Copy
    parts: Parts


@dataclass(frozen=True)
class BriefOutcome:
    """What became of one brief in one voice: the best that passed, best first, and all that was tried."""

    voice: Voice
    brief: Brief
    good: tuple[Good, ...]
    tried: tuple[Copy, ...]
    cost: Cost

    @property
    def waiting(self) -> tuple[Copy, ...]:
        """Variants about which, as they are by now, a person decides."""
        latest = {copy.variant: copy for copy in self.tried}
        return tuple(copy for copy in latest.values() if copy.verdict == "review")


def write_until_good(
    writer: Writer,
    orders: Sequence[CopyOrder],
    sampling: Sampling,
    effort: Effort | None = None,
    classifier: VoiceClassifier | None = None,
) -> list[BriefOutcome]:
    """Write every order until enough variants pass or the rounds are over.

    Everything that a round writes, for all brands, goes to the writer in one batch.
    """
    loop, prompts = RewriteLoop(orders, effort or Effort()), PromptCache(writer.base)
    while batch := loop.next_orders():
        loop.add_copies(write_copy(writer, batch, sampling, prompts=prompts))
    return loop.outcomes(classifier)


class RewriteLoop:
    """The rounds of several texts. Ask `next_orders` what to write, hand the result to `add_copies`, repeat.

    Args:
        orders: one for each brief and voice; their `variant` and `again` are set here.
        effort: how many variants and rounds each of them gets.
    """

    def __init__(self, orders: Sequence[CopyOrder], effort: Effort) -> None:
        self._briefs = [_BriefState(order, effort) for order in orders]
        self._round: list[tuple[_BriefState, _Attempt]] = []
        self._drafts: list[tuple[_BriefState, Draft]] = []

    def next_orders(self) -> list[CopyOrder]:
        """What to write in the next round; nothing once all is done."""
        self._round = [(state, attempt) for state in self._briefs for attempt in state.next_attempts()]
        return [attempt.order for _, attempt in self._round]

    def add_copies(self, copies: Sequence[Copy]) -> None:
        """Take in what was written for the last `next_orders`, in the same order."""
        self.drafts(copies)
        self.add_checked([checked(draft, _case(draft, state.order.voice)) for state, draft in self._drafts])

    def drafts(self, copies: Sequence[Copy]) -> list[Draft]:
        """What `add_copies` would take in, for whoever checks it elsewhere and then calls `add_checked`."""
        written: dict[int, list[tuple[_Attempt, Copy]]] = {id(state): [] for state in self._briefs}
        for (state, attempt), copy in zip(self._round, copies, strict=True):
            written[id(state)].append((attempt, copy))
        self._drafts = [(state, one) for state in self._briefs for one in state.drafts(written[id(state)])]
        return [draft for _, draft in self._drafts]

    def add_checked(self, copies: Sequence[Copy]) -> None:
        """Take in the last `drafts`, checked, in the same order."""
        for (state, _), copy in zip(self._drafts, copies, strict=True):
            state.keep(copy)

    def latest(self) -> list[Copy]:
        """Every variant of every brief as it is by now, good or not."""
        return [copy for state in self._briefs for _, copy in sorted(state.variants.items())]

    def outcomes(self, classifier: VoiceClassifier | None = None) -> list[BriefOutcome]:
        """What has become of every brief; the classifier's opinion counts in the ranking."""
        return [state.outcome(classifier) for state in self._briefs]


@dataclass(frozen=True)
class _Attempt:
    """A text to write, or one piece of the ad that a variant is so far."""

    order: CopyOrder
    piece: Piece | None = None


@dataclass
class _BriefState:
    """One order and its variants so far."""

    order: CopyOrder
    effort: Effort
    rounds: int = 0
    texts: int = 0
    tokens: int = 0
    variants: dict[int, Copy] = field(default_factory=dict)
    tried: list[Copy] = field(default_factory=list)

    def next_attempts(self) -> list[_Attempt]:
        """What to write in the next round; nothing once all is done."""
        passed = sum(copy.verdict == "pass" for copy in self.variants.values())
        if self.rounds >= self.effort.rounds or passed >= self.effort.wanted:
            return []
        if not self.rounds:
            tries = max(self.effort.tries, self.effort.wanted)
            return [_Attempt(replace(self.order, variant=number)) for number in range(tries)]
        return [
            attempt
            for number, copy in self.variants.items()
            if copy.verdict == "fix"
            for attempt in self._attempts_again(
                replace(self.order, variant=number, again=f"/{self.rounds + 1}"), copy
            )
        ]

    def drafts(self, copies: Sequence[tuple[_Attempt, Copy]]) -> list[Draft]:
        """What a round wrote, each variant's pieces together."""
        self.rounds += bool(copies)
        pieces_of: dict[int, list[RewrittenPiece]] = {}
        drafts = []
        for attempt, copy in copies:
            self.texts += 1
            self.tokens += copy.tokens
            if attempt.piece:
                again = RewrittenPiece(piece=attempt.piece, written=copy)
                pieces_of.setdefault(copy.variant, []).append(again)
            else:
                drafts.append(Draft(written=copy.changed(round=self.rounds)))
        for variant, written in pieces_of.items():
            ad = self.variants[variant].changed(round=self.rounds)
            drafts.append(Draft(written=ad, again=tuple(written)))
        return drafts

    def outcome(self, classifier: VoiceClassifier | None) -> BriefOutcome:
        """What has become of the brief."""
        good = [copy for copy in self.variants.values() if copy.verdict == "pass"]
        brand, brief = self.order.voice.brand, self.order.brief
        voices = _voices(good, brand, classifier)
        ranked = rank(
            [copy.text for copy in good], brief, self.effort.wanted, voices=voices, locale=brand.locale
        )
        cost = Cost(self.texts, self.rounds, self.tokens)
        chosen = tuple(Good(good[place], parts) for place, parts in ranked)
        return BriefOutcome(self.order.voice, brief, chosen, tuple(self.tried), cost)

    def keep(self, copy: Copy) -> None:
        """Take in a variant as it is by now, with what the guards found."""
        self.variants[copy.variant] = copy
        self.tried.append(copy)

    def _attempts_again(self, order: CopyOrder, copy: Copy) -> list[_Attempt]:
        """The pieces of an ad at which all that is to be fixed stands; else the whole text."""
        failing = _failing(copy)
        if not failing:
            return [_Attempt(order)]
        return [
            _Attempt(
                replace(
                    order,
                    brief=order.brief.model_copy(update={"field": piece.field}),
                    again=f"{order.again}/{piece.field}/{piece.number}",
                ),
                piece,
            )
            for piece in failing
        ]


def _case(draft: Draft, voice: Voice) -> Case:
    """What a draft in a voice is held against."""
    return Case(draft.written.brief, voice.brand, known=voice.known, others=voice.others)


def _failing(copy: Copy) -> list[Piece]:
    """The pieces of an ad that hold everything that is to be fixed; none if something is elsewhere."""
    if copy.brief.field != AD:
        return []
    found = pieces(copy.text, copy.brief)
    failing: dict[int, Piece] = {}
    for one in copy.findings:
        if one.severity == "fix":
            at = next((n for n, piece in enumerate(found) if one.span and _within(one.span, piece)), None)
            if at is None:
                return []
            failing[at] = found[at]
    return [failing[at] for at in sorted(failing)]


def _within(span: tuple[int, int], piece: Piece) -> bool:
    return piece.start <= span[0] and span[1] <= piece.end


def _voices(copies: Sequence[Copy], brand: Brand, classifier: VoiceClassifier | None) -> list[float] | None:
    """How sure the classifier is of the brand; None if it does not know the brand."""
    if classifier is None or not copies:
        return None
    texts = [plain(copy.text, copy.brief) for copy in copies]
    sure = [prediction.probabilities.get(brand.name) for prediction in classifier.predict(texts)]
    return None if None in sure else [one for one in sure if one is not None]
