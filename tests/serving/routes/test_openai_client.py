"""What openai-python gives, taken back: its streams, its parsed answers, its dumps, its images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.serving.conftest import World
from tests.serving.making import EMBER, FakeEngine, Running, chat, led, serving

ASKED: Any = [{"role": "user", "content": "Write about soap."}]


class Line(BaseModel):
    text: str


class Json(FakeEngine):
    """Writes a JSON object."""

    def _written(self, request: Any) -> Any:
        return ['{"text":', ' "It floats."}'], "stop"


@pytest.fixture
def client(shared: tuple[World, Running]) -> Iterator[openai.OpenAI]:
    world, running = shared
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=world.ours, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def json_client(shared: tuple[World, Running]) -> Iterator[openai.OpenAI]:
    world, _ = shared
    with (
        serving(world.root, Json(), keys=world.keys) as running,
        openai.OpenAI(base_url=f"{running.url}/v1", api_key=world.ours, max_retries=0) as client,
    ):
        yield client


def goes_on(client: openai.OpenAI, turn: Any) -> None:
    """The chat with an answer in it is the same prompt however the client wrote the answer down."""
    more: Any = [*ASKED, turn, {"role": "user", "content": "Shorter."}]
    done = client.chat.completions.create(model=EMBER, messages=more)
    assert done.usage is not None
    said = turn["content"] if isinstance(turn, dict) else turn.content
    assert done.usage.prompt_tokens == len(
        led(f"<user>Write about soap.<assistant>{said}<user>Shorter.<assistant>")
    )


def test_what_stream_gives_is_taken_back(json_client: openai.OpenAI) -> None:
    with json_client.chat.completions.stream(model=EMBER, messages=ASKED) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert kinds.count("content.done") == 1
    message = final.choices[0].message
    assert message.content == '{"text": "It floats."}'
    for turn in (message, message.model_dump(), message.to_dict(), json.loads(message.model_dump_json())):
        goes_on(json_client, turn)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_what_parse_gives_is_taken_back(json_client: openai.OpenAI) -> None:
    done = json_client.chat.completions.parse(model=EMBER, messages=ASKED, response_format=Line)
    message = done.choices[0].message
    assert message.parsed == Line(text="It floats.")
    assert message.model_dump()["parsed"] == {"text": "It floats."}
    for turn in (message, message.model_dump(), message.to_dict()):
        goes_on(json_client, turn)
    with json_client.chat.completions.stream(model=EMBER, messages=ASKED, response_format=Line) as stream:
        goes_on(json_client, stream.get_final_completion().choices[0].message.model_dump())


def test_a_blocked_answer_is_the_error_that_the_client_has_for_it(shared: tuple[World, Running]) -> None:
    world, _ = shared
    with (
        serving(world.root, FakeEngine(slip=" call 020 7946 0018")) as running,
        openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client,
    ):
        with pytest.raises(openai.ContentFilterFinishReasonError):
            client.chat.completions.parse(model=EMBER, messages=ASKED, response_format=Line)
        done = client.chat.completions.create(model=EMBER, messages=ASKED)
        assert done.choices[0].guards["verdict"] == "block"  # type: ignore[attr-defined]
        goes_on(client, done.choices[0].message)


@pytest.mark.parametrize(
    "more",
    [
        {"tool_choice": "none"},
        {"tool_choice": "auto", "parallel_tool_calls": False, "tools": None},
        {"unheard_of": None},
        {"reasoning_effort": "none", "verbosity": "medium"},
        {"stream_options": None, "stop": [], "response_format": {"type": "text", "unheard_of": None}},
    ],
    ids=str,
)
def test_what_is_not_set_changes_nothing(shared: tuple[World, Running], more: dict[str, Any]) -> None:
    world, running = shared
    with running.client(world.ours) as client:
        plain, same = (
            client.post("/v1/chat/completions", json=chat(seed=2, **settings)) for settings in ({}, more)
        )
    assert same.status_code == 200, same.text
    assert same.json()["choices"] == plain.json()["choices"]


@pytest.mark.parametrize(
    "held",
    [
        {"provider_specific_fields": {"refusal": None}, "reasoning_content": None},
        {"thinking_blocks": [], "images": [], "name": None, "refusal": None},
        {"annotations": [], "audio": None, "function_call": None, "tool_calls": None, "parsed": [1]},
    ],
    ids=str,
)
def test_what_other_clients_hold_of_an_answer(client: openai.OpenAI, held: dict[str, Any]) -> None:
    goes_on(client, {"role": "assistant", "content": "It floats.", **held})


def test_what_an_answer_holds_is_not_thrown_away(shared: tuple[World, Running]) -> None:
    world, running = shared
    with running.client(world.ours) as http:
        for more in ({"tool_calls": [{"id": "x"}]}, {"reasoning_content": "Hm."}, {"refusal": "No."}):
            turns = [*ASKED, {"role": "assistant", "content": None, **more}, *ASKED]
            answer = http.post("/v1/chat/completions", json={"model": EMBER, "messages": turns})
            assert answer.status_code == 400
            assert answer.json()["error"]["param"] == f"messages[1].{next(iter(more))}"


def test_chunks_are_filled_up_if_that_is_wanted(shared: tuple[World, Running]) -> None:
    world, running = shared
    said: dict[bool, str] = {}
    with running.client(world.ours) as http:
        for wanted in (False, True):
            body = chat(seed=3, stream=True, stream_options={"include_obfuscation": wanted})
            lines = http.post("/v1/chat/completions", json=body).text.splitlines()
            sizes = {len(line) for line in lines if '"delta": {"content"' in line}
            assert (len(sizes) == 1) == wanted
            chunks = [json.loads(line.removeprefix("data: ")) for line in lines if "{" in line]
            said[wanted] = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert said[True] == said[False]
