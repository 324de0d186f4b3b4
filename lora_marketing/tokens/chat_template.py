"""Reads a base's tokenizer and chat template from its files, so that planning needs no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_marketing.tasks import Message
from lora_marketing.tokens.pinned_template import PinnedTemplate, PromptSettings, compiled
from lora_marketing.tokens.render import control_tokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER, SETTINGS, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True)
class FileChatTokenizer:
    """A `ChatTokenizer` from a base's files: same template, tokenizer and stop tokens as the loaded base."""

    tokenizer: Tokenizer
    template: PinnedTemplate
    stop_ids: frozenset[int]
    control_tokens: frozenset[str]

    def encode(self, chat: Sequence[Message], *, header: bool) -> list[int]:
        """Token ids of a chat; with `header`, also of the generation prompt (where the answer begins)."""
        text = self.template.render(chat, header=header)
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Token ids as text, with special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))


def open_chat_tokenizer(folder: Path, prompts: PromptSettings) -> FileChatTokenizer | None:
    """Open the tokenizer and chat template in a base's folder; None if one of the two is missing.

    Raises:
        BaseModelError: the template cannot be used.
    """
    from tokenizers import Tokenizer

    template = open_template(folder, prompts)
    if template is None or not (folder / TOKENIZER).is_file():
        return None
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    special = template.special_tokens
    stop_config = _json(folder / "generation_config.json") or _json(folder / "config.json")
    ends = stop_config.get("eos_token_id")
    ids = [*(ends if isinstance(ends, list) else [ends]), tokenizer.token_to_id(special.get("eos_token", ""))]
    stops = frozenset(int(id) for id in ids if id is not None)
    added = [(token.content, token.special) for token in tokenizer.get_added_tokens_decoder().values()]
    controls = control_tokens(added, template.source)
    return FileChatTokenizer(tokenizer, template, stops, controls)


def open_template(folder: Path, prompts: PromptSettings) -> PinnedTemplate | None:
    """The chat template in a base's folder, or None where there is none.

    Raises:
        BaseModelError: it cannot be used.
    """
    settings, jinja = _json(folder / SETTINGS), folder / TEMPLATE
    source = jinja.read_text(encoding="utf-8") if jinja.is_file() else _default(settings.get("chat_template"))
    if not isinstance(source, str):
        return None
    compiled(source, prompts.date)
    special = {name: _text(settings[name]) for name in SPECIAL if settings.get(name)}
    return PinnedTemplate(source, special, prompts)


def _default(templates: object) -> object:
    """The one of several named templates that chats are rendered with."""
    if not isinstance(templates, list):
        return templates
    return next((one["template"] for one in templates if one.get("name") == "default"), None)


def control_tokens_in(folder: Path) -> frozenset[str]:
    """The control tokens of the base in `folder`, without loading its tokenizer; empty without its files.

    Only `added_tokens` is parsed of tokenizer.json: parsing the vocabulary behind it is slow.
    """
    tokenizer, jinja = folder / TOKENIZER, folder / TEMPLATE
    if not tokenizer.is_file():
        return frozenset()
    text = tokenizer.read_text(encoding="utf-8")
    source = jinja.read_text(encoding="utf-8") if jinja.is_file() else str(_json(folder / SETTINGS))
    start = re.search(r'"added_tokens"\s*:\s*', text)
    added = json.JSONDecoder().raw_decode(text, start.end())[0] if start else []
    return control_tokens([(token["content"], token["special"]) for token in added], source)


def _json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    assert isinstance(content, dict)
    return content


def _text(token: str | Mapping[str, Any]) -> str:
    return token if isinstance(token, str) else str(token["content"])
