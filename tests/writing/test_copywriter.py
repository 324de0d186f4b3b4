"""Where prompt, prompt hash and seed of a row come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.constraints.grammar import JsonGrammar
from lora_marketing.engine.sampling import Sampling
from lora_marketing.writing.copywriter import (
    CopyOrder,
    Prompt,
    PromptCache,
    Voice,
    prepare_all,
    tokens_to_write,
    write_copy,
)
from lora_marketing.writing.rules import rules_of

BRAND = Brand(
    schema=1, name="tidal", display_name="Tidal", locale="en-GB", lines={"soap": "Soap."}, guide="Be plain."
)
BRIEF = Brief(product="Soap", channel="email", field="subject")
RSA_TOKENS = 15 * (30 // 2 + 8) + 4 * (90 // 2 + 8) + 2 * (15 // 2 + 8)
"""Fifteen headlines, four descriptions and two paths: a token for two characters, and the JSON."""


def _seed(
    base: LoadedBase, *, adapter: str | None, digest: str | None, variant: int = 0, beside: int = 0
) -> int:
    voice = Voice(BRAND, "soap", adapter, digest)
    orders = [*[CopyOrder(Voice(BRAND, "soap"), BRIEF)] * beside, CopyOrder(voice, BRIEF, variant)]
    return prepare_all(orders, base, Sampling(seed=7))[-1].request.sampling.seed


def test_versions_of_one_adapter_are_compared_under_the_same_draws(llama: LoadedBase) -> None:
    first = _seed(llama, adapter="tidal/soap", digest="a" * 64)
    assert first == _seed(llama, adapter="tidal/soap", digest="b" * 64, beside=2)
    others = {
        _seed(llama, adapter="tidal/shampoo", digest="a" * 64),
        _seed(llama, adapter=None, digest=None),
        _seed(llama, adapter="tidal/soap", digest="a" * 64, variant=1),
    }
    assert len({first, *others}) == 4


@dataclass
class Renderer:
    """A base whose token is a letter's code. It counts the chats that it renders."""

    chats: list[Any] = field(default_factory=list)
    stop_ids: frozenset[int] = frozenset()

    def encode(self, chat: Sequence[Any], *, header: bool) -> list[int]:
        self.chats.append(chat)
        return [ord(letter) for turn in chat for letter in turn["content"]]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


def test_a_seed_follows_from_request_adapter_prompt_and_draw() -> None:
    """To the bit: a text that was written with a seed is written again by any later release."""
    prompt = Prompt.of([83, 111, 97, 112])
    assert prompt.sha256 == sha256(b"[83, 111, 97, 112]").hexdigest()
    assert prompt.row_seed(7, "tidal/soap", "0") == 7745788705732378620
    assert prompt.row_seed(7, None, "1/2") == 5570356164928482459


def test_each_distinct_prompt_is_rendered_once() -> None:
    base: Any = Renderer()
    prompts = PromptCache(base)
    own, other = Voice(BRAND, "soap", "tidal/soap"), Voice(replace_guide("Be loud."), "soap")
    second = BRIEF.model_copy(update={"product": "Bar"})
    orders = [CopyOrder(own, BRIEF, variant) for variant in range(4)]
    orders += [CopyOrder(own, second), CopyOrder(other, BRIEF), CopyOrder(Voice(BRAND, "soap"), BRIEF)]
    prepared = prepare_all(orders, base, Sampling(), raw=True, prompts=prompts)
    assert len(base.chats) == 3
    assert len({one.prompt_sha256 for one in prepared}) == 3
    assert prepare_all(orders, base, Sampling(), raw=True, prompts=prompts) == prepared
    assert len(base.chats) == 3
    for one in prepared:
        assert one.prompt_sha256 == Prompt.of(one.request.prompt).sha256


def replace_guide(guide: str) -> Brand:
    return BRAND.model_copy(update={"guide": guide})


@pytest.mark.parametrize(("most", "tokens"), [(1, RSA_TOKENS), (RSA_TOKENS, RSA_TOKENS), (9999, 9999)])
def test_a_whole_ad_gets_the_tokens_that_it_may_need(most: int, tokens: int) -> None:
    assert tokens_to_write(Brief(product="Soap", channel="google_rsa", field="ad"), BRAND, most) == tokens
    assert tokens_to_write(BRIEF, BRAND, most) == most


def test_copy_keeps_to_its_rules_unless_it_is_raw() -> None:
    base: Any = Renderer()
    order = CopyOrder(Voice(BRAND, "soap"), Brief(product="Soap", channel="sms", field="text"))
    (ruled,) = prepare_all([order], base, Sampling())
    (raw,) = prepare_all([order], base, Sampling(), raw=True)
    assert [type(one).__name__ for one in ruled.request.constraints] == ["LengthBudget"]
    assert raw.request.constraints == ()


def test_a_writer_that_leaves_rows_out_is_not_believed() -> None:
    writer: Any = SimpleNamespace(base=Renderer(), write=lambda requests: [])
    with pytest.raises(ValueError, match="shorter"):
        write_copy(writer, [CopyOrder(Voice(BRAND, "soap"), BRIEF)], Sampling())


def test_a_piece_of_an_ad_may_have_one_character_more_than_its_field(llama: LoadedBase) -> None:
    """So that one which the grammar had to end is seen by its length."""
    rules = rules_of(Brief(product="Soap", channel="google_rsa", field="ad"), BRAND, llama)
    (grammar,) = (one for one in rules if isinstance(one, JsonGrammar))
    (letter,) = llama.tokenizer.encode("x", add_special_tokens=False)
    for length, open_to_more in ((29, True), (30, True), (31, False)):
        said = llama.tokenizer.encode('{"headline": ["', add_special_tokens=False) + [letter] * length
        narrowed = grammar.narrow(said, torch.zeros(len(llama.tokenizer)))
        assert bool(narrowed[letter] == 0) == open_to_more, length
