from __future__ import annotations

import json
import typing
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from lora_marketing.channels import Unit
from lora_marketing.channels.counting import count
from lora_marketing.common.errors import DataError
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.constraints.banned import BannedTerms
from lora_marketing.engine.constraints.budget import LengthBudget
from lora_marketing.engine.constraints.grammar import JsonGrammar
from lora_marketing.engine.request import Request
from lora_marketing.engine.row import Row
from lora_marketing.engine.sampling import Sampling
from tests.engine.speaking import PROMPT, brand, pieces, random_model, saying, write
from tests.making import property_test

SEEDS = st.integers(0, 2**32)
UNITS: tuple[Unit, ...] = typing.get_args(Unit)

ENGLISH = brand("cure", "perfect skin", "skin care", "C++", "don't", "café")
ENGLISH_BASE = pieces(
    *(
        "cure",
        " cure",
        "cu",
        "re",
        " CURE",
        "d",
        "s",
        "perfect",
        " perfect",
        "per",
        "fect",
        " skin",
        "skin",
        " ",
    ),
    *(
        "\n",
        " care",
        "C",
        "+",
        "++",
        "don",
        "’",
        "'",
        "t",
        "caf",
        "é",
        "e",
        "\u0301",
        "ｃ",
        "\u0441",
        "\u200b",
        "\u00ad",
        ".",
    ),
)
CHINESE = brand("最佳", "第一", "App最佳", "山里香", locale="zh-CN")
CHINESE_BASE = pieces(
    "最", "佳", "最佳", "第", "一", "第一", "App", "山", "里", "山里", "香", "，", "。", " ", "茶"
)
KOREAN = brand("한국", "カフェ", "が", locale="ko-KR")
KOREAN_BASE = pieces(
    "한", "국", "하", "ᆫ", "ᄀ", "ᅮ", "ᆨ", "カ", "フ", "ェ", "ｶ", "か", "\u3099", "が", " ", "에"
)


@pytest.mark.parametrize(
    ("terms", "base"), [(ENGLISH, ENGLISH_BASE), (CHINESE, CHINESE_BASE), (KOREAN, KOREAN_BASE)]
)
@property_test
@given(
    seed=SEEDS,
    stop=st.sampled_from([(), ("d",), ("\u0301", "s"), ("国", "，")]),
    spread=st.sampled_from([1.0, 4.0]),
)
def test_no_text_says_what_is_banned(terms: Any, base: Any, seed: int, stop: Any, spread: float) -> None:
    request = Request(PROMPT, None, Sampling(seed, 1.0, 1.0, 25, stop), (BannedTerms(terms),))
    finished = write(base, request, random_model(base, seed, spread=spread))
    assert terms.forbidden_in(finished.text) == []


@property_test
@given(SEEDS, st.sampled_from(UNITS), st.integers(1, 25))
def test_all_together(seed: int, unit: Unit, most: int) -> None:
    rules = (BannedTerms(ENGLISH), LengthBudget(most, unit))
    request = Request(PROMPT, None, Sampling(seed, 1.0, 1.0, 25, ("d.",)), rules)
    finished = write(ENGLISH_BASE, request, random_model(ENGLISH_BASE, seed, stop=-4))
    assert ENGLISH.forbidden_in(finished.text) == []
    assert count(finished.text.strip(), unit) <= most


@pytest.mark.parametrize(
    "spelling", ["a cure", "a CURE", "a cu\u00adre", "a ｃure", "a cu\u200bre", "a \u0441ure"]
)
def test_a_row_takes_another_word_whatever_the_spelling(spelling: str) -> None:
    base = pieces("a", " ", "cu", "cure", "CURE", "re", "\u00ad", "\u200b", "ｃ", "\u0441", "u", "soap", "d")
    rules = (BannedTerms(ENGLISH),)
    finished = write(base, Request(PROMPT, None, Sampling(0, 0), rules), saying(base, spelling, "a soap"))
    assert finished.text == "a soap"
    longer = write(base, Request(PROMPT, None, Sampling(0, 0), rules), saying(base, "a cured"))
    assert longer.text == "a cured"


def test_only_what_may_become_a_term_is_held_back() -> None:
    rule = BannedTerms(ENGLISH)
    for text, settled in [
        ("for perfect", "for "),
        ("for perfect \n", "for "),
        ("for perfect s", "for "),
        ("for perfect t", "for perfect t"),
        ("a secure", "a secure"),
        ("the cured", "the cured"),
        ("in cafe", "in "),
        ("perfect, s", "perfect, "),
    ]:
        assert text[: rule.settled(text, len(text))] == settled
    assert BannedTerms(CHINESE).settled("这山里", 3) == 1


@pytest.mark.parametrize(
    ("prompt", "text", "keep"),
    [
        ("Soap is a cu", "re for all", 0),
        ("It gives perfect ", "skin to all", 0),
        ("It gives perfect", " skies", None),
        ("It is secu", "re for all", None),
        ("No cure", " and no cure", 8),
        ("No cu", "stard, no cure.", 10),
        ("", "a cure.", 2),
    ],
)
def test_a_term_that_the_prompt_began_is_not_ended(prompt: str, text: str, keep: int | None) -> None:
    verdict = BannedTerms.going_on(ENGLISH, prompt).judge(text, True)
    assert (None if verdict is None else verdict.keep) == keep


def test_what_may_end_a_term_of_the_prompt_is_not_shown() -> None:
    rule = BannedTerms.going_on(ENGLISH, "Soap is a cu")
    assert (rule.settled("r", 1), rule.settled("rb", 2)) == (0, 2)


def test_what_is_shown_begins_no_term_even_if_the_rest_is_taken_back() -> None:
    base, terms = pieces("a", " new", " pot", " y", " x", " tin"), brand("a new x", "new pot y")
    row, shown = Row(Request(PROMPT, None, Sampling(0, 0), (BannedTerms(terms),)), base), []
    for token in base.spell("a new pot tin"):
        row.choose(torch.nn.functional.one_hot(torch.tensor(token), len(base.pieces)).float())
        shown.append(row.take_progress().text)
    assert shown == ["", "", "", "a new pot tin"]


WORDS = pieces(
    *(
        "Dark",
        " roast",
        ".",
        " ",
        "Co",
        "coa",
        ",",
        " then",
        "\n",
        "!",
        "https://",
        "tidal",
        ".com",
        "/a",
        "’s",
    ),
    *(
        "山",
        "里",
        "。",
        "，",
        "（",
        "）",
        "e",
        "\u0301",
        "か",
        "\u3099",
        "🎉",
        "👩",
        "\u200d",
        "🏽",
        "€",
        "^",
        "é",
    ),
)


@pytest.mark.thorough
@settings(property_test, max_examples=200)
@given(unit=st.sampled_from(UNITS), seed=SEEDS, most=st.integers(1, 40), share=st.floats(0, 1))
def test_no_text_outgrows_its_budget(unit: Unit, seed: int, most: int, share: float) -> None:
    budget = LengthBudget(most, unit, int(most * share))
    request = Request(PROMPT, None, Sampling(seed, 1.0, 1.0, 40), (budget,))
    finished = write(WORDS, request, random_model(WORDS, seed))
    length = count(finished.text.strip(), unit)
    assert length <= most
    assert length >= budget.least or finished.written.finish in ("length", "stuck")


@pytest.mark.parametrize(
    ("text", "most", "written"),
    [
        ("Dark roast. Cocoa, then", 23, "Dark roast. Cocoa, then"),
        ("Dark roast. Cocoa, then", 22, "Dark roast. Cocoa"),
        ("Dark roast. Cocoa, then", 17, "Dark roast. Cocoa"),
        ("Dark roast. Cocoa, then", 16, "Dark roast."),
        ("Dark roast. Cocoa, then", 10, "Dark roast."[:4]),
        ("山里，山里。山里", 5, "山里，山里"),
        ("山里，山里。山里", 3, "山里"),
        ("山里，山里。山里", 7, "山里，山里。"),
        ("山里（山）", 3, "山里"),
        ("かが", 1, "か"),
    ],
)
def test_a_text_ends_after_a_whole_word_or_a_late_sentence(text: str, most: int, written: str) -> None:
    request = Request(PROMPT, None, Sampling(0, 0), (LengthBudget(most, "char"),))
    finished = write(WORDS, request, saying(WORDS, text.replace("が", "か\u3099")))
    assert finished.text == written
    assert finished.written.finish == ("stop" if written == text else "budget")


def test_long_texts_are_shown_as_they_grow() -> None:
    text = "Dark roast, then cocoa."
    assert LengthBudget(400, "char").settled(text, len(text)) == len("Dark roast, then")
    assert LengthBudget(24, "char").settled("Dark roast. Dark roast. then", 28) == len(
        "Dark roast. Dark roast."
    )


class Advert(BaseModel):
    model_config = ConfigDict(extra="forbid")

    headline: str = Field(max_length=12)
    price: float
    tags: list[typing.Literal["soap", "wax"]] = Field(min_length=1, max_length=3)
    note: typing.Annotated[str, Field(pattern="^[a-c]{1,4}$")] | None


@pytest.fixture(scope="module")
def adverts(llama: LoadedBase) -> JsonGrammar:
    return JsonGrammar(Advert.model_json_schema(), llama)


def test_json_follows_its_schema(llama: LoadedBase, adverts: JsonGrammar) -> None:
    random = torch.Generator().manual_seed(3)
    rows = [
        Row(Request(PROMPT, None, Sampling(seed, 1.0, 1.0, 150), (adverts,)), llama) for seed in range(25)
    ]
    while any(row.written is None for row in rows):
        for row in rows:  # in turns: they share the grammar
            if row.written is None:
                row.choose(2 * torch.randn(len(llama.tokenizer) + 7, generator=random))
    ends = [row.written for row in rows if row.written]
    whole = [end for end in ends if end.finish == "stop"]
    assert len(whole) > 5
    assert {end.finish for end in ends} <= {"stop", "length"}
    for end in whole:
        Advert.model_validate_json(end.text)
        assert "\n" not in end.text


def test_json_and_banned_terms_keep_to_each_other(llama: LoadedBase) -> None:
    schema = {"type": "object", "properties": {"word": {"enum": ["cure", "oil"]}}, "required": ["word"]}
    rules = (JsonGrammar({**schema, "additionalProperties": False}, llama), BannedTerms(ENGLISH))
    for seed in range(10):
        random = torch.Generator().manual_seed(seed)
        row = Row(Request(PROMPT, None, Sampling(seed, 1.0, 1.0, 60), rules), llama)
        while row.written is None:
            row.choose(torch.randn(len(llama.tokenizer), generator=random))
        assert row.written.finish == "stop"
        assert json.loads(row.written.text) == {"word": "oil"}


def test_a_grammar_holds_no_row(llama: LoadedBase, adverts: JsonGrammar) -> None:
    """What it says does not depend on what it was asked before."""
    logits = torch.zeros(len(llama.tokenizer))
    ids = llama.tokenizer('{"headline": "a", "price": 1', add_special_tokens=False)["input_ids"]
    forward = [adverts.narrow(ids[:size], logits) for size in range(len(ids) + 1)]
    backward = [adverts.narrow(ids[:size], logits) for size in reversed(range(len(ids) + 1))]
    fresh = JsonGrammar(Advert.model_json_schema(), llama)
    for one, other in zip(forward, reversed(backward), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(forward[-1], fresh.narrow(ids, logits))
    assert not torch.isinf(logits).any()


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "strng"}, "strng"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"$ref": "#/nowhere"}, "nowhere"),
        ({"type": "string", "minLength": 5, "maxLength": 2}, "minLength"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-ahead"),
    ],
)
def test_schemas_that_no_grammar_follows_are_told(schema: Any, problem: str, llama: LoadedBase) -> None:
    with pytest.raises(DataError) as caught:
        JsonGrammar(schema, llama)
    assert problem in str(caught.value)
    assert "fix:" in str(caught.value)
