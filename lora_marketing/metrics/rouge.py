"""ROUGE: words, pairs of words and the longest common sequence shared with a person's text (Lin 2004).

Each figure is the mean over texts of the F1 against the nearest reference, as rouge_score computes it without
stemming. Each Chinese character counts as a word.
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
    """F1 (0 to 100) of each text; nothing for a text without a reference."""
    for written in texts:
        if written.references:
            found = _scorer().score_multi(list(written.references), written.text)
            yield {name: (100 * found[kind].fmeasure, 1.0) for name, kind in _KINDS.items()}
        else:
            yield {}


class _RougeTokenizer:
    """Adapts `text.words` to the tokenizer interface of rouge_score."""

    def tokenize(self, text: str) -> Sequence[str]:
        return words(text)


@cache
def _scorer() -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(_KINDS.values()), tokenizer=_RougeTokenizer())
