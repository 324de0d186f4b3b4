"""JSON schemas of clients: what one takes is bounded, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest

from lora_marketing.serving.errors import ApiError
from lora_marketing.serving.grammars import BYTES_PER_LETTER, GRAMMAR_BYTES, Grammars
from lora_marketing.serving.limits import GrammarLimits, Limits
from tests.serving.conftest import World
from tests.serving.making import EMBER, LUMEN, FakeBase, Running, chat, serving, until

PATTERNS = [{"type": "string", "pattern": f"^.*x{number}.*$"} for number in range(30)]
HANGS = {"type": "object", "properties": {"p": {"allOf": PATTERNS}}, "required": ["p"]}
"""1.6 kB that take minutes and gigabytes."""
GOOD = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
OPTIONAL = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(2000)}}


def asking(schema: Mapping[str, Any], model: str = EMBER) -> dict[str, Any]:
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    return chat(model, response_format=wanted, max_tokens=3)


async def in_thread(work: Callable[[], Any], client: str) -> Any:
    return await asyncio.to_thread(work)


def with_grammars(limits: GrammarLimits, work: Callable[[Grammars], Awaitable[None]]) -> None:
    async def run() -> None:
        base: Any = FakeBase()
        grammars = Grammars(base, in_thread, limits)
        try:
            await work(grammars)
        finally:
            await grammars.close()

    asyncio.run(run())


async def refusal(grammars: Grammars, schema: Mapping[str, Any], client: str = "a") -> str:
    with pytest.raises(ApiError) as refused:
        await grammars.grammar(schema, client)
    assert (refused.value.status, refused.value.body.error.param) == (400, "response_format")
    return refused.value.body.error.message


@pytest.mark.thorough
def test_a_schema_that_takes_too_long_is_refused_and_remembered() -> None:
    async def work(grammars: Grammars) -> None:
        assert "more than 1 seconds" in await refusal(grammars, HANGS)
        begun = time.monotonic()
        assert "more than 1 seconds" in await refusal(grammars, HANGS)
        assert time.monotonic() - begun < 0.5
        assert await grammars.grammar(GOOD, "a")

    with_grammars(GrammarLimits(seconds=1, processes=1), work)


def test_a_schema_that_takes_too_much_memory_is_refused() -> None:
    async def work(grammars: Grammars) -> None:
        assert "more than 8 MiB of memory" in await refusal(grammars, HANGS)
        assert await grammars.grammar(GOOD, "a")

    with_grammars(GrammarLimits(seconds=60, memory_bytes=8 << 20, processes=1), work)


def test_a_schema_is_refused_by_its_size_before_it_is_tried() -> None:
    async def work(grammars: Grammars) -> None:
        exact = json.dumps({"enum": ["x" * 1000]})
        assert "more than" in await refusal(grammars, {"enum": ["x" * 1001]})
        assert await grammars.grammar(json.loads(exact), "a")

    with_grammars(GrammarLimits(schema_bytes=len(json.dumps({"enum": ["x" * 1000]}))), work)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nothing"}, "nothing"),
        (OPTIONAL, "too complex"),
        ({"$ref": "#/nowhere"}, "nowhere"),
        ({"type": "string", "pattern": "("}, "unclosed"),
    ],
    ids=["type", "optional", "ref", "pattern"],
)
def test_schemas_that_no_grammar_follows_are_refused_with_the_reason(schema: Any, words: str) -> None:
    async def work(grammars: Grammars) -> None:
        assert words in await refusal(grammars, schema)

    with_grammars(GrammarLimits(seconds=20), work)


def test_one_client_keeps_no_other_waiting() -> None:
    """It has one schema tried at a time; another client's gets the other process."""

    async def work(grammars: Grammars) -> None:
        hanging = [
            asyncio.create_task(refusal(grammars, {**HANGS, "title": str(number)}, "a"))
            for number in range(5)
        ]
        await asyncio.sleep(0.2)
        assert await grammars.grammar(GOOD, "b")
        assert not any(task.done() for task in hanging)
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)

    with_grammars(GrammarLimits(seconds=30, processes=2), work)


def test_grammars_are_kept_within_their_bytes() -> None:
    size = GRAMMAR_BYTES + BYTES_PER_LETTER * len(json.dumps({**GOOD, "title": "0"}))

    async def work(grammars: Grammars) -> None:
        found = [await grammars.grammar({**GOOD, "title": str(number)}, "a") for number in range(3)]
        assert await grammars.grammar({**GOOD, "title": "2"}, "b") is found[2]
        assert await grammars.grammar({**GOOD, "title": "1"}, "a") is found[1]
        assert await grammars.grammar({**GOOD, "title": "0"}, "a") is not found[0]
        assert await grammars.grammar({**GOOD, "title": "1"}, "a") is found[1]
        assert await grammars.grammar({**GOOD, "title": "2"}, "a") is not found[2]

    with_grammars(GrammarLimits(cache_bytes=2 * size), work)


def test_nothing_is_tried_for_any_json_object() -> None:
    async def work(grammars: Grammars) -> None:
        assert await grammars.grammar({"type": "object"}, "a")

    with_grammars(GrammarLimits(processes=0), work)


def processes(running: Running) -> list[Any]:
    """Of those that try schemas, the ones that run."""
    starts = [one._start for one in running.service.grammars._processes if one._start]
    started = [start.result() for start in starts if start.done()]
    return [process for process in started if process.returncode is None]


@pytest.mark.thorough
@pytest.mark.parametrize("ends", ["client", "time"])
def test_work_ends_with_its_client_or_its_time(world: World, ends: str) -> None:
    limits = Limits(seconds=60 if ends == "client" else 2, grammar=GrammarLimits(seconds=50))
    with serving(world.root, limits=limits) as running, running.client() as client:
        assert client.post("/v1/chat/completions", json=asking(GOOD)).status_code == 200
        (process,) = processes(running)
        if ends == "client":
            with suppress(httpx.ReadTimeout):
                client.post("/v1/chat/completions", json=asking(HANGS), timeout=0.3)
        else:
            answer = client.post("/v1/chat/completions", json=asking(HANGS))
            assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
        until(lambda: process.returncode is not None)
        assert client.post("/v1/chat/completions", json=asking(GOOD)).status_code == 200


@pytest.mark.thorough
def test_others_are_served_while_a_schema_hangs(world: World) -> None:
    limits = Limits(grammar=GrammarLimits(seconds=1))
    with (
        serving(world.root, keys=world.keys, limits=limits) as running,
        running.client(world.ours) as ours,
        running.client(world.theirs) as theirs,
        ThreadPoolExecutor(3) as threads,
    ):
        bodies = [asking({**HANGS, "title": str(number)}) for number in range(3)]
        hanging = [threads.submit(ours.post, "/v1/chat/completions", json=body) for body in bodies]
        time.sleep(0.2)
        assert theirs.post("/v1/chat/completions", json=asking(GOOD, LUMEN)).status_code == 200
        assert theirs.post("/v1/chat/completions", json=chat(LUMEN)).status_code == 200
        assert not all(one.done() for one in hanging)
        answers = [one.result() for one in hanging]
    assert {answer.status_code for answer in answers} == {400}
    assert running.service.engine.rows[0].request.constraints


def test_a_server_leaves_no_process_behind(world: World) -> None:
    with serving(world.root) as running, running.client() as client:
        client.post("/v1/chat/completions", json=asking(GOOD))
        (process,) = processes(running)
    assert process.returncode is not None
