"""Renders chat messages to token ids; training rows and generation prompts are rendered nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from lora_marketing.brands.brand import Brand, Brief, Example
from lora_marketing.common.errors import Problem, RenderContractError
from lora_marketing.tasks import Message, messages
from lora_marketing.tokens.pinned_template import NO_SYSTEM_TURN, OTHER_TEMPLATE, PinnedTemplate


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


def control_token_problems(brief: Brief, brand: Brand, tokens: Collection[str]) -> list[Problem]:
    """Where a row or brief, or the profile that stands before it, holds one of a base's control `tokens`."""
    where = _place(brief)
    row = [(name, value, where) for name, value in brief if isinstance(value, str)]
    attributes = [
        (f"attributes.{name}", f"{name}: {value}", where) for name, value in brief.attributes.items()
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


def require_no_control_tokens(briefs: Sequence[Brief], brands: Sequence[Brand], base: ChatTokenizer) -> None:
    """Refuse briefs and profiles that hold a control token, which would begin or end a turn.

    Raises:
        RenderContractError: all of them at once, each with its place.
    """
    tokens = base.control_tokens
    problems = [
        problem
        for brand in brands
        for brief in briefs
        for problem in control_token_problems(brief, brand, tokens)
    ]
    if problems:
        raise RenderContractError(dict.fromkeys(problems))


def template_problems(rows: Sequence[Brief], brand: Brand, template: PinnedTemplate) -> list[Problem]:
    """What speaks against a base's chat template for these rows; one thing only, if it is its own fault.

    Needs no tokenizer: that training extends generation is proven where rows become tokens.
    """
    problems: dict[Problem, None] = {}
    for row in rows:
        chat = messages(row, brand)
        try:
            prompt = template.render(chat, header=True)
            if row is rows[0] and prompt == template.render(
                [_without_guide(turn) for turn in chat], header=True
            ):
                return list(_broken(row, DROPPED, None).problems)
        except RenderContractError as error:
            placed = placed_error(error, row, brand).problems
            if error.problems[0].where is None:
                return list(placed)
            problems |= dict.fromkeys(placed)
    return list(problems)


def render_prompt(chat: Sequence[Message], base: ChatTokenizer) -> list[int]:
    """Token ids that generation starts from: the chat and the generation prompt.

    Raises:
        RenderContractError: the template refuses the chat, for example because it has no system role, or
            a text steers it.
    """
    return base.encode(chat, header=True)


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
    try:
        prompt = render_prompt(chat, base)
        unsaid = render_prompt([_without_guide(turn) for turn in chat], base)
        whole = base.encode([*chat, {"role": "assistant", "content": example.text}], header=False)
    except RenderContractError as error:
        raise placed_error(error, example, brand) from error
    if prompt == unsaid:
        raise _broken(example, DROPPED, None)
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


DROPPED = "the chat template drops the system turn, and the brand's guide with it"


def placed_error(error: RenderContractError, brief: Brief, brand: Brand) -> RenderContractError:
    """The error with the place of the text that it is about: the profile for a system turn, or the brief."""
    places = {"system": f"profile of {brand.name}"}
    return RenderContractError(
        [replace(problem, where=places.get(problem.where or "", _place(brief))) for problem in error.problems]
    )


def _place(brief: Brief) -> str:
    return brief.place or (f"row {brief.id}" if isinstance(brief, Example) else "brief")


def _broken(brief: Brief, what: str, got: str | None) -> RenderContractError:
    return RenderContractError(Problem(what, _place(brief), got, fix=f"{OTHER_TEMPLATE}; {NO_SYSTEM_TURN}"))
