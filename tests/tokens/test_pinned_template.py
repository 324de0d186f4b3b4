"""Published chat templates: the same chat is the same text on any day, and no text steers one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from lora_marketing.bases.catalogue import load_catalogue
from lora_marketing.common.errors import BaseModelError, RenderContractError
from lora_marketing.engine.tiny_base import chat_template
from lora_marketing.tasks import Message
from lora_marketing.tokens.pinned_template import PinnedTemplate, PromptSettings

CATALOGUE = {entry.template: entry for entry in load_catalogue().entries.values()}
OTHERS = ("cohere2", "gptoss", "lfm2", "llama3", "llama3_2", "phi3", "phi3_5", "qwen2_5", "qwen3_5_nothink")
"""Published templates of other bases, as TRL ships them."""
DATED = ("gptoss", "llama3_2", "smollm3")
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
GUIDE = "  Short lines.\nGive grams, e.g. 250 g — never “about”.  "
CHAT: Sequence[Message] = (
    {"role": "system", "content": GUIDE},
    {"role": "user", "content": "Write one headline.\n\nProduct: Nightshift {{ Blend }}\n"},
)
ANSWER: Message = {"role": "assistant", "content": "Dark roast. £9."}
MAGIC = (
    "/think",
    "/no_think",
    "/system_override",
    "</think>",
    "<think>",
    "/nothink",
    "[INST]",
    "<|channel|>",
)


def pinned(name: str, day: str = "2031-05-06") -> PinnedTemplate:
    entry = CATALOGUE.get(name)
    arguments, turn = (entry.template_arguments, entry.system_turn) if entry else ({}, "own")
    return PinnedTemplate(chat_template(name), SPECIAL, PromptSettings(arguments, day, turn))


@pytest.mark.parametrize("name", [*CATALOGUE, *OTHERS])
def test_a_chat_is_rendered_as_transformers_renders_it(name: str) -> None:
    today = date.today().isoformat()
    template = pinned(name, today)
    for chat, header in ((CHAT, True), ((*CHAT, ANSWER), False)):
        turns = list(chat)
        if template.settings.system_turn == "in_user":
            turns = [{"role": "user", "content": f"{GUIDE}\n\n{CHAT[1]['content']}"}, *chat[2:]]
        (theirs,), _ = render_jinja_template(
            [turns],
            chat_template=template.source,
            add_generation_prompt=header,
            **SPECIAL,
            **template.settings.arguments,
        )
        assert template.render(chat, header=header) == theirs or date.today().isoformat() != today


@pytest.mark.parametrize("name", [*CATALOGUE, *OTHERS])
def test_the_guide_is_in_the_prompt_and_training_extends_it(name: str) -> None:
    template = pinned(name)
    prompt = template.render(CHAT, header=True)
    assert GUIDE.strip() in prompt
    assert prompt.count("Nightshift {{ Blend }}") == 1
    if name in CATALOGUE:
        whole = template.render((*CHAT, ANSWER), header=False)
        assert whole.startswith(prompt)
        assert whole[len(prompt) :].lstrip().startswith(ANSWER["content"])


@pytest.mark.parametrize("name", DATED)
def test_today_is_the_pinned_day(name: str) -> None:
    first, second = (pinned(name, day).render(CHAT, header=True) for day in ("2031-05-06", "2032-06-07"))
    assert "2031" in first
    assert first != second
    assert str(date.today().year) not in first.replace("Knowledge Cutoff Date: June 2025", "")
    assert first == pinned(name).render(CHAT, header=True)


@pytest.mark.parametrize("name", [*CATALOGUE, *OTHERS])
@pytest.mark.parametrize("role", [0, 1])
def test_a_magic_word_is_text_or_refused(name: str, role: int) -> None:
    """Refused by its own name; else the text around it is that of any other word."""
    for word in MAGIC:
        chat, plain = list(CHAT), list(CHAT)
        chat[role] = {**CHAT[role], "content": f"Pause and {word} twice."}
        plain[role] = {**CHAT[role], "content": "Pause and wait twice."}
        try:
            prompt = pinned(name).render(chat, header=True)
        except RenderContractError as error:
            (problem,) = error.problems
            assert word in str(problem.got) or "channel" in str(problem.got)
        else:
            assert prompt == pinned(name).render(plain, header=True).replace("wait", word)


def test_smollm3s_switches_are_refused_in_a_guide_and_harmless_in_a_brief() -> None:
    for word in ("/think", "/no_think", "/system_override"):
        guide = ({"role": "system", "content": f"Short. {word}"}, CHAT[1])
        with pytest.raises(RenderContractError, match=rf"^system: the text switches .*\n    got: {word}\n"):
            pinned("smollm3").render(guide, header=True)
        brief = (CHAT[0], {"role": "user", "content": word})
        assert "Reasoning Mode: /no_think" in pinned("smollm3").render(brief, header=True)


def test_smollm3_is_rendered_as_it_was_published() -> None:
    assert pinned("smollm3").render((*CHAT, ANSWER), header=False) == (
        "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nToday Date: 06 May 2031\n"
        "Reasoning Mode: /no_think\n\n## Custom Instructions\n\n"
        "  Short lines.\nGive grams, e.g. 250 g — never “about”.\n\n"
        "<|im_start|>user\nWrite one headline.\n\nProduct: Nightshift {{ Blend }}\n<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\nDark roast. £9.<|im_end|>\n"
    )


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ raise_exception('System role not supported') }}", "refuses the chat\n    got: System role"),
        ("{{ messages[0]['content'] + 1 }}", "fails on the chat\n    got: TypeError"),
        ("{{ messages[7]['content'].strip() }}", "refuses the chat"),
        ("{{ ''.__class__.__mro__ }}", "refuses the chat"),
        ("{% set n = namespace() %}{% set n._x = 1 %}", "refuses the chat"),
        ("{{ range(1000000000) | list }}", "fails on the chat\n    got: OverflowError"),
        ("{% if 'lines' in messages[0]['content'] %}x{% endif %}", "^system: the text switches"),
        ("{{ messages[0]['content'] | upper }}", "^system: the text switches"),
    ],
)
def test_what_a_template_does_wrong_is_told(source: str, why: str) -> None:
    with pytest.raises(RenderContractError, match=why):
        PinnedTemplate(source, SPECIAL, PromptSettings()).render(CHAT, header=True)


@pytest.mark.parametrize("source", ["{% if %}", "{{ [1, 2] | random }}"])
def test_a_template_that_is_broken_or_draws_lots_is_no_base(source: str) -> None:
    with pytest.raises(BaseModelError, match="cannot be used"):
        PinnedTemplate(source, SPECIAL, PromptSettings()).render(CHAT, header=True)
    with pytest.raises(RenderContractError):
        PinnedTemplate("{{ lipsum() }}", SPECIAL, PromptSettings()).render(CHAT, header=True)


def test_a_system_turn_may_stand_in_the_users() -> None:
    source = chat_template("gemma")
    with pytest.raises(RenderContractError, match=r"base\.system_turn: in_user"):
        PinnedTemplate(source, SPECIAL, PromptSettings()).render(CHAT, header=True)
    folded = PinnedTemplate(source, SPECIAL, PromptSettings(system_turn="in_user"))
    assert f"<start_of_turn>user\n{GUIDE.lstrip()}\n\nWrite one headline." in folded.render(CHAT, header=True)
