"""Runs that go through one forward together fit in memory, keep their order, and none is lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.planning.concurrent_runs import groups_that_fit, own_bytes
from lora_marketing.planning.memory import HEAP, MemoryPlan
from tests.making import property_test

BASE = 100
sizes = st.integers(0, 60)


def need(lora: int, activations: int, logits: int) -> MemoryPlan:
    """Of a run that needs BASE + 10 and its own bytes."""
    held = 4 * lora + activations + max(logits, 5)
    return MemoryPlan(
        nf4=BASE,
        unquantized=0,
        lora=lora,
        gradients=lora,
        optimizer=2 * lora,
        activations=activations,
        logits=logits,
        workspace=5,
        evaluation=0,
        generation=0,
        overhead=10 + round(held * (1 + HEAP)) - held,
        kind="cpu",
    )


@property_test
@given(st.lists(st.builds(need, sizes, sizes, sizes), max_size=12), st.integers(0, 900), st.integers(1, 5))
def test_groups(needs: list[MemoryPlan], free: int, most: int) -> None:
    groups = groups_that_fit(needs, free, most)
    assert [place for group in groups for place in group] == list(range(len(needs)))
    for group in groups:
        assert 1 <= len(group) <= most
        together = BASE + 10 + sum(own_bytes(needs[place]) for place in group)
        assert together <= free or len(group) == 1
    for before, after in pairwise(groups):
        one_more = BASE + 10 + sum(own_bytes(needs[place]) for place in [*before, after[0]])
        assert one_more > free or len(before) == most, "no group is smaller than it must be"
