"""Row buffers: what a row reads is what was written for it, and nothing is left of rows that ended."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import GemmaConfig, LlamaConfig, MistralConfig
from transformers.models.gemma3.configuration_gemma3 import Gemma3TextConfig

from lora_marketing.engine.kv_cache import COLUMNS, KVCache, visible

CONFIG = LlamaConfig(num_hidden_layers=2)


def states(rows: int, tokens: int, seed: int) -> Tensor:
    return torch.randn(rows, 2, tokens, 4, generator=torch.Generator().manual_seed(seed))


@pytest.mark.thorough
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_rows_hold_what_was_written_for_them_whoever_joins_and_leaves(data: st.DataObject) -> None:
    buffers = KVCache(CONFIG)
    rows: list[Tensor] = []  # what each row should hold, (2, tokens, 4)
    for step in range(data.draw(st.integers(1, 12))):
        kind = data.draw(st.sampled_from(["join", "write", "drop"])) if rows else "join"
        if kind == "join":
            assert buffers.join() == len(rows)
            rows.append(torch.empty(2, 0, 4))
        if kind == "drop":
            row = data.draw(st.integers(0, len(rows) - 1))
            buffers.drop(row)
            rows[row] = rows[-1]
            rows.pop()
            continue
        first = data.draw(st.integers(0, len(rows) - 1))
        counts = [data.draw(st.sampled_from([1, 2, 3, COLUMNS])) for _ in rows[first:]]
        most = max(counts)
        columns = torch.full((len(counts), most), -1)
        new = states(len(counts), most, step)
        for at, count in enumerate(counts):
            held = rows[first + at]
            start = data.draw(st.integers(0, held.shape[1]))  # a row that was taken back writes over itself
            columns[at, most - count :] = torch.arange(start, start + count)
            rows[first + at] = torch.cat([held[:, :start], new[at, :, most - count :]], dim=1)
        width = buffers.set_window(first, columns)
        for layer in range(2):
            keys, values = buffers.cache.update(new + layer, -new, layer)
            assert keys.shape == (len(counts), 2, width, 4)
            for at, row in enumerate(rows[first:]):
                assert torch.equal(keys[at, :, : row.shape[1]], row + layer)
                assert torch.equal(values[at, :, : row.shape[1]], -row)
    for number, row in enumerate(rows):
        piece = buffers.take(number, 0, row.shape[1])
        assert torch.equal(piece[1][0], row + 1)
        fresh = buffers.join()
        assert buffers.put(fresh, [piece]) == row.shape[1]
        assert torch.equal(buffers.take(fresh, 0, row.shape[1])[0][1], -row)
        buffers.drop(fresh)


def test_nothing_is_left_of_a_row_that_ended() -> None:
    buffers = KVCache(CONFIG)
    for _ in range(3):
        buffers.join()
    buffers.set_window(0, torch.arange(4).repeat(3, 1))
    new = states(3, 4, 0)
    new[0, 0, 0, 0] = torch.nan
    for layer in range(2):
        buffers.cache.update(new, new, layer)
    buffers.drop(0)
    buffers.drop(1)
    buffers.drop(0)
    for layer in buffers.cache.layers:
        assert layer.keys is not None
        assert not layer.keys[:, :, :-1].any()


def test_each_token_sees_its_own_and_earlier_columns_within_the_window() -> None:
    columns = torch.tensor([[-1, 0, 1], [3, 4, 5]])
    full = [[[1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]]]
    full.append([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]])
    near = [row[:] for row in full]
    near[1] = [[0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1]]

    def as_lists(mask: object) -> list[list[list[int]]]:
        assert isinstance(mask, Tensor)
        return mask[:, 0].int().tolist()

    assert as_lists(visible(LlamaConfig(), columns, 6)) == full
    assert as_lists(visible(GemmaConfig(), columns, 6)) == full
    assert as_lists(visible(MistralConfig(sliding_window=2), columns, 6)) == near
    both = visible(
        Gemma3TextConfig(
            num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"], sliding_window=2
        ),
        columns,
        6,
    )
    assert isinstance(both, dict)
    assert as_lists(both["full_attention"]) == full
    assert as_lists(both["sliding_attention"]) == near
