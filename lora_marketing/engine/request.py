"""What one row is asked for, and what comes back of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from lora_marketing.common.errors import LoraMarketingError
from lora_marketing.engine.constraints import Constraint
from lora_marketing.engine.sampling import Sampling

Finish = Literal["stop", "stop_string", "length", "budget", "stuck", "cancelled", "failed"]
"""Why a row ended: by its stop token, at one of its stop strings, at `max_new_tokens`, because the
next word would not have fitted a length budget, because its constraints left it no way on, because
it was cancelled, or because its adapter could not be used or something failed (then with the error)."""


@dataclass(frozen=True)
class Request:
    """One row to write: prompt tokens, the adapter's key (None is the base), sampling, and what the
    text must keep to.

    What was computed of a prompt is used again for rows of the same adapter and `scope`, so that nobody
    learns from the time of an answer what others sent. The first `shared` tokens belong to no scope:
    they are used again whatever it is, but for those of the bare base. Rows of different clients take
    turns.
    """

    prompt: Sequence[int]
    adapter: str | None
    sampling: Sampling
    constraints: tuple[Constraint, ...] = ()
    scope: str = ""
    client: str = ""
    shared: int = 0

    def cache_key(self, tokens: Sequence[int] | None = None) -> Sequence[Hashable]:
        """What computed prefixes of the prompt are found by, or of `tokens`, which begin with it: one entry
        per token.

        The first token that is not shared carries the scope, and so everything behind it has its own.
        """
        tokens, at = self.prompt if tokens is None else tokens, self.shared
        if not self.scope or at >= len(tokens):
            return tokens
        return (*tokens[:at], (self.scope, tokens[at]), *tokens[at + 1 :])


@dataclass(frozen=True)
class RowOutput:
    """One finished row: its tokens without the stop token, their text, and why it ended."""

    tokens: tuple[int, ...]
    text: str
    finish: Finish

    @property
    def stopped(self) -> bool:
        """Whether the model ended the text by itself."""
        return self.finish == "stop"


@dataclass(frozen=True)
class Progress:
    """What is new in a row after a step.

    `text` is what may be shown beyond the last progress: nothing of it will be taken back. `tokens`
    counts all tokens so far. `written` stands in the last progress of a row and only there; `error`
    beside it if the row failed before or while it was written.
    """

    text: str
    tokens: int
    written: RowOutput | None = None
    error: LoraMarketingError | None = None
