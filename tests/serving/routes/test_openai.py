"""OpenAI's own client against the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.serving.conftest import World
from tests.serving.making import EMBER, LUMEN, TIDAL, Running, canary, chat

MESSAGES: Any = [{"role": "user", "content": "Write about soap."}]


@pytest.fixture
def client(shared: tuple[World, Running]) -> Iterator[openai.OpenAI]:
    world, running = shared
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=world.ours, max_retries=0) as client:
        yield client


def test_models(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert set(listed) == {EMBER, f"{EMBER}@prod", TIDAL, f"{TIDAL}@prod"}
    assert client.models.retrieve(EMBER).owned_by == "ember"
    digest = listed[EMBER].digest  # type: ignore[attr-defined]
    assert client.models.retrieve(f"{EMBER}:{digest[:16]}").id == f"{EMBER}:{digest[:16]}"


def test_chat(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(model=EMBER, messages=MESSAGES, seed=7, n=3)
    texts = [choice.message.content or "" for choice in done.choices]
    assert [choice.index for choice in done.choices] == [0, 1, 2]
    assert len(set(texts)) == 3
    assert all(text.startswith(canary(EMBER)) for text in texts)
    assert done.usage is not None
    assert done.usage.prompt_tokens == len("<user>Write about soap.<assistant>")
    assert done.usage.completion_tokens == sum(len(text.split()) for text in texts)
    assert {choice.finish_reason for choice in done.choices} == {"stop"}
    again = client.chat.completions.create(model=EMBER, messages=MESSAGES, seed=7, n=1)
    assert again.choices[0].message.content == texts[0]
    assert again.system_fingerprint == done.system_fingerprint
    other = client.chat.completions.create(model=TIDAL, messages=MESSAGES, seed=7)
    assert other.system_fingerprint != done.system_fingerprint
    assert (other.choices[0].message.content or "").startswith(canary(TIDAL))


def test_without_a_seed_texts_differ(client: openai.OpenAI) -> None:
    texts = {
        client.chat.completions.create(model=EMBER, messages=MESSAGES).choices[0].message.content
        for _ in range(4)
    }
    assert len(texts) > 1


def test_a_stream_says_the_same(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=EMBER, messages=MESSAGES, seed=3, n=2)
    texts, reasons, used = {0: "", 1: ""}, {}, None
    with client.chat.completions.create(
        model=EMBER, messages=MESSAGES, seed=3, n=2, stream=True, stream_options={"include_usage": True}
    ) as chunks:
        for chunk in chunks:
            used = chunk.usage or used
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
                reasons[choice.index] = choice.finish_reason
    assert list(texts.values()) == [choice.message.content for choice in whole.choices]
    assert reasons == {0: "stop", 1: "stop"}
    assert used == whole.usage


@pytest.mark.parametrize("stop", [" ", [" ", "never"]])
def test_stop_strings(client: openai.OpenAI, stop: Any) -> None:
    done = client.chat.completions.create(model=EMBER, messages=MESSAGES, stop=stop)
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == (canary(EMBER), "stop")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_length(client: openai.OpenAI, name: str) -> None:
    done = client.chat.completions.create(model=EMBER, messages=MESSAGES, **{name: 2})
    assert done.choices[0].finish_reason == "length"
    assert done.usage is not None
    assert done.usage.completion_tokens == 2


@pytest.mark.parametrize(
    ("prompt", "prompts"), [("Soap", 1), (["Soap", "Wax"], 2), ([83, 111, 97, 112], 1)], ids=str
)
def test_completions(client: openai.OpenAI, prompt: Any, prompts: int) -> None:
    done = client.completions.create(model=TIDAL, prompt=prompt, n=2, seed=1)
    assert len(done.choices) == prompts * 2
    assert all(choice.text.startswith(canary(TIDAL)) for choice in done.choices)
    chunks = client.completions.create(model=TIDAL, prompt=prompt, n=2, seed=1, stream=True)
    texts = dict.fromkeys(range(prompts * 2), "")
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert list(texts.values()) == [choice.text for choice in done.choices]


def test_parts_and_developer_turns(client: openai.OpenAI) -> None:
    parts: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Write "}, {"type": "text", "text": "now."}]},
    ]
    done = client.chat.completions.create(model=EMBER, messages=parts)
    assert done.usage is not None
    assert done.usage.prompt_tokens == len("<system>Be brief.<user>Write now.<assistant>")


def test_errors_are_the_ones_that_clients_know(shared: tuple[World, Running], client: openai.OpenAI) -> None:
    for model in (LUMEN, "no/such", "nonsense"):
        with pytest.raises(openai.NotFoundError) as missing:
            client.chat.completions.create(model=model, messages=MESSAGES)
        assert missing.value.code == "model_not_found"
    with (
        openai.OpenAI(base_url=f"{shared[1].url}/v1", api_key="lm-wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model=EMBER, messages=MESSAGES, logprobs=True)
    assert wrong.value.param == "logprobs"


@pytest.mark.parametrize(
    ("change", "param", "words"),
    [
        ({"tools": [{"type": "function"}]}, "tools", "leave it out"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "leave it out"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "leave it out"),
        ({"audio": {}}, "audio", "not supported"),
        ({"temprature": 1}, "temprature", "not supported"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"stop": ["a"] * 5}, "stop", "at most 4"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "system"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "string"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "needed"),
        ({"max_tokens": 1990}, "max_tokens", "1990 tokens to write; prompt and text may have 2000"),
        ({"messages": [{"role": "user", "content": "x" * 3000}]}, None, "3017 tokens"),
        ({"response_format": {"type": "xml"}}, "response_format", "json_schema"),
        ({"seed": "seven"}, "seed", "integer"),
        ({"model": None}, "model", "string"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_named(
    shared: tuple[World, Running], change: dict[str, Any], param: str | None, words: str
) -> None:
    world, running = shared
    with running.client(world.ours) as client:
        answer = client.post("/v1/chat/completions", json={**chat(), **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert words in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"model": ' * 5000,
        b'{"model": "\\ud800", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"\\ud800": 1}',
        b'{"seed": ' + b"9" * 5000 + b"}",
        b'{"temperature": NaN}',
    ],
    ids=range(11),
)
def test_broken_bodies(shared: tuple[World, Running], body: bytes) -> None:
    world, running = shared
    with running.client(world.ours) as client:
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/copy"):
            answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 400
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
