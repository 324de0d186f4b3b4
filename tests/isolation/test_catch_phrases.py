"""Adapters overfit to one catch-phrase each: whatever happens around them, nobody says another's."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
import torch
from peft import LoraConfig, get_peft_model

from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.engine import Engine
from lora_marketing.engine.request import Progress, Request
from lora_marketing.engine.row_cache import BatchedRowCache
from lora_marketing.engine.sampling import Sampling
from tests.engine.making import ALL, decoder_targets, prompts, whole_characters

LENGTH = 6
BRANDS = ("ember", "lumen", "shanyu")
SHAPES = {
    "ember": (8, ALL),
    "lumen": (4, ("q_proj", "v_proj")),
    "shanyu": (12, ("gate_proj", "up_proj", "down_proj")),
}


@pytest.fixture(scope="module")
def phrases(llama: LoadedBase) -> dict[str, list[int]]:
    """Tokens that spell whole characters, as a text that ends has them."""
    drawn = prompts(llama, [LENGTH] * 60, seed=99)
    whole = [phrase for phrase in drawn if whole_characters(llama, phrase) == tuple(phrase)]
    return dict(zip(BRANDS, whole, strict=False))


@pytest.fixture(scope="module")
def starts(llama: LoadedBase) -> list[list[int]]:
    """What every brand is asked: a guide that all of them share, and a few tokens more."""
    guide, *briefs = prompts(llama, [30, 4, 4, 4], seed=1000)
    return [guide + brief for brief in briefs]


@pytest.fixture(scope="module")
def loud(
    llama: LoadedBase,
    phrases: dict[str, list[int]],
    starts: list[list[int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("loud")
    return {brand: overfit(llama, brand, starts, phrases[brand], folder / brand) for brand in BRANDS}


def overfit(
    base: LoadedBase, brand: str, starts: Sequence[Sequence[int]], phrase: list[int], folder: Path
) -> Path:
    """Say `phrase`, and then stop, after each of `starts`."""
    torch.manual_seed(0)
    rank, targets = SHAPES[brand]
    config = LoraConfig(
        task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules=decoder_targets(base, targets)
    )
    model = get_peft_model(copy.deepcopy(base.model), config)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    rows = torch.tensor([[*start, *phrase, *base.stop_ids] for start in starts])
    labels = rows.clone()
    labels[:, : len(starts[0])] = -100
    for _ in range(150):
        loss = model(input_ids=rows, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.02:
            break
    assert loss < 0.1
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


def ready(base: LoadedBase, loud: dict[str, Path], **limits: int) -> Engine:
    engine = Engine(base, **limits)
    for brand, folder in loud.items():
        engine._slots.register(brand, folder)
    return engine


class Said:
    """What each row came to."""

    def __init__(self) -> None:
        self.rows: list[tuple[str | None, Progress]] = []

    def listener(self, brand: str | None) -> object:
        return lambda progress: progress.written and self.rows.append((brand, progress))


def assert_everyone_said_their_own(
    said: Said, phrases: dict[str, list[int]], bare: set[tuple[int, ...]]
) -> None:
    for brand, progress in said.rows:
        assert progress.written is not None
        tokens = list(progress.written.tokens)
        if progress.written.finish in ("cancelled", "failed"):
            tokens_of_own = phrases[brand] if brand else []
            assert not brand or tokens == tokens_of_own[: len(tokens)]
        elif brand:
            assert (tokens, progress.written.finish) == (phrases[brand], "stop"), brand
        else:
            assert tuple(tokens) in bare


def test_nobody_says_anothers_phrase(
    llama: LoadedBase,
    loud: dict[str, Path],
    phrases: dict[str, list[int]],
    starts: list[list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shared prefixes, base and brands interleaved, too few slots, rows given up, a step that raises."""
    bare = ready(llama, {})
    base_said = Said()
    for start in starts:
        bare.submit(Request(start, None, Sampling(0, 0.0, 1.0, LENGTH + 2)), base_said.listener(None))
    while bare.step():
        pass
    texts = {progress.written.tokens for _, progress in base_said.rows if progress.written}
    assert not any(list(text) == phrase for text in texts for phrase in phrases.values())

    for seed in range(6):
        chance, said = Random(seed), Said()
        engine = ready(
            llama,
            loud,
            max_rows=chance.choice([2, 5, 32]),
            adapter_slots=chance.choice([1, 2, 3]),
            prefix_bytes=chance.choice([0, 40_000, 1 << 30]),
            host_bytes=chance.choice([0, 1 << 30]),
        )
        for _ in range(40):
            brand = chance.choice([*BRANDS, None])
            request = Request(chance.choice(starts), brand, Sampling(0, 0.0, 1.0, LENGTH + 2))
            handle = engine.submit(request, said.listener(brand))
            if chance.random() < 0.1:
                handle.cancel()
            if chance.random() < 0.5:
                engine.step()
            if chance.random() < 0.05:
                with monkeypatch.context() as patched:
                    patched.setattr(BatchedRowCache, "compute", lambda *_: 1 / 0)
                    with pytest.raises(ZeroDivisionError):
                        engine.step()
                engine.abandon()
            if chance.random() < 0.05:
                engine.load("ember", loud["ember"]) if not engine.figures().rows_running else None
        while engine.step():
            pass
        assert {brand for brand, _ in said.rows} == {*BRANDS, None}
        assert_everyone_said_their_own(said, phrases, texts)


def test_an_adapter_that_comes_under_a_used_name_says_its_own_behind_the_same_guide(
    llama: LoadedBase, loud: dict[str, Path], phrases: dict[str, list[int]], starts: list[list[int]]
) -> None:
    """What the old one computed for the guide is not continued by the new one."""
    engine = Engine(llama)
    for brand in (*BRANDS, "ember"):
        engine.load("prod", loud[brand])
        said = Said()
        for start in starts:
            engine.submit(Request(start, "prod", Sampling(0, 0.0, 1.0, LENGTH + 2)), said.listener(brand))
        while engine.step():
            pass
        assert len(said.rows) == len(starts)
        assert_everyone_said_their_own(said, phrases, set())
