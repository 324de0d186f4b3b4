"""Renders chat messages to token ids; training rows and generation prompts are rendered nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lora_marketing.brands.brand import Brand, Example
from lora_marketing.common.errors import Problem, RenderContractError
from lora_marketing.tasks import Message, messages


class ChatTokenizer(Protocol):
    """The interface that turns chats into token ids: of a loaded base, or of its tokenizer's files alone."""

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids of the tokens that end an answer."""

    @property
    def control_tokens(self) -> frozenset[str]:
        """Texts of the tokens with a meaning to template or tokenizer, such as `<|im_start|>`."""

    def encode(self, chat: Sequence[Message], *, header: bool) -> list[int]:
        """Token ids of a chat; with `header`, also of the generation prompt (where the answer begins)."""

    def decode(self, ids: Sequence[int]) -> str:
        """Token ids as text, with special tokens."""


@dataclass(frozen=True)
class Rendered:
    """Token ids of one training row; the first `prompt_length` of them carry no loss.

    `place` is the file and line that the row was read from, such as `texts.jsonl:8`, or empty.
    """

    id: str
    input_ids: tuple[int, ...]
    prompt_length: int
    place: str = field(default="", kw_only=True)

    @property
    def labels(self) -> tuple[int, ...]:
        """The ids with -100 on the prompt, as loss functions expect it."""
        return (-100,) * self.prompt_length + self.input_ids[self.prompt_length :]


def control_tokens(added: Iterable[tuple[str, bool]], template: str) -> frozenset[str]:
    """The added tokens of a tokenizer that no brief or text may hold.

    These are its special tokens, and tags that the chat template writes although the tokenizer does not call
    them special, such as `<think>`.

    Args:
        added: text of each added token, and whether it is special.
        template: source of the chat template.
    """
    return frozenset(
        text for text, special in added if special or (text.startswith("<") and text in template)
    )


def control_token_problems(example: Example, brand: Brand, tokens: Collection[str]) -> list[Problem]:
    """One problem for each control token in the fields of a row or in the brand profile of its prompt."""
    where = example.place or f"row {example.id}"
    row = [(name, value, where) for name, value in example if isinstance(value, str)]
    attributes = [
        (f"attributes.{name}", f"{name}: {value}", where) for name, value in example.attributes.items()
    ]
    profile = f"profile of {brand.name}"
    facts = [(f"facts[{number}]", fact, profile) for number, fact in enumerate(brand.facts)]
    own = [("display_name", brand.display_name, profile), ("guide", brand.guide, profile), *facts]
    return [
        Problem(f"{name} holds a control token of the base", place, got=token, fix="take it out of the text")
        for name, value, place in (*row, *attributes, *own)
        for token in sorted(tokens)
        if token in value
    ]


def render_prompt(chat: Sequence[Message], base: ChatTokenizer) -> list[int]:
    """Token ids that generation starts from: the chat and the generation prompt.

    Raises:
        RenderContractError: the chat template refuses the chat, for example because it has no system role.
    """
    from jinja2.exceptions import TemplateError

    try:
        return base.encode(chat, header=True)
    except TemplateError as error:
        raise RenderContractError(
            Problem("the base's chat template refuses the chat", got=str(error), fix=OTHER_TEMPLATE)
        ) from error


def render_example(example: Example, brand: Brand, base: ChatTokenizer) -> Rendered:
    """Token ids of prompt and answer, up to and including the first stop token of the answer.

    Checks the render contract for the row: training tokens extend the prompt that generation starts from, and
    the answer ends with a stop token.

    Raises:
        RenderContractError: the row or the brand holds a control token, which would begin or end a turn;
            the chat template refuses the chat, drops the system turn, renders the finished chat otherwise
            than the prompt, loses part of the answer, or ends it without a stop token.
    """
    if problems := control_token_problems(example, brand, base.control_tokens):
        raise RenderContractError(problems)
    chat = messages(example.brief(), brand)
    prompt = render_prompt(chat, base)
    if prompt == render_prompt([_without_guide(turn) for turn in chat], base):
        raise _broken(example, "the chat template drops the system turn, and the brand's guide with it", None)
    whole = base.encode([*chat, {"role": "assistant", "content": example.text}], header=False)
    if whole[: len(prompt)] != prompt:
        same = next(
            (i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b),
            min(len(prompt), len(whole)),
        )
        raise _broken(
            example,
            "the training text does not extend the generation prompt",
            f"token {same}: prompt goes on with {base.decode(prompt[same:])!r},"
            f" training with {base.decode(whole[same : same + 12])!r}",
        )
    stop = next((i for i in range(len(prompt), len(whole)) if whole[i] in base.stop_ids), None)
    if stop is None:
        stops = sorted(base.decode([id]) for id in base.stop_ids)
        raise _broken(example, "the answer ends without a stop token", f"none of {stops} after the answer")
    answer = base.decode(whole[len(prompt) : stop])
    if answer.strip() != example.text.strip():
        raise _broken(example, "the rendered answer is not the row's text", repr(answer))
    return Rendered(example.id, tuple(whole[: stop + 1]), len(prompt), place=example.place)


def _without_guide(turn: Message) -> Message:
    return {**turn, "content": "?"} if turn["role"] == "system" else turn


OTHER_TEMPLATE = (
    "the base's chat template is not fit for training; use its instruct version or"
    " set the template's arguments in the catalogue"
)


def _broken(example: Example, what: str, got: str | None) -> RenderContractError:
    where = example.place or f"row {example.id}"
    return RenderContractError(Problem(what, where, got, fix=OTHER_TEMPLATE))
