"""A base's chat template, rendered so that the chat alone decides the text: no clock, no magic words.

Every chat is rendered here, in training, planning and writing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from lora_marketing.common.errors import BaseModelError, Problem, RenderContractError
from lora_marketing.recipe.schema import CHAT_DATE, SystemTurn
from lora_marketing.tasks import Message

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.ext import Extension
    from jinja2.utils import Namespace

OTHER_TEMPLATE = (
    "the base's chat template is not fit for training; use its instruct version or"
    " set the template's arguments in the catalogue"
)
NO_SYSTEM_TURN = "if the template takes no system turn, set base.system_turn: in_user"
_MARK = re.compile("\ue000([0-9]+)\ue001")
"""What stands for a text while the template is asked whether it looks at what texts say."""


@dataclass(frozen=True)
class PromptSettings:
    """What decides a prompt beside the template and the chat.

    Args:
        arguments: variables of the template, such as `enable_thinking`.
        date: the day that the template takes for today, as in `2026-01-01`.
        system_turn: whether the system turn is one, or stands at the beginning of the user's.
    """

    arguments: Mapping[str, bool | str] = field(default_factory=dict)
    date: str = CHAT_DATE
    system_turn: SystemTurn = "own"


@dataclass(frozen=True)
class PinnedTemplate:
    """A chat template with all that it may read: the same chat is the same text on any day.

    Args:
        source: the template, in jinja.
        special_tokens: the tokenizer's, such as `bos_token`.
        settings: what else decides the text.
    """

    source: str
    special_tokens: Mapping[str, str]
    settings: PromptSettings

    def render(self, chat: Sequence[Message], *, header: bool) -> str:
        """A chat as text; with `header`, also the beginning of the answer to it.

        Before an answer, no text may steer the template: `/think` in a guide would switch thinking on.

        Raises:
            RenderContractError: the template refuses the chat, cannot render it, or does something else
                where a turn says something else. `where` is then the turn's role.
        """
        turns: list[Message] = [{"role": turn["role"], "content": turn["content"]} for turn in chat]
        if self.settings.system_turn == "in_user":
            turns = _in_user(turns)
        text = self._rendered(turns, header)
        places = [place for place, turn in enumerate(turns) if turn["role"] != "assistant"]
        if header and text != self._told(turns, header, places):
            raise RenderContractError(self._steered(turns, places))
        return text

    def _rendered(self, turns: Sequence[Message], header: bool) -> str:
        from jinja2.exceptions import TemplateError

        values = {"tools": None, "documents": None, **self.special_tokens, **self.settings.arguments}
        template = compiled(self.source, self.settings.date)
        try:
            return template.render(values, messages=turns, add_generation_prompt=header)
        except TemplateError as error:
            what, got = "the base's chat template refuses the chat", str(error)
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            what, got = "the base's chat template fails on the chat", f"{type(error).__name__}: {error}"
        raise RenderContractError(Problem(what, got=got, fix=f"{OTHER_TEMPLATE}; {NO_SYSTEM_TURN}"))

    def _told(self, turns: Sequence[Message], header: bool, places: Sequence[int]) -> str:
        """The text as it would be if the template could not read the turns at `places`.

        A text's outer white space stays, because templates trim.
        """
        marked, cores = list(turns), {}
        for place in places:
            content = turns[place]["content"]
            if core := content.strip():
                cores[place] = core
                start = content.index(core)
                outer = content[:start], content[start + len(core) :]
                marked[place] = {"role": turns[place]["role"], "content": f"\ue000{place}\ue001".join(outer)}
        return _MARK.sub(lambda found: cores.get(int(found[1]), found[0]), self._rendered(marked, header))

    def _steered(self, turns: Sequence[Message], places: Sequence[int]) -> Problem:
        """Which turn steers the template, and by which word."""

        def steers(place: int, content: str) -> bool:
            changed = list(turns)
            changed[place] = {"role": turns[place]["role"], "content": content}
            return self._rendered(changed, True) != self._told(changed, True, [place])

        guilty = next((place for place in places if steers(place, turns[place]["content"])), places[0])
        content = turns[guilty]["content"]
        word = next((word for word in content.split() if steers(guilty, word)), content[:100])
        what = "the text switches something in the base's chat template, or is changed by it"
        return Problem(what, turns[guilty]["role"], got=word, fix="take it out of the text")


def _in_user(turns: list[Message]) -> list[Message]:
    if [turn["role"] for turn in turns[:2]] != ["system", "user"]:
        return turns
    return [{"role": "user", "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}, *turns[2:]]


@lru_cache(maxsize=16)
def compiled(source: str, date: str) -> Template:
    """A chat template in a sandbox, with the words that templates of the hub use, and `date` for today.

    Raises:
        BaseModelError: it is not jinja, or draws lots.
    """
    from jinja2.exceptions import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    extensions: list[str | type[Extension]] = ["jinja2.ext.loopcontrols", _generation_blocks()]
    sandbox = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    sandbox.filters["tojson"] = _to_json
    del sandbox.filters["random"], sandbox.globals["lipsum"]
    sandbox.globals["raise_exception"] = refuse
    sandbox.globals["namespace"] = _namespaces()
    sandbox.globals["dict"] = lambda *pairs, **named: dict(*pairs, **named)  # not the type, which leads on
    sandbox.globals["strftime_now"] = datetime.fromisoformat(date).strftime
    try:
        return sandbox.from_string(source)
    except TemplateError as error:
        fix = "use the base as it was published"
        raise BaseModelError(
            Problem("the base's chat template cannot be used", got=str(error), fix=fix)
        ) from error


def _generation_blocks() -> type[Extension]:
    """`{% generation %}` marks what the assistant said; here it is rendered as it stands."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser

    class Generation(Extension):
        tags = {"generation"}

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return list(parser.parse_statements(("name:endgeneration",), drop_needle=True))

    return Generation


def _namespaces() -> type[Namespace]:
    """`namespace(...)` of templates, which may not set what Python itself looks for in an object."""
    from jinja2.exceptions import SecurityError
    from jinja2.utils import Namespace

    class Plain(Namespace):
        def __setitem__(self, name: str, value: Any) -> None:
            if name.startswith("_"):
                raise SecurityError(f"a chat template may not set {name}")
            super().__setitem__(name, value)

    return Plain


def _to_json(value: object, indent: int | None = None) -> str:
    """Like `json.dumps`: jinja's own filter escapes HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)
