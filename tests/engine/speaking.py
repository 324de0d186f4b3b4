"""A base that has no model: pieces of bytes as tokens, and logits drawn for every place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lora_marketing.brands.brand import Brand
from lora_marketing.engine.request import Progress, Request, RowOutput
from lora_marketing.engine.row import Row

STOP = 0
PROMPT = (1, 2, 1)


@dataclass(frozen=True)
class Pieces:
    """Stands for a loaded base. Token 0 stops; the others spell their bytes."""

    pieces: tuple[bytes, ...]
    stop_ids: frozenset[int] = frozenset({STOP})

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(self.pieces[id] for id in ids).decode(errors="replace")

    def spell(self, text: str) -> list[int]:
        """Token ids of `text`, longest pieces first."""
        rest, ids = text.encode(), []
        while rest:
            fitting = [id for id, piece in enumerate(self.pieces) if piece and rest.startswith(piece)]
            ids.append(max(fitting, key=lambda id: len(self.pieces[id])))
            rest = rest[len(self.pieces[ids[-1]]) :]
        return ids


def pieces(*texts: str) -> Pieces:
    """Tokens that spell these texts, and single bytes for whatever is not ASCII."""
    rare = sorted({bytes([byte]) for text in texts for byte in text.encode() if byte >= 128})
    return Pieces((b"", *(text.encode() for text in texts), *rare))


def brand(*terms: str, locale: str = "en-GB") -> Brand:
    values = {"schema": 1, "name": "x", "display_name": "X", "locale": locale, "guide": "g"}
    return Brand.model_validate({**values, "lines": {"a": "b"}, "banned_terms": list(terms)})


Model = Callable[[Sequence[int]], Tensor]


def random_model(base: Any, seed: int, stop: float = -1.0, spread: float = 2.0) -> Model:
    """Logits that depend on all tokens before and on nothing else."""

    def logits(tokens: Sequence[int]) -> Tensor:
        random = torch.Generator().manual_seed(hash((seed, *tokens)) % 2**63)
        drawn = torch.randn(len(base.pieces), generator=random) * spread
        drawn[STOP] += stop
        return drawn

    return logits


def saying(base: Pieces, *texts: str) -> Model:
    """Logits that prefer to go on with one of `texts`, the first most of all, and then to stop."""

    def logits(tokens: Sequence[int]) -> Tensor:
        scores = torch.zeros(len(base.pieces))
        for rank, text in enumerate(texts):
            ids = [*base.spell(text), STOP]
            if list(tokens) == ids[: len(tokens)] and len(tokens) < len(ids):
                scores[ids[len(tokens)]] += 20.0 - rank
        return scores

    return logits


@dataclass(frozen=True)
class FinishedRow:
    """A finished row, and all its progress on the way."""

    written: RowOutput
    progress: list[Progress]
    choices: int

    @property
    def text(self) -> str:
        return self.written.text


def write(base: Any, request: Request, model: Model) -> FinishedRow:
    """Write one row to its end, asking for progress after every choice, as an engine does."""
    row, progress, choices = Row(request, base), [], 0
    progress.append(row.take_progress())
    while row.written is None:
        assert row.next_input() == (
            [*request.prompt, *row.tokens][-1],
            len(request.prompt) + len(row.tokens) - 1,
        )
        row.choose(model(row.tokens))
        choices += 1
        progress.append(row.take_progress())
        shown = "".join(step.text for step in progress)
        assert (row.written.text if row.written else base.decode(row.tokens)).startswith(shown)
    assert "".join(step.text for step in progress) == row.written.text
    assert [step.written for step in progress if step.written] == [row.written]
    return FinishedRow(row.written, progress, choices)
