"""What a request's texts must hold to before they become a prompt, and what a prompt's tokens must."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from lora_marketing.brands.brand import Brief
from lora_marketing.serving.errors import ApiError, invalid, readable

if TYPE_CHECKING:
    from lora_marketing.engine.base import LoadedBase
    from lora_marketing.serving.worker import WritingEngine

BYTES_PER_TOKEN = 16
"""Texts of more bytes than this for each token of the context are looked at before they are tokenised."""
CUT_TOKENS = 64
"""So many tokens less may the beginning of a text have within the text than alone."""


def require_short(texts: Sequence[str], engine: WritingEngine, param: str) -> None:
    """Refuse texts that cannot fit the context, at the cost of tokenising no more than what could.

    Raises:
        ApiError: 400.
    """
    most = engine.context * BYTES_PER_TOKEN
    if sum(len(text.encode()) for text in texts) <= most:
        return
    left, tokens = most, 0
    for text in texts:
        beginning = text.encode()[:left].decode(errors="ignore")
        left -= len(beginning.encode())
        tokens += len(engine.base.tokenizer(beginning, add_special_tokens=False)["input_ids"])
        if tokens - CUT_TOKENS > engine.context:
            raise too_long(f"more than {engine.context}", None, engine.context, param)
        if left <= 0:
            return


def too_long(prompt: str, to_write: int | None, context: int, param: str | None) -> ApiError:
    """400 for a prompt of `prompt` tokens, in words, that leaves no room for what is to be written."""
    and_text = f" and {to_write} tokens to write" if to_write else ""
    message = f"The prompt has {prompt} tokens{and_text}; prompt and text may have {context} together."
    return invalid(message, param, "context_length_exceeded")


def require_known_tokens(tokens: Sequence[int], engine: WritingEngine, param: str) -> None:
    """Refuse tokens that the base has no embedding for: some tokenizers have more than their model.

    Raises:
        ApiError: 400.
    """
    highest = max(tokens, default=0)
    if highest >= engine.vocabulary:
        shown = readable(engine.base.decode([highest]))
        message = (
            f"The token {shown} (id {highest}) is none that this base can read: ids are less than"
            f" {engine.vocabulary}. Take it out."
        )
        raise invalid(message, param, "unknown_token")


def require_no_control_tokens(texts: Iterable[tuple[str, str]], base: LoadedBase) -> None:
    """Refuse a text that spells a token of the chat format: it could end its turn and begin another.

    Args:
        texts: each by the name of its place in the request.
        base: whose tokens they are.

    Raises:
        ApiError: 400.
    """
    for name, text in texts:
        if found := next((token for token in sorted(base.control_tokens) if token in text), None):
            message = f"{name}: {found} is a control token of this base and cannot stand in a text."
            raise invalid(message, name, "control_token")


def brief_texts(brief: Brief) -> Iterator[tuple[str, str]]:
    """Every text of a brief, by the name of its place in the request."""
    for name in ("product", "audience", "notes"):
        yield f"brief.{name}", getattr(brief, name)
    yield from (("brief.attributes", text) for pair in brief.attributes.items() for text in pair)
