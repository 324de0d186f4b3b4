"""A text never outgrows its channel's field, counted as the channel counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from lora_marketing.channels import Unit
from lora_marketing.channels.counting import count
from lora_marketing.engine.constraints import ConstraintVerdict

_CHINESE = "\u2e80-\u9fff\uff00-\uff9d"
_BREAK = re.compile(
    rf"(?<=\S)(?=[\s{_CHINESE}])|(?<=[^\s\d])(?=[,;:](?:\s|\Z))"
    rf"|(?<=[{_CHINESE}])(?=\S)(?![\u0300-\u036f\u3099\u309a\uff9e\uff9f])"
)
"""The end of a word, and beside a Chinese character, but not before what sounds or looks with it."""
_DANGLING = tuple("([{“‘（《「『【〈£$€¥,;:，；：、–—-&+/")
"""What looks forward to something: no text is cut behind these."""
_SENTENCE_END = re.compile(r"""(?:[.!?…]+["'”’)\]]*(?=\s)|[。！？…]+[”’」』）]*(?=[^。！？…”’」』）]))""")


@dataclass(frozen=True)
class LengthBudget:
    """A finished text, stripped, counts at most `most` and at least `least` in `unit`.

    When the next word would not fit, the text ends: after its last sentence if that ends in the last
    third of the budget, else after the last word or Chinese character. Where that would leave too
    little, the row looks for a shorter word instead.
    """

    most: int
    unit: Unit
    least: int = 0

    def narrow(self, tokens: Sequence[int], logits: Tensor) -> Tensor:
        """Any token may follow: how much it adds depends on the text before it."""
        return logits

    def judge(self, text: str, ended: bool) -> ConstraintVerdict | None:
        """End a text that is over the budget at its best place; do not let a short one end."""
        if self._count(text) > self.most:
            cut = self._best_end(text, len(text))
            return ConstraintVerdict(cut, "budget" if self._count(text[:cut]) >= max(1, self.least) else None)
        return ConstraintVerdict(len(text)) if ended and self._count(text) < self.least else None

    def settled(self, text: str, at: int) -> int:
        """Up to where the text would end if the next word did not fit."""
        return self._best_end(text, at)

    def _count(self, text: str) -> int:
        return count(text.strip(), self.unit)

    def _best_end(self, text: str, at: int) -> int:
        """Where to end `text` within its first `at` characters and the budget; 0 if not one word fits."""
        sentence = self._last(text, (match.end() for match in _SENTENCE_END.finditer(text)), at)
        if self._count(text[:sentence]) >= max(2 * self.most // 3 + 1, self.least):
            return sentence
        return self._last(text, _breaks(text), at)

    def _last(self, text: str, places: Iterable[int], at: int) -> int:
        """The last place up to `at` before which the text fits."""
        for place in reversed(list(places)):
            if place <= at and self._count(text[:place]) <= self.most:
                return place
        return 0


def _breaks(text: str) -> Iterator[int]:
    """Where a text may be cut without tearing a word."""
    for match in _BREAK.finditer(text):
        if not text.endswith(_DANGLING, 0, match.start()):
            yield match.start()
