"""What the base remembers of the rows being written: joined, computed and dropped by number.

`BatchedRowCache` computes all rows in one forward and shares what they begin with; `PerRowCache` gives
each row a memory of its own, for architectures whose layers carry a state that cannot be shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig, PreTrainedModel

from lora_marketing.engine.kv_cache import KVCache, visible
from lora_marketing.engine.prefix_cache import Identity, PrefixCache
from lora_marketing.engine.transformers_api import cache_argument

SHAREABLE = {"full_attention", "sliding_attention"}


@dataclass(frozen=True)
class InputChunk:
    """Tokens for one row, and the position of the first of them."""

    tokens: Sequence[int]
    start: int


class RowCache(Protocol):
    """Rows are numbered 0 to n-1; new ones come last, and a dropped row's number goes to the last."""

    prefixes: PrefixCache
    together: bool
    """Whether a forward may compute many rows."""

    def join(self, columns: int, identity: Identity, prompt: Sequence[int]) -> int:
        """Begin a row of at most `columns` tokens in all; returns how many of the prompt's tokens are
        remembered already, never all of them."""

    def compute(self, first: int, feeds: Sequence[InputChunk]) -> Tensor:
        """(rows, vocabulary) logits after the last token of each feed, for rows `first` and on."""

    def keep(self, row: int, identity: Identity, prompt: Sequence[int]) -> None:
        """Remember a computed prompt for rows that begin alike."""

    def drop(self, row: int) -> None:
        """End a row."""

    @property
    def bytes(self) -> int:
        """What the rows take."""


def row_cache_for(model: PreTrainedModel, pad: int, prefix_bytes: int) -> RowCache:
    """The memory that suits a model's architecture."""
    text = model.config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ())
    if kinds <= SHAREABLE:
        return BatchedRowCache(model, pad, PrefixCache(prefix_bytes))
    return PerRowCache(model)


class BatchedRowCache:
    """One buffer for all rows, and prefixes that are computed once."""

    together = True

    def __init__(self, model: PreTrainedModel, pad: int, prefixes: PrefixCache) -> None:
        self.prefixes = prefixes
        self._model = model
        self._cache_argument = cache_argument(type(model))
        self._pad = pad
        self._buffers = KVCache(model.config)

    def join(self, columns: int, identity: Identity, prompt: Sequence[int]) -> int:
        """See `RowCache`."""
        row = self._buffers.join(columns)
        return self._buffers.put(row, self.prefixes.find(identity, prompt[:-1]))

    def compute(self, first: int, feeds: Sequence[InputChunk]) -> Tensor:
        """See `RowCache`. Rows with fewer tokens are padded on the left."""
        most = max(len(feed.tokens) for feed in feeds)
        missing = [most - len(feed.tokens) for feed in feeds]
        device = self._model.device
        ids = torch.tensor(
            [[self._pad] * gap + list(feed.tokens) for feed, gap in zip(feeds, missing, strict=True)],
            device=device,
        )
        columns = torch.tensor(
            [
                [-1] * gap + list(range(feed.start, feed.start + len(feed.tokens)))
                for feed, gap in zip(feeds, missing, strict=True)
            ],
            device=device,
        )
        width = self._buffers.look(first, columns)
        logits: Tensor = self._model(
            input_ids=ids,
            attention_mask=visible(self._model.config, columns, width),
            position_ids=columns.clamp(min=0),
            **{self._cache_argument: self._buffers.cache},
            logits_to_keep=1,
            use_cache=True,
        ).logits
        return logits[:, -1]

    def keep(self, row: int, identity: Identity, prompt: Sequence[int]) -> None:
        """See `RowCache`."""
        self.prefixes.add(identity, prompt, lambda start, stop: self._buffers.take(row, start, stop))

    def drop(self, row: int) -> None:
        """See `RowCache`."""
        self._buffers.drop(row)

    @property
    def bytes(self) -> int:
        """See `RowCache`."""
        return self._buffers.bytes


class PerRowCache:
    """A cache of its own for every row, computed one by one; nothing is shared."""

    together = False

    def __init__(self, model: PreTrainedModel) -> None:
        self.prefixes = PrefixCache(0)
        self._model = model
        self._cache_argument = cache_argument(type(model))
        self._rows: list[_CachedRow] = []

    def join(self, columns: int, identity: Identity, prompt: Sequence[int]) -> int:
        """See `RowCache`."""
        self._rows.append(_CachedRow(self._model.config))
        return 0

    def compute(self, first: int, feeds: Sequence[InputChunk]) -> Tensor:
        """See `RowCache`. A row that was taken back is computed again: a state cannot be."""
        return torch.cat([self._one(row, feed) for row, feed in enumerate(feeds, start=first)])

    def _one(self, row: int, feed: InputChunk) -> Tensor:
        held = self._rows[row]
        if feed.start != len(held.tokens):
            before = held.tokens[: feed.start]
            held = self._rows[row] = _CachedRow(self._model.config)
            feed = InputChunk([*before, *feed.tokens], 0)
        ids = torch.tensor([list(feed.tokens)], device=self._model.device)
        logits: Tensor = self._model(
            input_ids=ids, **{self._cache_argument: held.cache}, logits_to_keep=1, use_cache=True
        ).logits
        held.tokens += feed.tokens
        return logits[:, -1]

    def keep(self, row: int, identity: Identity, prompt: Sequence[int]) -> None:
        """See `RowCache`: nothing is shared."""

    def drop(self, row: int) -> None:
        """See `RowCache`."""
        last = self._rows.pop()
        if row < len(self._rows):
            self._rows[row] = last

    @property
    def bytes(self) -> int:
        """Not counted: caches of such layers have no common form."""
        return 0


class _CachedRow:
    def __init__(self, config: PreTrainedConfig) -> None:
        self.cache: Any = DynamicCache(config=config)
        self.tokens: list[int] = []
