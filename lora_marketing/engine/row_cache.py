"""The keys, values or states of the rows being written, and the forwards that extend them.

`BatchedRowCache` computes all rows in one forward and shares the prefixes of their prompts; `PerRowCache`
has a cache per row, for architectures whose layers carry a state that cannot be shared.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
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
    """Computes rows with what they have cached. Rows are numbered 0 to n-1: a new row comes last, and
    when a row is dropped, the last one takes its number."""

    prefixes: PrefixCache
    together: bool
    """Whether a forward may compute many rows."""

    def join(self, identity: Identity, key: Sequence[Hashable]) -> int:
        """Begin a row whose prompt has the cache key `key`. Returns how many of its tokens come from the
        prefix cache, never all of them."""

    def compute(self, first: int, chunks: Sequence[InputChunk]) -> Tensor:
        """(rows, vocabulary) logits after the last token of each chunk, for rows `first` and on. Of a row
        whose chunk is empty nothing is computed, and its logits mean nothing."""

    def keep(self, row: int, identity: Identity, key: Sequence[Hashable]) -> None:
        """Put a computed prompt into the prefix cache, for rows that begin alike."""

    def drop(self, row: int) -> None:
        """End a row."""

    @property
    def bytes(self) -> int:
        """Bytes that the rows' keys and values take."""


def row_cache_for(model: PreTrainedModel, pad: int, prefix_bytes: int) -> RowCache:
    """The row cache that suits a model's architecture."""
    text = model.config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ())
    if kinds <= SHAREABLE:
        return BatchedRowCache(model, pad, PrefixCache(prefix_bytes))
    return PerRowCache(model)


class BatchedRowCache:
    """One buffer per layer for all rows, and prefixes that are computed once."""

    together = True

    def __init__(self, model: PreTrainedModel, pad: int, prefixes: PrefixCache) -> None:
        self.prefixes = prefixes
        self._model = model
        self._cache_argument = cache_argument(type(model))
        self._pad = pad
        self._buffers = KVCache(model.config)

    def join(self, identity: Identity, key: Sequence[Hashable]) -> int:
        """See `RowCache`."""
        row = self._buffers.join()
        return self._buffers.put(row, self.prefixes.find(identity, key[:-1]))

    def compute(self, first: int, chunks: Sequence[InputChunk]) -> Tensor:
        """See `RowCache`. Rows with fewer tokens are padded on the left."""
        most = max(len(chunk.tokens) for chunk in chunks)
        missing = [most - len(chunk.tokens) for chunk in chunks]
        device = self._model.device
        ids = torch.tensor(
            [[self._pad] * gap + list(chunk.tokens) for chunk, gap in zip(chunks, missing, strict=True)],
            device=device,
        )
        columns = torch.tensor(
            [
                [-1] * gap + list(range(chunk.start, chunk.start + len(chunk.tokens)))
                for chunk, gap in zip(chunks, missing, strict=True)
            ],
            device=device,
        )
        width = self._buffers.set_window(first, columns)
        logits: Tensor = self._model(
            input_ids=ids,
            attention_mask=visible(self._model.config, columns, width),
            position_ids=columns.clamp(min=0),
            **{self._cache_argument: self._buffers.cache},
            logits_to_keep=1,
            use_cache=True,
        ).logits
        return logits[:, -1]

    def keep(self, row: int, identity: Identity, key: Sequence[Hashable]) -> None:
        """See `RowCache`."""
        self.prefixes.add(identity, key, lambda start, stop: self._buffers.take(row, start, stop))

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
        self._vocabulary = model.config.get_text_config().vocab_size

    def join(self, identity: Identity, key: Sequence[Hashable]) -> int:
        """See `RowCache`."""
        self._rows.append(_CachedRow(self._model.config))
        return 0

    def compute(self, first: int, chunks: Sequence[InputChunk]) -> Tensor:
        """See `RowCache`. A row that was taken back is computed again: a state cannot be."""
        return torch.cat([self._compute_row(row, chunk) for row, chunk in enumerate(chunks, start=first)])

    def _compute_row(self, row: int, chunk: InputChunk) -> Tensor:
        cached = self._rows[row]
        if not chunk.tokens:
            return torch.zeros(1, self._vocabulary, device=self._model.device)
        if chunk.start != len(cached.tokens):
            before = cached.tokens[: chunk.start]
            cached = self._rows[row] = _CachedRow(self._model.config)
            chunk = InputChunk([*before, *chunk.tokens], 0)
        ids = torch.tensor([list(chunk.tokens)], device=self._model.device)
        logits: Tensor = self._model(
            input_ids=ids, **{self._cache_argument: cached.cache}, logits_to_keep=1, use_cache=True
        ).logits
        cached.tokens += chunk.tokens
        return logits[:, -1]

    def keep(self, row: int, identity: Identity, key: Sequence[Hashable]) -> None:
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
