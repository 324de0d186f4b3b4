"""JSON that follows a schema: only tokens that its grammar accepts can be chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.constraints import ConstraintVerdict
from lora_marketing.engine.json_grammar import compiled

MOST_MATCHERS = 256
"""So many rows go on without reading their tokens again."""


class JsonGrammar:
    """A finished text is JSON that follows `schema`; the stop token comes where it is whole.

    It is written on one line with a space after commas and colons, as most models have read it: free
    white space would let a row go on without end. Rows may share a grammar, one thread at a time.

    Raises:
        DataError: the schema is broken, nothing can follow it, or it uses what no grammar can keep.
    """

    def __init__(self, schema: Mapping[str, Any], base: LoadedBase) -> None:
        self._start = compiled(schema, vocabulary_of(base.tokenizer, base.stop_ids))
        self._matchers: dict[tuple[int, ...], LLMatcher] = {}
        """Matchers by the tokens they have read: a row's next token asks for one of these."""

    def narrow(self, tokens: Sequence[int], logits: Tensor) -> Tensor:
        """Leave the tokens that the grammar accepts next, the stop tokens only after the whole JSON."""
        matcher = self._after(tuple(tokens))
        refused = torch.frombuffer(bytearray(matcher.compute_logit_bias()), dtype=torch.uint8) == 0
        narrowed = torch.full_like(logits, -math.inf)
        size = min(len(refused), len(logits))  # a base may have more logits than tokens
        narrowed[:size] = logits[:size].masked_fill(refused[:size], -math.inf)
        return narrowed

    def judge(self, text: str, ended: bool) -> ConstraintVerdict | None:
        """Nothing: what was chosen follows the schema so far."""
        return None

    def settled(self, text: str, at: int) -> int:
        """All of it."""
        return at

    def _after(self, tokens: tuple[int, ...]) -> LLMatcher:
        """A matcher that has read `tokens`."""
        matcher = self._matchers.pop(tokens[:-1], None) if tokens else None
        if matcher is None or not matcher.consume_token(tokens[-1]):
            matcher = self._start.deep_copy()
            matcher.consume_tokens(list(tokens))
        if len(self._matchers) >= MOST_MATCHERS:
            del self._matchers[next(iter(self._matchers))]
        self._matchers[tokens] = matcher
        return matcher


@lru_cache(maxsize=2)  # takes a second for 49,000 tokens; a process has one base, rarely two
def vocabulary_of(tokenizer: PreTrainedTokenizerBase, stop_ids: frozenset[int]) -> LLTokenizer:
    """The tokens that grammars choose from. Holds up every thread for as long as it takes."""
    return from_tokenizer(tokenizer, eos_token=sorted(stop_ids))  # type: ignore[arg-type]
