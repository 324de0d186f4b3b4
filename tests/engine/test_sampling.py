"""The row sampler against a slow, obvious nucleus sampler."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_marketing.engine.sampling import RowSampler, Sampling, row_seed

EDGE = 1e-5
"""Sums in float32 may put a token whose turn comes this near to top_p on either side."""


def slow_nucleus(logits: list[float], temperature: float, top_p: float) -> dict[int, float]:
    """Token -> probability: likeliest first, until top_p is reached, then scaled to one."""
    weights = [math.exp((logit - max(logits)) / temperature) for logit in logits]
    probabilities = [weight / sum(weights) for weight in weights]
    kept: dict[int, float] = {}
    for token in sorted(range(len(logits)), key=lambda token: -probabilities[token]):
        if kept and sum(kept.values()) >= top_p:
            break
        kept[token] = probabilities[token]
    return {token: p / sum(kept.values()) for token, p in kept.items()}


def draws(logits: torch.Tensor, sampling: Sampling, count: int) -> list[int]:
    sampler = RowSampler(sampling)
    return [sampler.choose(logits) for _ in range(count)]


@pytest.mark.parametrize("temperature", [0.0, 5e-324, 1e-300, 7e-46, 1e-38, 1e-10, 1e-6, 1e-4])
@pytest.mark.parametrize("top_p", [1.0, 0.5, 1e-50])
def test_no_temperature_is_too_low(temperature: float, top_p: float) -> None:
    """The likeliest token that is not banned."""
    logits = torch.tensor([3.0, -math.inf, 7.0, 1.0, -math.inf])
    logits[2] = -math.inf
    assert draws(logits, Sampling(7, temperature, top_p), 20) == [0] * 20


FEW, MANY = 12, 1500


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("size", "temperature", "top_p"),
    [
        *((FEW, *how) for how in ((1.0, 1.0), (0.7, 0.9), (2.5, 0.5), (0.3, 0.99), (1.0, 0.05))),
        *((MANY, *how) for how in ((1.0, 1.0), (0.7, 0.9))),
        *(
            pytest.param(MANY, *how, marks=pytest.mark.thorough)
            for how in ((2.5, 0.5), (0.3, 0.99), (1.0, 0.05))
        ),
    ],
)
def test_draws_are_distributed_like_the_slow_nucleus(size: int, temperature: float, top_p: float) -> None:
    logits = torch.randn(size, generator=torch.Generator().manual_seed(size)) * 1.5
    expected = slow_nucleus(logits.tolist(), temperature, top_p)
    count = 6000
    found = Counter(draws(logits, Sampling(7, temperature, top_p), count))
    assert set(found) <= set(expected)
    # tokens too rare for chi-square are counted together
    common = [token for token, p in expected.items() if p * count >= 8]
    rare = [token for token in expected if token not in common]
    groups = [[token] for token in common] + ([rare] if rare else [])
    if len(groups) == 1:
        assert set(found) <= set(groups[0])
        return
    observed = [sum(found[token] for token in group) for group in groups]
    wanted = [count * sum(expected[token] for token in group) for group in groups]
    chi_square = sum((seen - p) ** 2 / p for seen, p in zip(observed, wanted, strict=True))
    freedom = len(groups) - 1  # its mean; the variance is twice that
    assert chi_square < freedom + 3.5 * math.sqrt(2 * freedom) + 3


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    logits=st.lists(st.floats(-30, 30, width=16), min_size=1, max_size=1200),
    temperature=st.sampled_from([0.01, 0.3, 1.0, 8.0]),
    top_p=st.floats(0.001, 1.0),
    seed=st.integers(0, 2**63 - 1),
)
def test_no_token_outside_the_nucleus_is_drawn(
    logits: list[float], temperature: float, top_p: float, seed: int
) -> None:
    wide = slow_nucleus(logits, temperature, min(1.0, top_p + EDGE))
    # of tokens that are equally likely, any may be the last one in
    least = min(logits[token] for token in wide)
    allowed = set(wide) | {token for token, logit in enumerate(logits) if logit >= least}
    for dtype in (torch.float32, torch.bfloat16):
        as_given = torch.tensor(logits, dtype=dtype)
        if dtype == torch.bfloat16:
            rounded = slow_nucleus(as_given.tolist(), temperature, min(1.0, top_p + EDGE))
            least = min(float(as_given[token]) for token in rounded)
            allowed = {token for token, logit in enumerate(as_given.tolist()) if logit >= least}
        assert set(draws(as_given, Sampling(seed, temperature, top_p), 5)) <= allowed


def test_temperature_zero_takes_the_first_likeliest_token_and_no_random_number() -> None:
    tied = torch.tensor([0.0, 3.0, 1.0, 3.0])
    assert set(draws(tied, Sampling(1, temperature=0), 20)) == {1}
    assert set(draws(tied, Sampling(2, temperature=0, top_p=0.01), 20)) == {1}


def test_a_near_zero_temperature_and_a_tiny_top_p_take_the_likeliest_token() -> None:
    logits = torch.tensor([1.0, 40.0, -5.0, 39.0])
    for sampling in (Sampling(3, 1e-30, 1.0), Sampling(3, 1e-6), Sampling(3, 1.0, 1e-9), Sampling(3, 1.0, 0)):
        assert set(draws(logits, sampling, 20)) == {1}


def test_ties_are_drawn_alike_every_time_and_all_of_them_are() -> None:
    tied = torch.zeros(2000)
    first, again = (draws(tied, Sampling(5, 1.0, 1.0), 300) for _ in range(2))
    assert first == again
    assert len(set(first)) > 200
    # the smallest set that reaches 1 %: twenty of two thousand equal ones
    assert len(set(draws(tied, Sampling(5, 1.0, 0.0099), 300))) <= 20


def test_masked_tokens_are_never_drawn() -> None:
    logits = torch.full((50,), -math.inf)
    logits[[7, 30]] = 0.0
    assert set(draws(logits, Sampling(1, 1.0, 1.0), 100)) == {7, 30}


def test_random_numbers_come_from_the_seed_and_from_nothing_else() -> None:
    logits = torch.randn(100, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    alone = draws(logits, Sampling(42, 1.0, 1.0), 50)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    one, other = RowSampler(Sampling(42, 1.0, 1.0)), RowSampler(Sampling(43, 1.0, 1.0))
    together = [(one.choose(logits), other.choose(logits)) for _ in range(50)]
    assert [token for token, _ in together] == alone
    assert [token for _, token in together] != alone


def test_row_seeds_depend_on_every_part_and_on_the_borders_between_them() -> None:
    parts = [
        (13, "digest", "prompt", "0"),
        (14, "digest", "prompt", "0"),
        (13, "other", "prompt", "0"),
        (13, "digest", "brief", "0"),
        (13, "digest", "prompt", "1"),
        (13, "digestprompt", "", "0"),
        (131, "", "digest", "prompt"),
    ]
    seeds = [row_seed(seed, *rest) for seed, *rest in parts]
    assert len(set(seeds)) == len(parts)
    assert seeds == [row_seed(seed, *rest) for seed, *rest in parts]
    for seed in seeds:
        assert 0 <= seed < 2**63
        torch.Generator().manual_seed(seed)
