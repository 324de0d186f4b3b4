"""Exact attention on a prefix tree, without computing the pairs that cannot see each other.

The trunk (what all rows share) attends to itself; the branches that grow from it lie side by
side in bins, and every bin attends to the trunk and to itself. For a brand's rows this computes
about a fifth of the pairs of one dense tree mask.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel

from lora_marketing.engine.transformers_api import register_attention, sdpa_attention_forward

NAME = "prefix_tree"


def use_tree_attention(model: PreTrainedModel) -> None:
    """Let `model` attend along prefix trees when it is given a TreeCollator's inputs.

    Without them its forward is ordinary SDPA.
    """
    register_attention(NAME, tree_attention)
    model.set_attn_implementation(NAME)


def tree_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    *,
    trunk: int | None = None,
    bins: Tensor | None = None,
    unbin: Tensor | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention for one tree, in transformers' attention interface.

    Args:
        query: (1, heads, tokens, dim); `key` and `value` may have fewer heads.
        attention_mask: (bins, 1, length, trunk + length), True where a bin's token sees.
        trunk: the number of tokens that all rows share; they come first. None: no tree.
        bins: (bins, length) index of each bin's tokens, any index where a bin is not full.
        unbin: (tokens - trunk,) where in the flattened bins each later token lies.
        sliding_window: of this layer, or None.

    Returns:
        (1, tokens, heads, dim) and None.
    """
    if trunk is None or bins is None or unbin is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    dropout = dropout if module.training else 0.0
    q, k, v = (x[:, :, :trunk] for x in (query, key, value))
    parts = []
    if trunk:
        window = _window(trunk, sliding_window, query.device)
        seen = scaled_dot_product_attention(q, k, v, window, dropout, window is None, scale=scaling)
        parts.append(seen[0].transpose(0, 1))
    if unbin.numel():
        branch_q, branch_k, branch_v = (x[0][:, bins].transpose(0, 1) for x in (query, key, value))
        branch_k = torch.cat([k.expand(len(bins), -1, -1, -1), branch_k], dim=2)
        branch_v = torch.cat([v.expand(len(bins), -1, -1, -1), branch_v], dim=2)
        grown = scaled_dot_product_attention(
            branch_q, branch_k, branch_v, attention_mask, dropout, scale=scaling
        )
        parts.append(grown.transpose(1, 2).flatten(0, 1)[unbin])
    return torch.cat(parts)[None], None


def _window(length: int, sliding_window: int | None, device: torch.device) -> Tensor | None:
    """(length, length) causal mask with a window, or None if the window covers everything."""
    if sliding_window is None or length <= sliding_window:
        return None
    at = torch.arange(length, device=device)
    distance = at[:, None] - at[None, :]
    return (distance >= 0) & (distance < sliding_window)
