"""ROUGE: words, pairs of words and the longest common sequence shared with a person's text (Lin 2004).

F1 of each text against its nearest reference, as rouge_score computes it, without stemming; the figure
is the mean over texts. Chinese is taken by characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from lora_marketing.metrics import Counts, Figure, MeasuredText
from lora_marketing.text.words import words

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

_KINDS = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
FIGURES = {
    "rouge_1": Figure("ROUGE-1", "points", "more"),
    "rouge_2": Figure("ROUGE-2", "points", "more"),
    "rouge_l": Figure("ROUGE-L", "points", "more"),
}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """F1 of each text that has a reference, 0 to 100."""
    for written in texts:
        if written.references:
            found = _scorer().score_multi(list(written.references), written.text)
            yield {name: (100 * found[kind].fmeasure, 1.0) for name, kind in _KINDS.items()}
        else:
            yield {}


class _RougeTokenizer:
    """A tokenizer as rouge_score wants one."""

    def tokenize(self, text: str) -> Sequence[str]:
        return words(text)


@cache
def _scorer() -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(_KINDS.values()), tokenizer=_RougeTokenizer())
