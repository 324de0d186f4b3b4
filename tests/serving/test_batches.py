"""From a request to its rows: their seeds, and whether prompt and text fit the context."""

from __future__ import annotations

import pytest

from tests.serving.conftest import World
from tests.serving.making import EMBER, TIDAL, FakeEngine, chat, led, serving

PROMPT = len(led("<user>Write about soap.<assistant>"))


def test_seeds_stay_what_they_are(world: World) -> None:
    """A client that kept a seed gets the same text from every release."""
    engine = FakeEngine()
    with serving(world.root, engine) as running, running.client() as client:
        client.post("/v1/chat/completions", json=chat(seed=7, n=2))
        body = {"model": TIDAL, "prompt": ["Soap", "Wax"], "n": 2, "seed": -1}
        client.post("/v1/completions", json=body)
    assert [row.request.sampling.seed for row in engine.rows] == [
        5047842541227771980,
        1119225118029304408,
        4722123280061861311,
        1278904225209916251,
        3647366179571768293,
        8336147747578018171,
    ]


@pytest.mark.thorough
@pytest.mark.parametrize("tokens", [1, 10])
def test_prompt_and_text_may_fill_the_context_and_no_more(world: World, tokens: int) -> None:
    body = chat(max_tokens=tokens)
    with serving(world.root, FakeEngine(context=PROMPT + tokens)) as running, running.client() as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 200
    with serving(world.root, FakeEngine(context=PROMPT + tokens - 1)) as running, running.client() as client:
        answer = client.post("/v1/chat/completions", json=body)
        code = answer.json()["error"]["code"]
        assert (answer.status_code, code) == (400, "context_length_exceeded")


def test_without_max_tokens_one_token_of_room_is_enough_and_none_is_not(world: World) -> None:
    for room, status in ((1, 200), (0, 400)):
        engine = FakeEngine(context=PROMPT + room)
        with serving(world.root, engine) as running, running.client() as client:
            assert client.post("/v1/chat/completions", json=chat()).status_code == status
        assert [row.request.sampling.max_new_tokens for row in engine.rows] == [1] * room


@pytest.mark.thorough
def test_a_recipe_s_own_length_gives_way_to_the_context_only(world: World) -> None:
    """The recipe gives 120 tokens; a text gets these, or what is left if it is less."""
    for room in (119, 120, 121):
        engine = FakeEngine(context=PROMPT + room)
        with serving(world.root, engine) as running, running.client() as client:
            client.post("/v1/chat/completions", json=chat(EMBER))
        assert engine.rows[0].request.sampling.max_new_tokens == min(room, 120)
