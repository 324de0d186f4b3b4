"""Self-BLEU: how much the variants of one brief repeat each other (Zhu et al. 2018).

The figure is the mean BLEU of each variant with the other variants of its brief as references; 100 means that
all variants are the same text. Briefs with one variant are left out. It grows with the number of variants per
brief, so only sets with equally many can be compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from lora_marketing.metrics import Counts, Figure, MeasuredText
from lora_marketing.metrics.bleu import counter

FIGURES = {"self_bleu": Figure("self-BLEU", "points", "less", among=True)}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """BLEU (0 to 100) against the other variants of the same brief; nothing for a text without any."""
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
