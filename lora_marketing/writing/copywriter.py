"""From a brief to the row that the engine writes, and back to copy with its provenance.

Prompt, prompt hash and seed of every row, whoever asks for it, are made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.channels.structure import AD, ad_tokens
from lora_marketing.common.errors import RenderContractError
from lora_marketing.copy.record import Copy, prompt_sha256
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.request import Request, RowOutput
from lora_marketing.engine.sampling import Sampling, row_seed
from lora_marketing.engine.writer import Writer
from lora_marketing.tasks import messages
from lora_marketing.text.known_texts import KnownTexts
from lora_marketing.tokens.render import ChatTokenizer, placed_error, render_prompt
from lora_marketing.writing.rules import rules_of


@dataclass(frozen=True)
class Voice:
    """Who writes: a brand and line, and the loaded adapter (None: the base with the brand's prompt).

    Args:
        known: what the adapter was trained on; None where nobody knows.
        others: names of the registry's other brands, which its texts may not give away.
    """

    brand: Brand
    line: str
    adapter: str | None = None
    digest: str | None = None
    known: KnownTexts | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class CopyOrder:
    """One text to write: which voice, which brief, which of several variants.

    `again` tells the draws of one variant apart; a first draw has none.
    """

    voice: Voice
    brief: Brief
    variant: int = 0
    again: str = ""


@dataclass(frozen=True)
class Prompt:
    """The token ids that rows start from, with the SHA-256 that provenance keeps of them."""

    tokens: Sequence[int]
    sha256: str

    @classmethod
    def of(cls, tokens: Sequence[int]) -> Prompt:
        """The prompt of some token ids."""
        return cls(tokens, prompt_sha256(tokens))

    def row_seed(self, seed: int, adapter: str | None, draw: str) -> int:
        """The seed of one row of this prompt: here, and nowhere else, is where a row's seed comes from.

        It follows from the request's `seed`, the adapter's name (`brand/line`; None is the base), the
        prompt, and `draw`: the number of the variant, with what tells its later draws apart. So a text
        does not change when other rows join, an adapter that is trained again writes the same, and two
        versions of one adapter are compared under the same draws.
        """
        return row_seed(seed, adapter or "base", self.sha256, draw)


class PromptCache:
    """The prompts of briefs on one base: each distinct chat is rendered and hashed once.

    Args:
        base: what renders chats.
    """

    def __init__(self, base: ChatTokenizer) -> None:
        self._base = base
        self._prompts: dict[tuple[tuple[str, str], ...], Prompt] = {}

    def prompt(self, brief: Brief, brand: Brand) -> Prompt:
        """The prompt of a brief in a brand's voice.

        Raises:
            UnknownName: there is no such task, channel or field.
            RenderContractError: the base's chat template refuses the brief, or its text steers it.
        """
        chat = messages(brief, brand)
        key = tuple((message["role"], message["content"]) for message in chat)
        if key not in self._prompts:
            try:
                self._prompts[key] = Prompt.of(render_prompt(chat, self._base))
            except RenderContractError as error:
                raise placed_error(error, brief, brand) from error
        return self._prompts[key]


@dataclass(frozen=True)
class Prepared:
    """A text to write as the engine takes it: the engine's request and the hash of its prompt."""

    order: CopyOrder
    request: Request
    prompt_sha256: str

    def copy(self, row: RowOutput, base: LoadedBase) -> Copy:
        """What was written for it, with its provenance."""
        order = self.order
        return Copy(
            text=row.text.strip(),
            brand=order.voice.brand.name,
            line=order.voice.line,
            adapter=order.voice.adapter,
            digest=order.voice.digest,
            base=base.pin.fingerprint,
            seed=self.request.sampling.seed,
            variant=order.variant,
            prompt_sha256=self.prompt_sha256,
            stopped=row.stopped,
            tokens=len(row.tokens),
            brief=order.brief,
        )


def tokens_to_write(brief: Brief, brand: Brand, most: int) -> int:
    """Tokens that a text may have: `most`, or as many as a whole ad may need if these are more."""
    return max(most, ad_tokens(brief.channel, brand.language)) if brief.field == AD else most


def prepare_all(
    orders: Sequence[CopyOrder],
    base: LoadedBase,
    sampling: Sampling,
    *,
    raw: bool = False,
    prompts: PromptCache | None = None,
) -> list[Prepared]:
    """The rows of some texts to write, in their order.

    Args:
        orders: what to write.
        base: what it is written on.
        sampling: how; every row gets its own seed by `Prompt.row_seed`, a whole ad the tokens it may need.
        raw: without the rules of brand and channel.
        prompts: prompts that are rendered already; new ones are added.

    Raises:
        UnknownName: a brief's channel or field is not known.
    """
    prompts = prompts or PromptCache(base)
    return [_prepared(order, base, sampling, raw, prompts) for order in orders]


def _prepared(
    order: CopyOrder, base: LoadedBase, sampling: Sampling, raw: bool, prompts: PromptCache
) -> Prepared:
    brand, brief = order.voice.brand, order.brief
    prompt = prompts.prompt(brief, brand)
    settings = replace(
        sampling,
        seed=prompt.row_seed(sampling.seed, order.voice.adapter, f"{order.variant}{order.again}"),
        max_new_tokens=tokens_to_write(brief, brand, sampling.max_new_tokens),
    )
    rules = () if raw else rules_of(brief, brand, base)
    return Prepared(order, Request(prompt.tokens, order.voice.digest, settings, rules), prompt.sha256)


def write_copy(
    writer: Writer,
    orders: Sequence[CopyOrder],
    sampling: Sampling,
    *,
    raw: bool = False,
    prompts: PromptCache | None = None,
) -> list[Copy]:
    """Write all texts in mixed batches, and return them in the order of `orders`.

    Texts keep to the brand's terms and the channel's limit or structure; `raw` ones are what the model
    says by itself, which is what an evaluation asks for. `prompts` are rendered already.
    """
    prepared = prepare_all(orders, writer.base, sampling, raw=raw, prompts=prompts)
    rows = writer.write([one.request for one in prepared])
    return [one.copy(row, writer.base) for one, row in zip(prepared, rows, strict=True)]
