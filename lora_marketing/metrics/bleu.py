"""BLEU: how many runs of up to four words a text shares with what people wrote for the same brief.

Papineni et al. 2002, as sacrebleu computes it (Post 2018), with its tokenizer for the language. BLEU rewards
the wording of the references: use it to compare settings, together with slot errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from lora_marketing.metrics import Counts, Figure, MeasuredText

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

TOKENIZERS = {"zh": "zh", "ja": "char"}
"""sacrebleu's tokenizer by language; all others use 13a. Japanese uses `char`, as `ja-mecab` needs MeCab."""


def _score(sums: Sequence[float]) -> float:
    from sacrebleu.metrics.bleu import BLEU

    lengths, correct, total = sums[:2], [int(n) for n in sums[2:6]], [int(n) for n in sums[6:]]
    found = BLEU.compute_bleu(correct, total, int(lengths[0]), int(lengths[1]), smooth_method="exp")
    return float(found.score)


FIGURES = {"bleu": Figure("BLEU", "points", "more", _score)}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """Lengths of the text and of its nearest reference, then matches and totals of 1- to 4-grams."""
    for written in texts:
        if written.references:
            found = counter(written.language).sentence_score(written.text, list(written.references))
            yield {"bleu": (found.sys_len, found.ref_len, *found.counts, *found.totals)}
        else:
            yield {}


@cache
def counter(language: str) -> BLEU:
    """sacrebleu's sentence BLEU with the tokenizer for `language`."""
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=TOKENIZERS.get(language, "13a"), effective_order=True)
