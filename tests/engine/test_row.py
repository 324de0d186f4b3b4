from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.constraints import ConstraintVerdict
from lora_marketing.engine.request import Request, RowOutput
from lora_marketing.engine.row import MOST_RETURNS, Row
from lora_marketing.engine.sampling import RowSampler, Sampling
from tests.engine.speaking import PROMPT, STOP, pieces, random_model, saying, write
from tests.making import property_test

BASE = pieces("a", "b", " ", "ab", "山", "é", ". ", "\n")
SEEDS = st.integers(0, 2**32)


@dataclass(frozen=True)
class Rule:
    """A constraint made of what a test says."""

    never: str = ""
    least: int = 0
    allowed: tuple[int, ...] = ()
    dead_after: str = "\0"

    def narrow(self, tokens: Sequence[int], logits: Tensor) -> Tensor:
        if BASE.decode(tokens).endswith(self.dead_after):
            return torch.full_like(logits, -math.inf)
        if self.allowed:
            return torch.full_like(logits, -math.inf).scatter(
                0, torch.tensor(self.allowed), logits[list(self.allowed)]
            )
        return logits

    def judge(self, text: str, ended: bool) -> ConstraintVerdict | None:
        if self.never and self.never in text:
            return ConstraintVerdict(text.index(self.never))
        return ConstraintVerdict(len(text)) if ended and len(text) < self.least else None

    def settled(self, text: str, at: int) -> int:
        return 0 if self.never or self.dead_after != "\0" else at


def request_of(sampling: Sampling, *constraints: Rule) -> Request:
    return Request(PROMPT, None, sampling, constraints)


@property_test
@given(SEEDS, st.sampled_from([0.0, 0.7, 1.3]), st.integers(0, 20))
def test_without_constraints_a_row_is_the_plain_loop(seed: int, temperature: float, most: int) -> None:
    model, sampling = random_model(BASE, seed), Sampling(seed, temperature, 0.9, most)
    sampler, tokens, finish = RowSampler(sampling), [], "length"
    while len(tokens) < most:
        token = sampler.choose(model(tokens))
        if token == STOP:
            finish = "stop"
            break
        tokens.append(token)
    while BASE.decode(tokens).endswith("\ufffd"):
        tokens.pop()  # bytes of a character that was not written whole
    assert write(BASE, request_of(sampling), model).written == RowOutput(
        tuple(tokens), BASE.decode(tokens), finish
    )


def test_a_real_tokenizer_gives_the_same_text(llama: LoadedBase) -> None:
    random = torch.Generator().manual_seed(1)
    row, shown = Row(request_of(Sampling(3, 1.0, 1.0, 80)), llama), ""
    while row.written is None:
        row.choose(torch.randn(len(llama.tokenizer), generator=random))
        shown += row.take_progress().text
    assert shown == row.written.text == llama.decode(row.written.tokens)
    assert row.written.finish == "length"
    assert not shown.endswith("\ufffd")


@pytest.mark.parametrize("ends", ["length", "stop"])
def test_no_text_ends_within_a_character(ends: Literal["length", "stop"]) -> None:
    tokens = [*BASE.spell("a"), BASE.pieces.index("山".encode()[:1])]
    row = Row(request_of(Sampling(0, 0, 1, len(tokens) if ends == "length" else 9)), BASE)
    shown = ""
    for token in [*tokens, *([STOP] if ends == "stop" else [])]:
        row.choose(torch.nn.functional.one_hot(torch.tensor(token), len(BASE.pieces)).float())
        shown += row.take_progress().text
    assert row.written == RowOutput(tuple(tokens[:1]), "a", ends)
    assert shown == "a"


def test_no_tokens_at_all() -> None:
    row = Row(request_of(Sampling(max_new_tokens=0)), BASE)
    assert row.written == RowOutput((), "", "length")
    assert row.take_progress().written is row.written
    assert row.next_input() == (PROMPT[-1], len(PROMPT) - 1)


@property_test
@given(SEEDS, st.lists(st.sampled_from(["a", "ba", " a b", "山", "bb", "é\n", ""]), max_size=2))
def test_stop_strings_end_the_text_before_the_first_of_them(seed: int, stop: list[str]) -> None:
    sampling = Sampling(seed, 1.0, 1.0, 20, tuple(stop))
    finished = write(BASE, request_of(sampling), random_model(BASE, seed))
    free = write(BASE, request_of(Sampling(seed, 1.0, 1.0, 20)), random_model(BASE, seed))
    found = [at for string in stop if string and (at := free.text.find(string)) >= 0]
    assert finished.text == free.text[: min(found, default=None)]
    assert (finished.written.finish == "stop_string") == bool(found)
    assert BASE.decode(finished.written.tokens).startswith(finished.text)
    needed = not BASE.decode(finished.written.tokens[:-1]).startswith(finished.text)
    assert needed or not found or finished.text.endswith("\ufffd") or not finished.text


def test_the_beginning_of_a_stop_string_waits() -> None:
    row = Row(request_of(Sampling(0, 0, 1, 9, ("ab.",))), BASE)
    shown = []
    for token in BASE.spell("ba" + " "):
        row.choose(torch.nn.functional.one_hot(torch.tensor(token), len(BASE.pieces)).float())
        shown.append(row.take_progress().text)
    assert shown == ["b", "", "a "]


def test_half_a_character_is_not_shown() -> None:
    base = pieces("x", "\U0001f389")
    whole = [base.pieces.index(bytes([byte])) for byte in "\U0001f389".encode()]
    row, shown = Row(request_of(Sampling(0, 0, 1, 9)), base), []
    for token in [1, *whole, 1]:
        row.choose(torch.nn.functional.one_hot(torch.tensor(token), len(base.pieces)).float())
        shown.append(row.take_progress().text)
    assert shown == ["x", "", "", "", "\U0001f389", "x"]
    row.choose(torch.nn.functional.one_hot(torch.tensor(whole[0]), len(base.pieces)).float())
    row.end("cancelled")
    assert row.take_progress().written == RowOutput((1, *whole, 1), "x\U0001f389x", "cancelled")


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("temperature", [0, 0.7])
def test_logits_that_are_no_numbers_end_the_row_alone(broken: float, temperature: float) -> None:
    row = Row(request_of(Sampling(0, temperature)), BASE)
    row.choose(torch.zeros(len(BASE.pieces)).index_fill(0, torch.tensor([1]), 9.0))
    row.choose(torch.full((len(BASE.pieces),), broken))
    progress = row.take_progress()
    assert progress.written == RowOutput((1,), "a", "failed")
    assert "not finite" in str(progress.error)


def test_what_is_taken_back_is_not_chosen_again_at_its_place() -> None:
    finished = write(
        BASE, request_of(Sampling(0, 0, 1, 9), Rule(never="ab")), saying(BASE, "b ab", "b a b", "b é")
    )
    assert finished.written == RowOutput((*BASE.spell("b a b"),), "b a b", "stop")
    assert finished.choices == len(BASE.spell("b a b")) + 1 + 1


def test_a_row_that_may_not_stop_goes_on() -> None:
    finished = write(BASE, request_of(Sampling(0, 0, 1, 9), Rule(least=3)), saying(BASE, "a"))
    assert len(finished.text) >= 3
    short = write(BASE, request_of(Sampling(0, 0, 1, 2), Rule(least=8, allowed=(1, STOP))), saying(BASE, "a"))
    assert short.written == RowOutput((1, 1), "aa", "length")


def test_a_ban_holds_for_its_place_after_the_same_tokens_only() -> None:
    base = pieces("a", "b", " ", ". ")
    rules = (Rule(least=3), Rule(never="b "))
    finished = write(base, request_of(Sampling(0, 0, 1, 9), *rules), saying(base, "ab", "ab ", "a. "))
    assert finished.written == RowOutput((*base.spell("a. "),), "a. ", "stop")


def test_dead_ends_are_left_backwards() -> None:
    finished = write(BASE, request_of(Sampling(0, 0, 1, 9), Rule(dead_after="b")), saying(BASE, "a b", "a a"))
    assert finished.written == RowOutput((*BASE.spell("a a"),), "a a", "stop")
    stuck = write(BASE, request_of(Sampling(0, 0, 1, 9), Rule(dead_after="")), saying(BASE, "a"))
    assert stuck.written == RowOutput((), "", "stuck")


def test_a_row_without_a_way_out_ends() -> None:
    rule = Rule(never="aaaa", allowed=(1,))
    finished = write(BASE, request_of(Sampling(0, 0, 1, 50), rule), random_model(BASE, 1))
    assert finished.written.finish == "stuck"
    assert "aaaa" not in finished.text
    assert finished.choices <= 50 * (MOST_RETURNS + 2)


@property_test
@given(SEEDS, st.sampled_from(["a", "ab", " ", "b b", "山"]), st.integers(0, 12))
def test_rows_end_and_keep_to_their_rules(seed: int, never: str, least: int) -> None:
    rules = (Rule(never=never), Rule(least=least))
    finished = write(BASE, request_of(Sampling(seed, 1.0, 1.0, 15), *rules), random_model(BASE, seed))
    assert never not in finished.text
    assert len(finished.text) >= least or finished.written.finish in ("length", "stuck")
    assert finished == write(BASE, request_of(Sampling(seed, 1.0, 1.0, 15), *rules), random_model(BASE, seed))


@property_test
@given(SEEDS)
def test_a_text_does_not_depend_on_who_looks_when(seed: int) -> None:
    model = random_model(BASE, seed)
    request = request_of(Sampling(seed, 1.0, 1.0, 15, ("b a",)), Rule(never="aba"))
    row = Row(request, BASE)
    while row.written is None:
        row.choose(model(row.tokens))
    assert row.written == write(BASE, request, model).written
    assert row.take_progress().text == row.written.text
