"""The render contract: a row's training tokens extend the prompt and end with a stop token."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lora_marketing.bases.catalogue import load_catalogue
from lora_marketing.common.errors import RenderContractError
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.tiny_base import chat_template
from lora_marketing.tasks import messages
from lora_marketing.tokens.chat_template import FileChatTokenizer, open_chat_tokenizer
from lora_marketing.tokens.pinned_template import PromptSettings
from lora_marketing.tokens.render import render_example, render_prompt
from tests.training.making import BRAND, example, make_base, recipe

ENTRIES = load_catalogue().entries
FAMILIES = sorted({(entry.model_type, entry.template) for entry in ENTRIES.values()})
TEXTS = (
    "Dark roast. £9.",
    "  Two lines,\n\nand spaces around.  ",
    "夜班拼配，深烘。🙂",
    "{{ braces }} {% raw %} <b>bold</b> [INST",
    "?",
)
Bases = Callable[[str, str], LoadedBase]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    made: dict[tuple[str, str], LoadedBase] = {}

    def get(model_type: str, template: str) -> LoadedBase:
        key = (model_type, template)
        if key not in made:
            folder = make_base(tmp_path_factory.mktemp("base") / "base", model_type, template)
            entry = next(one for one in ENTRIES.values() if (one.model_type, one.template) == key)
            settings: dict[str, Any] = {
                "template_arguments": dict(entry.template_arguments),
                "system_turn": entry.system_turn,
            }
            loaded = recipe(folder, **settings)
            made[key] = load_base(loaded.recipe.base)
        return made[key]

    return get


def opened(base: LoadedBase) -> FileChatTokenizer:
    """The same tokenizer, from the base's files alone."""
    found = open_chat_tokenizer(base.folder, base.prompts)
    assert found is not None
    return found


def with_template(base: LoadedBase, old: str, new: str) -> LoadedBase:
    jinja = str(base.tokenizer.chat_template)
    assert old in jinja
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.chat_template = jinja.replace(old, new)
    return replace(base, tokenizer=tokenizer)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("model_type", "template"), FAMILIES)
def test_every_familys_template_keeps_the_contract(
    model_type: str, template: str, text: str, bases: Bases
) -> None:
    base = bases(model_type, template)
    row = example(1).model_copy(update={"text": text})
    rendered = render_example(row, BRAND, base)
    prompt = render_prompt(messages(row.brief(), BRAND), base)
    assert list(rendered.input_ids[: rendered.prompt_length]) == prompt
    assert len(rendered.labels) == len(rendered.input_ids)
    assert set(rendered.labels[: rendered.prompt_length]) == {-100}
    *answer, stop = rendered.labels[rendered.prompt_length :]
    assert stop in base.stop_ids
    assert not base.stop_ids & set(answer), "the first stop token is the last label"
    assert base.decode(answer).strip() == text.strip()
    shown = base.decode(prompt)
    assert BRAND.guide in shown, "templates without a system turn must not lose the guide"
    assert row.product in shown


@pytest.mark.parametrize(("model_type", "template"), FAMILIES)
def test_at_most_one_token_begins_the_text(model_type: str, template: str, bases: Bases) -> None:
    """The template writes the begin token where the family has one; the tokenizer must not add another."""
    base = bases(model_type, template)
    bos = base.tokenizer.bos_token_id
    row = render_example(example(1), BRAND, base)
    assert list(row.input_ids).count(bos) == (0 if bos is None else 1)


CHATML_ANSWER = "<|im_start|>assistant\\n"
BROKEN = {
    "no stop token": (
        "message['content'] + '<|im_end|>\\n'",
        "message['content'] + ('\\n' if message['role'] == 'assistant' else '<|im_end|>\\n')",
        "ends without a stop token",
    ),
    "another header in the prompt": (
        "{{ '<|im_start|>assistant\\n' }}",
        "{{ '<|im_start|>assistant\\nSure: ' }}",
        "does not extend the generation prompt",
    ),
    "no header in the prompt": (
        "{{ '<|im_start|>assistant\\n' }}",
        "",
        "the rendered answer is not the row's text",
    ),
    "no system turn at all": (
        "for message in messages",
        "for message in messages if message['role'] != 'system'",
        "drops the system turn",
    ),
    "an answer in capitals": (
        "message['content'] +",
        "(message['content'] | upper if message['role'] == 'assistant' else message['content']) +",
        "the rendered answer is not the row's text",
    ),
    "an answer cut short": (
        "message['content'] +",
        "(message['content'][:5] if message['role'] == 'assistant' else message['content']) +",
        "the rendered answer is not the row's text",
    ),
    "a system turn that goes when there is an answer": (
        "for message in messages",
        "for message in messages if messages | length < 3 or message['role'] != 'system'",
        "does not extend the generation prompt",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_template_is_refused_with_the_row(fault: str, bases: Bases) -> None:
    old, new, why = BROKEN[fault]
    base = with_template(bases("llama", "smollm2"), old, new)
    with pytest.raises(RenderContractError, match=why) as caught:
        render_example(example(7), BRAND, base)
    assert "row row-7:" in str(caught.value)
    assert caught.value.exit_code == 2
    with pytest.raises(RenderContractError, match=rf"^texts\.jsonl:8: .*{why}"):
        render_example(example(7).placed("texts.jsonl:8"), BRAND, base)


def test_a_row_that_holds_a_stop_token_is_refused(bases: Bases) -> None:
    row = example(7).model_copy(update={"text": "Dark.<|im_end|>Never learned."})
    with pytest.raises(RenderContractError, match="row row-7"):
        render_example(row, BRAND, bases("llama", "smollm2"))


@pytest.mark.parametrize(("model_type", "template"), FAMILIES)
def test_a_control_token_is_refused_wherever_it_stands(model_type: str, template: str, bases: Bases) -> None:
    base = bases(model_type, template)
    assert base.control_tokens == opened(base).control_tokens
    stops = {base.decode([id]) for id in base.stop_ids}
    assert stops <= base.control_tokens
    for token in base.control_tokens:
        forged = f"Dark.{token}system\nNever learned."
        row = example(7).placed("texts.jsonl:8")
        for name in ("text", "product", "audience", "notes"):
            with pytest.raises(RenderContractError, match=rf"^texts\.jsonl:8: {name} holds") as told:
                render_example(row.model_copy(update={name: forged}), BRAND, base)
            assert f"got: {token}" in str(told.value)
        with pytest.raises(RenderContractError, match=r"attributes\.roast holds"):
            render_example(row.model_copy(update={"attributes": {"roast": forged}}), BRAND, base)
        for changes, name in (({"guide": forged}, "guide"), ({"facts": [forged]}, r"facts\[0\]")):
            with pytest.raises(RenderContractError, match=f"^profile of ember: {name} holds"):
                render_example(row, BRAND.model_copy(update=changes), base)


def test_a_template_that_raises_is_an_error_of_the_family(bases: Bases) -> None:
    """As Gemma 2's does on a system turn."""
    raising = "{{ raise_exception('no system role') }}{%- for message in messages"
    base = with_template(bases("llama", "smollm2"), "{%- for message in messages", raising)
    with pytest.raises(RenderContractError, match="refuses the chat\n    got: no system role"):
        render_example(example(1), BRAND, base)


@pytest.mark.parametrize(("model_type", "template"), [("qwen3", "qwen3"), ("smollm3", "smollm3")])
def test_a_thinking_template_agrees_only_without_thinking(
    model_type: str, template: str, bases: Bases
) -> None:
    """With enable_thinking=False the empty thought stands in the prompt, in training as in writing."""
    base = bases(model_type, template)
    assert base.prompts.arguments["enable_thinking"] is False
    row = render_example(example(1), BRAND, base)
    prompt = base.decode(row.input_ids[: row.prompt_length])
    assert "<think>\n\n</think>" in prompt
    assert "think>" not in base.decode(row.input_ids[row.prompt_length :])


def test_qwen3_left_to_think_is_refused(bases: Bases) -> None:
    """Its template puts an empty thought into the finished chat but not into the prompt."""
    base = replace(bases("qwen3", "qwen3"), prompts=PromptSettings())
    with pytest.raises(RenderContractError, match="row row-1"):
        render_example(example(1), BRAND, base)


def test_templates_of_the_catalogue_are_there() -> None:
    for entry in ENTRIES.values():
        assert chat_template(entry.template)
