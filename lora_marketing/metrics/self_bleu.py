"""Self-BLEU: how much the variants of one brief repeat each other (Zhu et al. 2018).

BLEU of each variant with the others of its brief as references, averaged; 100 is the same text again.
Briefs with one variant say nothing. More variants repeat each other more: compare equally many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from lora_marketing.metrics import Counts, Figure, MeasuredText
from lora_marketing.metrics.bleu import counter

FIGURES = {"self_bleu": Figure("self-BLEU", "points", "less", among=True)}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """BLEU against the other variants of the same brief, where there are any."""
    of_brief: dict[str, list[int]] = defaultdict(list)
    for number, written in enumerate(texts):
        of_brief[written.brief.key].append(number)
    for number, written in enumerate(texts):
        siblings = [other for other in of_brief[written.brief.key] if other != number]
        if siblings:
            others = [texts[other].text for other in siblings]
            yield {"self_bleu": (counter(written.language).sentence_score(written.text, others).score, 1.0)}
        else:
            yield {}
