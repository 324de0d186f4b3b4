"""The prefix tree against a slow obvious one: what it gives back was computed for these very tokens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_marketing.engine.prefix_cache import Identity, KeysValues, PrefixCache, agreeing

IDENTITIES = [
    Identity("base", "torch.float32", adapter, scope)
    for adapter, scope in (("a", ""), ("b", ""), (None, "x"))
]
IDENTITIES.append(Identity("base", "torch.float32", None, "y"))
PER_TOKEN = 2 * 2 * 4


def computed(identity: Identity, prompt: Sequence[int], start: int, stop: int) -> KeysValues:
    """Two layers of one head and one number: a hash of the identity and of all tokens up to this one."""
    numbers = [hash((identity, tuple(prompt[: at + 1]))) % 2**20 for at in range(start, stop)]
    tensor = torch.tensor(numbers, dtype=torch.float32)[None, :, None]
    return [(tensor, -tensor)]


def joined(pieces: Sequence[KeysValues]) -> list[float]:
    return [number for piece in pieces for number in piece[0][0].flatten().tolist()]


prompts = st.lists(st.integers(0, 2), min_size=1, max_size=9)


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(IDENTITIES), prompts), min_size=1, max_size=25),
    limit=st.sampled_from([0, 5 * 8, 20 * 8, 10_000]),
)
def test_finds_the_longest_known_beginning_of_the_same_identity_and_nothing_else(
    steps: list[tuple[Identity, list[int]]], limit: int
) -> None:
    cache = PrefixCache(limit)
    added: dict[Identity, list[list[int]]] = {}
    for identity, prompt in steps:
        pieces = cache.find(identity, prompt)
        found = joined(pieces)
        assert found == joined(
            [computed(identity, prompt, 0, len(found))]
        )  # never another's, never other tokens
        assert cache.known(identity, prompt) == len(found)
        longest = max((agreeing(prompt, old) for old in added.get(identity, [])), default=0)
        assert len(found) <= longest
        if limit == 10_000:
            assert len(found) == longest
        cache.add(identity, prompt, lambda start, stop, i=identity, p=prompt: computed(i, p, start, stop))
        added.setdefault(identity, []).append(prompt)
        assert 0 <= cache.bytes <= limit
    cache.forget("a")
    assert not cache.find(IDENTITIES[0], steps[0][1])
    if limit == 10_000:
        distinct = {
            (identity, tuple(prompt[: at + 1]))
            for identity, known in added.items()
            if identity.adapter != "a"
            for prompt in known
            for at in range(len(prompt))
        }
        assert cache.bytes == len(distinct) * 8  # every shared token once


def test_what_was_longest_unused_is_forgotten_first() -> None:
    cache = PrefixCache(8 * 8)
    one = IDENTITIES[0]
    for prompt in ([1, 1, 1], [2, 2, 2]):
        cache.add(one, prompt, lambda start, stop, p=prompt: computed(one, p, start, stop))
    cache.find(one, [1, 1, 1])
    cache.add(one, [3, 3, 3, 3], lambda start, stop: computed(one, [3, 3, 3, 3], start, stop))
    assert [cache.known(one, [token] * 3) for token in (1, 2, 3)] == [3, 0, 3]


def test_what_is_forgotten_is_not_kept_alive_by_what_stays() -> None:
    cache = PrefixCache(10_000)
    one = IDENTITIES[0]
    for prompt in ([1] * 8, [1] * 4 + [2] * 4):
        cache.add(one, prompt, lambda start, stop, p=prompt: computed(one, p, start, stop))
    (head, tail) = cache.find(one, [1] * 8)
    assert head[0][0].shape[1] == tail[0][0].shape[1] == 4
    assert all(keys.untyped_storage().nbytes() == keys.nbytes for piece in (head, tail) for keys, _ in piece)
