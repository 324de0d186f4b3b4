"""OpenAI's own client against the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel, ValidationError

from lora_marketing.serving.routes.copy import CopyRequest
from lora_marketing.serving.schema import ChatRequest, CompletionRequest
from tests.serving.conftest import World
from tests.serving.making import BRIEF, EMBER, LUMEN, TIDAL, FakeEngine, Running, canary, chat, led, serving

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
    assert done.usage.prompt_tokens == len(led("<user>Write about soap.<assistant>"))
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


def test_what_a_client_got_may_be_sent_back(client: openai.OpenAI) -> None:
    """With everything that OpenAI's own types hold of it, empty."""
    said = client.chat.completions.create(model=EMBER, messages=MESSAGES, seed=1).choices[0].message
    for turn in (said.model_dump(), said.to_dict(), {**said.model_dump(), "tool_calls": [], "parsed": None}):
        again: Any = [*MESSAGES, turn, {"role": "user", "content": "Shorter.", "name": "ann"}]
        done = client.chat.completions.create(model=EMBER, messages=again, seed=1)
        assert done.usage is not None
        whole = f"<user>Write about soap.<assistant>{said.content}<user>Shorter.<assistant>"
        assert done.usage.prompt_tokens == len(led(whole))


def test_what_changes_nothing_may_be_sent(shared: tuple[World, Running]) -> None:
    neutral = {"tool_choice": "none", "functions": [], "top_logprobs": 0, "modalities": ["text"]}
    neutral |= {"audio": None, "service_tier": "auto", "parallel_tool_calls": True, "tools": [], "n": None}
    neutral |= {"reasoning_effort": None, "verbosity": None, "logprobs": False, "store": False}
    neutral |= {"stream_options": {"include_usage": None}, "safety_identifier": "x", "prompt_cache_key": "x"}
    world, running = shared
    with running.client(world.ours) as client:
        plain, more = (
            client.post("/v1/chat/completions", json=chat(seed=2, **settings)) for settings in ({}, neutral)
        )
    assert more.status_code == 200, more.text
    assert more.json()["choices"] == plain.json()["choices"]


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain", "application/xml"])
def test_a_body_has_to_say_that_it_is_json(shared: tuple[World, Running], kind: str | None) -> None:
    """`curl -d` sends a form, and a page in a browser may send that to any server."""
    world, running = shared
    headers = {} if kind is None else {"Content-Type": kind}
    with running.client(world.ours) as client:
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/copy"):
            answer = client.post(path, content=b'{"model": "ember/soap"}', headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")
            assert "Content-Type: application/json" in answer.json()["error"]["message"]
        for good in ("application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"):
            body = b'{"model": "ember/soap", "prompt": "x"}'
            answer = client.post("/v1/completions", content=body, headers={"Content-Type": good})
            assert answer.status_code == 200


def test_no_line_of_a_stream_ends_early(world: World) -> None:
    """U+2028 and its kin end a line for `str.splitlines`, and so for clients that are built on it."""
    slip = " a\u2028b\u2029c\x85d\ne\x0bf\x1cg"
    with serving(world.root, FakeEngine(slip=slip)) as running, running.client() as client:
        text = client.post("/v1/chat/completions", json=chat(stream=True)).text
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if "{" in line]
    assert len(events) == text.count("data: ") - 1
    assert slip in "".join(event["choices"][0]["delta"].get("content", "") for event in events)


def test_seeds_that_the_server_draws_are_exact_in_every_language(shared: tuple[World, Running]) -> None:
    world, running = shared
    with running.client(world.ours) as client:
        bodies = [{"model": EMBER, "brief": BRIEF}] * 20
        seeds = [client.post("/v1/copy", json=body).json()["seed"] for body in bodies]
    assert all(0 <= seed <= 2**53 - 1 for seed in seeds)
    assert len(set(seeds)) == 20


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (CompletionRequest, {"prompt": [True] * 150_000}),
        (CompletionRequest, {"prompt": ["x"] + [1] * 150_000}),
        (CompletionRequest, {"prompt": "x", **{f"k{n}": 1 for n in range(60_000)}}),
        (ChatRequest, {"messages": [{"role": "user", "content": [1] * 300_000}]}),
        (ChatRequest, {"messages": [1] * 900}),
        (ChatRequest, chat(stop=[1] * 300_000)),
        (ChatRequest, chat(metadata={f"k{n}": 1 for n in range(60_000)})),
        (CopyRequest, {"brief": {**BRIEF, "attributes": {f"k{n}": 1 for n in range(60_000)}}}),
    ],
    ids=range(8),
)
def test_of_a_hundred_thousand_mistakes_few_are_described(
    kind: type[BaseModel], body: dict[str, Any]
) -> None:
    """It is done in the loop that serves everybody, and takes seconds for all of them."""
    with pytest.raises(ValidationError) as found:
        kind.model_validate({"model": EMBER, **body})
    assert found.value.error_count() < 10


@pytest.mark.parametrize("depth", [100, 300, 900])
def test_a_body_nested_deeply_is_refused(shared: tuple[World, Running], depth: int) -> None:
    """What reads a schema calls itself at every level, and ended the connection or the request."""
    world, running = shared
    schema = '{"items": ' * depth + '{"type": "string"}' + "}" * depth
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": "HERE"}}
    body = json.dumps(chat(response_format=wanted)).replace('"HERE"', schema)
    with running.client(world.ours) as client:
        answer = client.post(
            "/v1/chat/completions", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 400
    assert "nested more than 100 levels" in answer.json()["error"]["message"]


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
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content",
            "reads text only, so parts of type image_url (image) are refused",
        ),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [{}]}]}, "messages[0].tool_calls", ""),
        ({"tool_choice": "required"}, "tool_choice", "leave it out"),
        ({"reasoning_effort": "high"}, "reasoning_effort", "leave it out"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "needed"),
        ({"max_tokens": 1990}, "max_tokens", "1990 tokens to write; prompt and text may have 2000"),
        ({"messages": [{"role": "user", "content": "x" * 3000}]}, None, "3073 tokens"),
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
