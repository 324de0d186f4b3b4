"""What OpenAI's clients send and read, as far as it is served here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag, model_validator

from lora_marketing.common.documents import Frozen


def _is_bool(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError("a boolean is needed")  # 0 equals False, so a Literal alone lets it pass
    return value


No = Annotated[Literal[False], BeforeValidator(_is_bool)]
Zero = Annotated[float, Field(ge=0, le=0)]
Nothing = Annotated[list[JsonValue], Field(max_length=0)]
"""Parameters that would change the result may be sent only with the value that changes nothing."""
NEUTRAL = frozenset(
    {
        "frequency_penalty",
        "presence_penalty",
        "logit_bias",
        "logprobs",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "top_logprobs",
        "modalities",
        "audio",
        "prediction",
        "reasoning_effort",
        "verbosity",
        "web_search_options",
        "service_tier",
        "store",
        "echo",
        "best_of",
        "suffix",
    }
)
"""Their names."""
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
MOST_NAMES, MOST_DEPTH = 10_000, 100
StopString = Annotated[str, Field(min_length=1, max_length=200)]
PositiveCount = Annotated[int, Field(ge=1, le=1_000_000)]
FinishReason = Literal["stop", "length"]


def _require_simple(value: Any) -> None:
    """Refuse JSON of very many names, or nested very deeply."""
    names = depth = 0
    level: list[Any] = [value]
    while level:
        depth += 1
        names += sum(len(inner) for inner in level if isinstance(inner, dict))
        if names > MOST_NAMES:
            raise ValueError(f"the body has more than {MOST_NAMES:,} names")
        if depth > MOST_DEPTH:
            raise ValueError(f"the body is nested more than {MOST_DEPTH} levels deep")
        parts = (inner.values() if isinstance(inner, dict) else inner for inner in level)
        level = [one for part in parts for one in part if isinstance(one, dict | list)]


class RequestBody(Frozen):
    """The body of a request.

    JSON can spell half a surrogate pair, which no tokenizer can read. Of every name that is not known a
    problem is made, so there may not be very many. What reads schemas calls itself at every level.
    """

    @model_validator(mode="before")
    @classmethod
    def _is_reasonable(cls, value: Any) -> Any:
        if isinstance(value, dict | list):
            _require_simple(value)
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("a text holds half a surrogate pair") from None
        return value


def _is_text(kind: object) -> object:
    if kind in ("image_url", "input_audio", "file", "video_url"):
        what = str(kind).removesuffix("_url").removeprefix("input_")
        raise ValueError(f"this server reads text only, so parts of type {kind} ({what}) are refused")
    return kind


class TextPart(Frozen):
    """A piece of a message."""

    type: Annotated[Literal["text"], BeforeValidator(_is_text)]
    text: str


Content = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[TextPart], Field(fail_fast=True), Tag("parts")],
    Discriminator(lambda value: "parts" if isinstance(value, list) else "text"),
]


class ChatMessage(Frozen):
    """One turn; `developer` is another word for `system`.

    `name` is not shown to the model. The rest is what OpenAI's clients hold of an answer: it may be sent
    back as it is, empty.
    """

    role: Literal["system", "developer", "user", "assistant"]
    content: Content
    name: str | None = None
    refusal: None = None
    annotations: Nothing | None = None
    audio: None = None
    function_call: None = None
    tool_calls: Nothing | None = None
    parsed: None = None

    @property
    def text(self) -> str:
        """The content in one piece."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class StreamOptions(Frozen):
    """Whether a last chunk has the usage."""

    include_usage: bool | None = False
    include_obfuscation: No | None = None


class TextFormat(Frozen):
    """Free text."""

    type: Literal["text"]


class JsonObjectFormat(Frozen):
    """Any JSON object."""

    type: Literal["json_object"]


class NamedSchema(Frozen):
    """A JSON schema and what the client calls it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    schema_: Annotated[dict[str, JsonValue], Field(alias="schema")] = {}
    strict: bool | None = None


class JsonSchemaFormat(Frozen):
    """JSON that follows a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


class CompletionSettings(RequestBody):
    """What both kinds of completion have in common."""

    model: str
    n: Annotated[int, Field(ge=1, le=64)] | None = 1
    stop: StopString | Annotated[list[StopString], Field(fail_fast=True, max_length=4)] | None = None
    seed: Seed | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: PositiveCount | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    user: str | None = None
    frequency_penalty: Zero | None = None
    presence_penalty: Zero | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None

    @property
    def tokens_limit(self) -> int | None:
        """The most tokens to write, if the client said so."""
        return self.max_tokens

    @property
    def tokens_param(self) -> str:
        """What the client called it."""
        return "max_tokens"

    @property
    def prompt_param(self) -> str:
        """What holds the prompt."""
        return "prompt"

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Stop strings, however they were written."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


ANY_OBJECT: Mapping[str, JsonValue] = {"type": "object"}


class ChatRequest(CompletionSettings):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(fail_fast=True, min_length=1, max_length=1000)]
    max_completion_tokens: PositiveCount | None = None
    response_format: ResponseFormat | None = None
    logprobs: No | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    tools: Nothing | None = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None
    functions: Nothing | None = None
    function_call: Literal["none", "auto"] | None = None
    modalities: list[Literal["text"]] | None = None
    audio: None = None
    prediction: None = None
    reasoning_effort: None = None
    verbosity: None = None
    web_search_options: None = None
    service_tier: Literal["auto", "default"] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    store: No | None = None
    metadata: dict[str, str] | None = None

    @property
    def tokens_limit(self) -> int | None:
        """`max_completion_tokens`, or by its older name."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def json_schema(self) -> Mapping[str, JsonValue] | None:
        """The schema that the answer must follow; None for free text."""
        if isinstance(self.response_format, JsonSchemaFormat):
            return self.response_format.json_schema.schema_
        return ANY_OBJECT if isinstance(self.response_format, JsonObjectFormat) else None

    @property
    def tokens_param(self) -> str:
        """The name that counts."""
        return "max_completion_tokens" if self.max_completion_tokens else "max_tokens"

    @property
    def prompt_param(self) -> str:
        """The chat."""
        return "messages"


class CompletionRequest(CompletionSettings):
    """`POST /v1/completions`: text, several texts, or the token ids of one."""

    prompt: (
        str
        | Annotated[list[str], Field(fail_fast=True, min_length=1, max_length=64)]
        | Annotated[list[Annotated[int, Field(ge=0)]], Field(fail_fast=True, min_length=1)]
    )
    echo: No | None = None
    logprobs: None = None
    suffix: None = None
    best_of: Annotated[int, Field(ge=1, le=1)] | None = None


class TokenUsage(Frozen):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(Frozen):
    """What the model said."""

    role: Literal["assistant"] = "assistant"
    content: str


class ChatChoice(Frozen):
    """One of `n` answers."""

    index: int
    message: AnswerMessage
    logprobs: None = None
    finish_reason: FinishReason


class ChatCompletion(Frozen):
    """The answer to a chat."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: TokenUsage


class TextChoice(Frozen):
    """One continuation of one prompt."""

    index: int
    text: str
    logprobs: None = None
    finish_reason: FinishReason


class Completion(Frozen):
    """The answer to `POST /v1/completions`."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[TextChoice]
    usage: TokenUsage


class ModelCard(Frozen):
    """One adapter that this server writes with; `digest` is the version it means now."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    digest: str


class ModelList(Frozen):
    """`GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
