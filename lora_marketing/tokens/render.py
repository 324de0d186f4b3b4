"""Chat messages to token ids: the one place where a prompt is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lora_marketing.brands.brand import Brand, Example
from lora_marketing.common.errors import Problem, RenderContractError
from lora_marketing.tasks import Message, messages


class ChatTokenizer(Protocol):
    """What turns chats into tokens: a loaded base, or its tokenizer's files alone."""

    @property
    def stop_ids(self) -> frozenset[int]:
        """Tokens that end an answer."""

    def encode(self, chat: Sequence[Message], *, header: bool) -> list[int]:
        """Token ids of a chat; with `header`, also the beginning of the answer to it."""

    def decode(self, ids: Sequence[int]) -> str:
        """Token ids as text, special tokens shown."""


@dataclass(frozen=True)
class Rendered:
    """Token ids of one training row; the first `prompt_length` of them carry no loss.

    `place` is where the row was read, as in `texts.jsonl:8`, or empty.
    """

    id: str
    input_ids: tuple[int, ...]
    prompt_length: int
    place: str = field(default="", kw_only=True)

    @property
    def labels(self) -> tuple[int, ...]:
        """The ids with -100 on the prompt, as loss functions expect it."""
        return (-100,) * self.prompt_length + self.input_ids[self.prompt_length :]


def render_prompt(chat: Sequence[Message], base: ChatTokenizer) -> list[int]:
    """Token ids from which generation starts: the chat and the header of the answer."""
    return base.encode(chat, header=True)


def render_example(example: Example, brand: Brand, base: ChatTokenizer) -> Rendered:
    """Token ids of prompt and answer, up to and including the first stop token of the answer.

    This proves the render contract for the row.

    Raises:
        RenderContractError: the chat template renders the finished chat otherwise than the
            prompt, loses part of the answer, or ends it without a stop token.
    """
    chat = messages(example.brief(), brand)
    prompt = render_prompt(chat, base)
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


def _broken(example: Example, what: str, got: str) -> RenderContractError:
    return RenderContractError(
        Problem(
            what,
            example.place or f"row {example.id}",
            got,
            fix="the base's chat template is not fit for training; use its instruct version or"
            " set the template's arguments in the catalogue",
        )
    )
