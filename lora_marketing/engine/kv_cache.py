"""Keys and values of the rows being written: one buffer per layer, in which every row begins at
column 0, so that rows join and leave without moving the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, PreTrainedConfig

from lora_marketing.engine.prefix_cache import KeysValues
from lora_marketing.engine.transformers_api import CacheLayerMixin

ROWS, COLUMNS = 8, 128
"""Buffers have multiples of these."""


@dataclass
class _Window:
    """What the running forward writes and sees: rows `first` to `last`, the columns (rows, tokens)
    its tokens go to, and the first `width` columns of all of them. `at` (rows, 1) counts the rows."""

    first: int = 0
    last: int = 0
    at: Tensor | None = None
    columns: Tensor | None = None
    width: int = 0


class _RowLayer(CacheLayerMixin):
    """One layer's buffers, (rows, heads, columns, dim), in the form transformers' models call."""

    def __init__(self, window: _Window, size: _Size) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._window = window
        self._size = size

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Make the buffers, shaped after the first keys and values."""
        self.keys = self._buffer(key_states)
        self.values = self._buffer(value_states)
        self.is_initialized = True

    def _buffer(self, like: Tensor) -> Tensor:
        return like.new_zeros(self._size.rows, like.shape[1], self._size.columns, like.shape[3])

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write (rows, heads, tokens, dim) into the window; return what its rows may see."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        window = self._window
        rows = slice(window.first, window.last)
        seen = []
        for buffer, new in ((self.keys, key_states), (self.values, value_states)):
            assert buffer is not None
            buffer[rows][window.at, :, window.columns] = new.transpose(1, 2)
            seen.append(buffer[rows, :, : window.width])
        return seen[0], seen[1]

    def resize(self) -> None:
        """Take the size that is wanted now."""
        for name in ("keys", "values") if self.is_initialized else ():
            old = getattr(self, name)
            new = self._buffer(old)
            # without the last column, which holds what padding computed
            rows, columns = min(len(old), len(new)), min(old.shape[2], new.shape[2]) - 1
            new[:rows, :, :columns] = old[:rows, :, :columns]
            setattr(self, name, new)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """What transformers would make a mask for; the rows bring their own."""
        return self._window.width, 0

    def get_seq_length(self) -> int:
        """How many columns the running forward sees."""
        return self._window.width

    def get_max_length(self) -> int:
        """No limit: buffers grow."""
        return -1


@dataclass
class _Size:
    """How large the buffers are. The last column takes what padding computes; nothing reads it."""

    rows: int = 0
    columns: int = 0


class KVCache:
    """The keys and values of all running rows, numbered 0 to n-1 without gaps."""

    def __init__(self, config: PreTrainedConfig) -> None:
        self._window = _Window()
        self._size = _Size()
        layers = config.get_text_config().num_hidden_layers
        self._layers = [_RowLayer(self._window, self._size) for _ in range(layers)]
        self._filled: list[int] = []
        self.cache = Cache(layers=list(self._layers))

    @property
    def bytes(self) -> int:
        """Bytes that the buffers take."""
        return sum(buffer.nbytes for buffer in self._all_buffers())

    def join(self) -> int:
        """Make room for one more row; returns its number. It takes columns as it is written."""
        self._filled.append(0)
        rows = _multiple(len(self._filled), ROWS)
        if rows > self._size.rows:
            self._resize(rows, max(self._filled))
        return len(self._filled) - 1

    def set_window(self, first: int, columns: Tensor) -> int:
        """Let the next forward write at `columns` (rows, tokens), -1 for padding, of rows `first`
        and on. Returns how many columns it sees."""
        width = int(columns.max()) + 1
        self._make_wide(width)
        self._window.first, self._window.last = first, first + len(columns)
        self._window.at = torch.arange(len(columns), device=columns.device)[:, None]
        self._window.columns = torch.where(columns < 0, self._size.columns - 1, columns)
        self._window.width = width
        for at, last in enumerate(columns.max(dim=1).values.tolist(), start=first):
            self._filled[at] = max(self._filled[at], last + 1)
        return width

    def _make_wide(self, width: int) -> None:
        if width >= self._size.columns:
            self._resize(self._size.rows, max(width, *self._filled))

    def _resize(self, rows: int, width: int) -> None:
        """Take the rows and the columns that are needed now, and an eighth of these to grow into."""
        self._size.rows, self._size.columns = rows, _multiple(width + width // 8 + 1, COLUMNS)
        for layer in self._layers:
            layer.resize()

    def put(self, row: int, pieces: Sequence[KeysValues]) -> int:
        """Fill a row's first columns; returns how many."""
        start = 0
        self._make_wide(sum(piece[0][0].shape[1] for piece in pieces))
        for piece in pieces:
            count = piece[0][0].shape[1]
            for layer, (keys, values) in zip(self._layers, piece, strict=True):
                assert layer.keys is not None
                assert layer.values is not None
                layer.keys[row, :, start : start + count] = keys
                layer.values[row, :, start : start + count] = values
            start += count
        self._filled[row] = start
        return start

    def take(self, row: int, start: int, stop: int) -> KeysValues:
        """A copy of some of a row's columns."""
        copied = []
        for layer in self._layers:
            assert layer.keys is not None
            assert layer.values is not None
            copied.append((layer.keys[row, :, start:stop].clone(), layer.values[row, :, start:stop].clone()))
        return copied

    def drop(self, row: int) -> None:
        """End a row; the last row takes its number.

        Its columns become zeros: a NaN left behind would reach the next row there, because a
        masked value still counts zero times itself.
        """
        last = len(self._filled) - 1
        count = self._filled[last]
        for buffer in self._all_buffers():
            if row != last:
                buffer[row, :, :count] = buffer[last, :, :count]
                buffer[row, :, count : self._filled[row]] = 0
            buffer[last, :, :count] = 0
        self._filled[row] = self._filled[last]
        self._filled.pop()

    def _all_buffers(self) -> list[Tensor]:
        both = [(layer.keys, layer.values) for layer in self._layers if layer.is_initialized]
        return [buffer for pair in both for buffer in pair if buffer is not None]


def visible(config: PreTrainedConfig, columns: Tensor, width: int) -> Tensor | dict[str, Tensor]:
    """Who sees whom: (rows, 1, tokens, width) bool, one per layer type where these differ.

    A token sees the columns up to its own. Padding (-1) sees column 0, so that it is a number.
    """
    text = config.get_text_config()
    seen = torch.arange(width, device=columns.device)
    distance = columns.clamp(min=0)[:, :, None] - seen
    everything = (distance >= 0)[:, None]
    window = getattr(text, "sliding_window", None)
    kinds = set(getattr(text, "layer_types", None) or ())
    if window is None or (kinds and "sliding_attention" not in kinds):
        return everything
    near = everything & (distance < window)[:, None]
    return {"full_attention": everything, "sliding_attention": near} if kinds else near


def _multiple(count: int, of: int) -> int:
    return -(-count // of) * of
