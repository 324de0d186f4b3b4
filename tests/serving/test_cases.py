"""Requests that once failed, each with the answer that is right."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.conftest import World
from tests.serving.making import FakeBase, FakeEngine, Running, serving

CASES = Path(__file__).parent / "cases"
CHAT, COPY = "/v1/chat/completions", "/v1/copy"


def case(name: str) -> Any:
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))


class Chatty(FakeBase):
    """Has the control tokens that the cases spell."""

    def __init__(self) -> None:
        super().__init__()
        turns = ["<|im_start|>", "<|im_end|>"]
        self.tokenizer.add_special_tokens({"additional_special_tokens": turns})
        self.control_tokens |= frozenset(turns)


@pytest.fixture
def running(world: World) -> Iterator[Running]:
    with serving(world.root, FakeEngine(base=Chatty())) as running:
        yield running


@pytest.mark.parametrize("name", ["refusal-null", "name-of-a-message"])
def test_taken(running: Running, name: str) -> None:
    with running.client() as client:
        answer = client.post(CHAT, json=case(name))
    assert answer.status_code == 200, answer.text


def test_a_body_without_a_content_type(running: Running) -> None:
    body = (CASES / "without-content-type.json").read_bytes()
    with running.client() as client:
        answer = client.post(CHAT, content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")
        assert (
            client.post(CHAT, content=body, headers={"Content-Type": "application/json"}).status_code == 200
        )


def test_control_tokens_in_a_brief(running: Running) -> None:
    with running.client() as client:
        answer = client.post(COPY, json=case("control-tokens-in-a-brief"))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "control_token", "brief.notes")
    assert running.engine.rows == []


@pytest.mark.thorough  # the seconds that a schema may take
def test_a_schema_of_many_patterns_is_given_up(running: Running) -> None:
    with running.client() as client:
        begun = time.monotonic()
        answer = client.post(CHAT, json=case("patterns-under-all-of"))
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "response_format")
        assert time.monotonic() - begun < 30
        assert client.get("/healthz").status_code == 200


def test_every_case_is_tried() -> None:
    told = Path(__file__).read_text(encoding="utf-8")
    assert all(path.stem in told for path in CASES.iterdir())
