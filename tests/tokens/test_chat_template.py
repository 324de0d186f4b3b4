"""Control tokens are read from a base's files as its tokenizer has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_marketing.engine.tiny_base import make_tiny_base
from lora_marketing.tokens.chat_template import control_tokens_in, open_chat_tokenizer
from lora_marketing.tokens.pinned_template import PromptSettings


@pytest.mark.parametrize(("family", "template"), [("llama", "smollm2"), ("gemma3_text", "gemma3")])
def test_control_tokens_are_those_of_the_tokenizer(tmp_path: Path, family: str, template: str) -> None:
    make_tiny_base(family, template, ["Bar soap."], tmp_path)
    tokenizer = open_chat_tokenizer(tmp_path, PromptSettings())
    assert tokenizer is not None
    assert control_tokens_in(tmp_path) == tokenizer.control_tokens != frozenset()


def test_a_base_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert control_tokens_in(tmp_path) == frozenset()
