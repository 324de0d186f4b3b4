"""Which of several good texts to take: each has parts between 0 and 1, and their weighted mean decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.fuzz import ratio

from lora_marketing.brands.brand import Brief
from lora_marketing.channels import Limit, load_limit
from lora_marketing.channels.counting import count
from lora_marketing.channels.structure import pieces, plain
from lora_marketing.common.documents import Frozen
from lora_marketing.text.bounded import normalized
from lora_marketing.text.values import attribute_spans


@dataclass(frozen=True)
class Weights:
    """What each part counts. Without a voice score the others count among themselves."""

    voice: float = 0.4
    faithfulness: float = 0.3
    diversity: float = 0.2
    length: float = 0.1


class Parts(Frozen):
    """What speaks for a text, 0 to 1 each.

    `voice` is a classifier's probability of the brand, None if none was asked; `faithfulness` the share
    of the brief's attributes that are said; `diversity` one less the likeness to the nearest text taken
    before it; `length` how near it comes to the length its field is best at; `total` their weighted mean.
    """

    voice: float | None
    faithfulness: float
    diversity: float
    length: float
    total: float


def rank(
    texts: Sequence[str],
    brief: Brief,
    wanted: int,
    *,
    voices: Sequence[float] | None = None,
    weights: Weights | None = None,
    locale: str = "en",
) -> list[tuple[int, Parts]]:
    """Choose the best `wanted` of `texts`.

    They are taken one by one, each with its likeness to those taken before (maximal marginal
    relevance); of equal ones the first.

    Args:
        texts: variants of one brief that may all be published.
        brief: what was asked for.
        wanted: how many to take; all if there are fewer.
        voices: for each text, how sure a classifier is of the brand, 0 to 1; None if none was asked.
        weights: what each part counts.
        locale: of the brand, by which numbers are read.

    Returns:
        The place of each taken text in `texts`, and why it was taken, best first.
    """
    weights = weights or Weights()
    plain_texts = [plain(text, brief) for text in texts]
    faithful = [faithfulness(text, brief, locale) for text in plain_texts]
    fits = [length_fit(text, brief) for text in texts]
    taken: list[tuple[int, Parts]] = []
    left = list(range(len(texts)))
    while left and len(taken) < wanted:
        options = {}
        for place in left:
            alike = max((likeness(plain_texts[place], plain_texts[other]) for other, _ in taken), default=0.0)
            voice = None if voices is None else voices[place]
            options[place] = _parts(voice, faithful[place], 1 - alike, fits[place], weights)
        best = max(left, key=lambda place: options[place].total)
        taken.append((best, options[best]))
        left.remove(best)
    return taken


def faithfulness(text: str, brief: Brief, locale: str = "en") -> float:
    """Share of the brief's attributes that `text` says, as `text.values` has it; 1 if there are none."""
    own = brief.attributes
    said = (bool(attribute_spans(name, own[name], text, locale=locale)) for name in own)
    return sum(said) / len(own) if own else 1.0


def likeness(one: str, other: str) -> float:
    """Share of letters that two texts have in common, in order (normalised Indel similarity)."""
    return ratio(_folded(one), _folded(other)) / 100


def length_fit(text: str, brief: Brief) -> float:
    """How near a text, or a piece of an ad on average, comes to the recommended length, else the limit."""
    fits = [field_fit(piece.text, load_limit(brief.channel, piece.field)) for piece in pieces(text, brief)]
    return sum(fits) / len(fits) if fits else 0.0


def field_fit(text: str, limit: Limit) -> float:
    """How near the text of one field comes to its recommended length, else its limit; 1 if it has none."""
    best, length = limit.recommended or limit.max, count(text, limit.unit)
    return min(length / best, best / max(1, length)) if best else 1.0


def _folded(text: str) -> str:
    return " ".join(normalized("NFKC", text).casefold().split())


def _parts(voice: float | None, faithful: float, diversity: float, length: float, weights: Weights) -> Parts:
    voice_weight = 0.0 if voice is None else weights.voice
    weighted = (
        voice_weight * (voice or 0.0)
        + weights.faithfulness * faithful
        + weights.diversity * diversity
        + weights.length * length
    )
    total = weighted / (voice_weight + weights.faithfulness + weights.diversity + weights.length)
    return Parts(voice=voice, faithfulness=faithful, diversity=diversity, length=length, total=total)
