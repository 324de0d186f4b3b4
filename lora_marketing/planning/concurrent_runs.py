"""Groups runs that fit into memory together, to train them in one forward and backward."""

from __future__ import annotations

from collections.abc import Sequence

from lora_marketing.planning.memory import FRAGMENTED, HEAP, MemoryPlan


def groups_that_fit(needs: Sequence[MemoryPlan], free: int, most: int) -> list[list[int]]:
    """Split runs on one base, in order, into groups of at most `most` that fit in `free` bytes.

    The base and the process count once per group; each run adds its LoRA with gradients and optimizer state,
    and the activations and logits of its micro-batch. A run that does not fit is a group of its own: it is
    refused when it starts, with a message that says what would fit.

    Returns:
        the groups, as indices into `needs`.
    """
    groups: list[list[int]] = []
    left = 0
    for place, need in enumerate(needs):
        own = own_bytes(need)
        if not groups or own > left or len(groups[-1]) == most:
            groups.append([])
            left = free - (need.needed - own)
        groups[-1].append(place)
        left -= own
    return groups


def own_bytes(need: MemoryPlan) -> int:
    """Bytes of a run that are not shared with other runs on its base, with the allocator's overhead."""
    state = need.lora + need.gradients + need.optimizer
    held = state + need.activations + max(need.logits, need.workspace)
    return round(held * (1 + (HEAP if need.kind == "cpu" else FRAGMENTED)))
