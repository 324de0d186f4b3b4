"""Reads a base's tokenizer and chat template from its files, so that planning needs no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lora_marketing.tasks import Message
from lora_marketing.tokens.render import control_tokens

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.ext import Extension
    from tokenizers import Tokenizer

TOKENIZER, SETTINGS, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True)
class FileChatTokenizer:
    """A `ChatTokenizer` from a base's files: same template, tokenizer and stop tokens as the loaded base.

    `arguments` are passed to the template: special tokens, and the template's arguments of the catalogue and
    the recipe.
    """

    tokenizer: Tokenizer
    template: Template
    arguments: Mapping[str, Any]
    stop_ids: frozenset[int]
    control_tokens: frozenset[str]

    def encode(self, chat: Sequence[Message], *, header: bool) -> list[int]:
        """Token ids of a chat; with `header`, also of the generation prompt (where the answer begins)."""
        text = self.template.render(messages=chat, add_generation_prompt=header, **self.arguments)
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Token ids as text, with special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))


def open_chat_tokenizer(folder: Path, arguments: Mapping[str, bool | str]) -> FileChatTokenizer | None:
    """Open the tokenizer and chat template in a base's folder; None if one of the two is missing."""
    from tokenizers import Tokenizer

    settings = _json(folder / SETTINGS)
    jinja = folder / TEMPLATE
    source = jinja.read_text(encoding="utf-8") if jinja.is_file() else settings.get("chat_template")
    if not (isinstance(source, str) and (folder / TOKENIZER).is_file()):
        return None
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    special = {name: _text(settings[name]) for name in SPECIAL if settings.get(name)}
    stop_config = _json(folder / "generation_config.json") or _json(folder / "config.json")
    ends = stop_config.get("eos_token_id")
    ids = [*(ends if isinstance(ends, list) else [ends]), tokenizer.token_to_id(special.get("eos_token", ""))]
    stops = frozenset(int(id) for id in ids if id is not None)
    added = [(token.content, token.special) for token in tokenizer.get_added_tokens_decoder().values()]
    controls = control_tokens(added, source)
    return FileChatTokenizer(tokenizer, _compiled(source), {**special, **arguments}, stops, controls)


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


def _compiled(source: str) -> Template:
    """Compile a chat template in a sandbox, with the functions and filters that templates on the hub use."""
    from jinja2.exceptions import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    extensions: list[str | type[Extension]] = ["jinja2.ext.loopcontrols", _generation_blocks()]
    sandbox = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    sandbox.filters["tojson"] = _to_json
    sandbox.globals["raise_exception"] = refuse
    sandbox.globals["strftime_now"] = _now
    return sandbox.from_string(source)


def _generation_blocks() -> type[Extension]:
    """A Jinja extension for `{% generation %}`, which marks assistant turns; it renders their content."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser

    class Generation(Extension):
        tags = {"generation"}

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return list(parser.parse_statements(("name:endgeneration",), drop_needle=True))

    return Generation


def _to_json(value: object, indent: int | None = None) -> str:
    """Replaces Jinja's own `tojson` filter, which escapes HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _now(form: str) -> str:
    return datetime.now().strftime(form)
