"""Loss on held-out texts, as training counts it: nats per completion token, stop token included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean

from lora_marketing.brands.brand import Brand, Example
from lora_marketing.engine.base import LoadedBase
from lora_marketing.evaluation.promotion_gate import Gap, mean_difference
from lora_marketing.model_eval.scoring import Likelihood, Scorer
from lora_marketing.tokens.render import render_example


@dataclass(frozen=True)
class Losses:
    """One writer's likelihood of each row's text."""

    rows: Sequence[Likelihood]

    @property
    def mean(self) -> float:
        """Nats per token over all tokens of all rows."""
        return -sum(row.log_p for row in self.rows) / sum(row.tokens for row in self.rows)

    def figures(self) -> dict[str, float]:
        """Figures by name."""
        return {"loss": self.mean, "perplexity": exp(self.mean)}

    def over(self, other: Losses) -> Gap | None:
        """How much more loss than another writer's on the same texts, with an interval over texts.

        A text's share of the difference is weighed with its tokens, so that the mean is the difference
        of the losses. None of fewer than two texts.
        """
        if len(self.rows) < 2:
            return None
        tokens = fmean(row.tokens for row in self.rows)
        pairs = [
            (-mine.log_p / tokens, -theirs.log_p / tokens)
            for mine, theirs in zip(self.rows, other.rows, strict=True)
        ]
        return mean_difference(pairs)


def losses(
    scorer: Scorer, rows: Sequence[Example], brand: Brand, adapter: str | None, base: LoadedBase
) -> Losses:
    """How likely the rows' texts are, with the prompts of `brand`, to the base with `adapter`.

    Raises:
        RenderContractError: the base's chat template breaks it.
    """
    return Losses(scorer.score([render_example(row, brand, base) for row in rows], adapter))
