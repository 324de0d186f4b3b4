"""What a caller may ask for, what happens when time is over, and when nobody waits any more."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from lora_marketing.serving.keys import Caller, add_key
from lora_marketing.serving.limits import Limits, RateLimits
from tests.serving.conftest import World
from tests.serving.making import EMBER, LUMEN, FakeEngine, Running, chat, serving, until

ENDLESS = chat(text="Go on forever.", max_tokens=1500)


@pytest.fixture
def slow(world: World) -> Iterator[Running]:
    """Two rows at once, half a second for a request, a third of one for its body."""
    limits = Limits(seconds=0.5, body_seconds=0.3)
    with serving(world.root, FakeEngine(pace=0.01, max_rows=2), limits=limits) as running:
        yield running


def test_tokens_fill_up_evenly() -> None:
    now = [100.0]
    rates = RateLimits(clock=lambda: now[0])
    one, other, free = Caller("a", per_minute=2), Caller("b", per_minute=2), Caller("c")
    assert [rates.take(one) for _ in range(3)] == [0, 0, 30]
    assert rates.take(other) == 0
    assert rates.take(free) == 0
    now[0] += 31
    assert rates.take(one) == 0
    assert 28 < rates.take(one) < 30
    now[0] += 10_000
    assert [rates.take(one) > 0 for _ in range(3)] == [False, False, True]


def test_texts_and_tokens_count_and_not_requests() -> None:
    now = [100.0]
    rates, key = RateLimits(clock=lambda: now[0]), Caller("a", per_minute=60)
    assert (rates.take(key, 40), rates.take(key, 21)) == (0, 1)
    rates.charge(key, 65_999)
    assert rates.take(key) == 46, "it owes 45"
    now[0] += 1000
    assert (rates.take(key), rates.take(key, 500), rates.take(key)) == (0, 0, 442)


@pytest.mark.thorough
def test_the_texts_of_a_request_count(world: World) -> None:
    secret = add_key(world.keys, "few", ["ember"], per_minute=8)
    with serving(world.root, keys=world.keys) as running, running.client(secret) as client:
        body = chat(text="Go on forever.", n=2, max_tokens=1500)
        assert client.post("/v1/chat/completions", json=body).status_code == 200
        refused = client.post("/v1/chat/completions", json=chat(n=4))  # 2 texts and 3,000 tokens: 5 of 8
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert client.post("/v1/chat/completions", json=chat(n=2)).status_code == 200


@pytest.mark.thorough
def test_a_key_fills_its_own_queue_and_has_its_own_requests(world: World) -> None:
    engine = FakeEngine(pace=0.01, max_rows=2)
    with (
        serving(world.root, engine, world.keys, Limits(queue=3, seconds=1.5, requests=2)) as running,
        running.client(world.ours) as ours,
        running.client(world.theirs) as theirs,
        ThreadPoolExecutor(2) as threads,
    ):
        asking = [threads.submit(ours.post, "/v1/chat/completions", json={**ENDLESS, "n": 2}) for _ in "ab"]
        until(lambda: running.service.worker.open_rows == 4)
        answer = ours.post("/v1/chat/completions", json=chat())
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_requests")
        mine = threads.submit(theirs.post, "/v1/chat/completions", json=chat(LUMEN, n=5))
        until(lambda: running.service.worker.open_rows_of(running.service.caller(world.theirs).id) == 5)
        assert {one.result().status_code for one in (*asking, mine)} <= {200, 504}
        assert ours.post("/v1/chat/completions", json=chat()).status_code == 200


def test_too_many_requests(world: World) -> None:
    secret = add_key(world.keys, "few", ["ember"], per_minute=2)
    with serving(world.root, keys=world.keys) as running:
        with running.client(secret) as client:
            answers = [client.get("/v1/models") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert 25 <= int(answers[2].headers["retry-after"]) <= 31
            assert client.get("/healthz").status_code == 200
        with running.client(world.ours) as client:
            assert client.get("/v1/models").status_code == 200


@pytest.mark.thorough
def test_the_queue_has_an_end(world: World) -> None:
    """Two rows at once, three may wait."""
    engine = FakeEngine(pace=0.01, max_rows=2)
    with (
        serving(world.root, engine, limits=Limits(queue=3, seconds=2)) as running,
        running.client() as client,
        ThreadPoolExecutor(5) as threads,
    ):
        asking = [threads.submit(client.post, "/v1/chat/completions", json=ENDLESS) for _ in range(5)]
        until(lambda: running.service.worker.open_rows == 5)
        answer = client.post("/v1/chat/completions", json=chat())
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) >= 1
        assert {one.result().status_code for one in asking} == {504}
        assert client.post("/v1/chat/completions", json=chat(n=6)).json()["error"]["code"] == "too_many_rows"


@pytest.mark.thorough
def test_time_is_over(slow: Running) -> None:
    with slow.client() as client:
        for path in ("/v1/chat/completions", "/v1/completions"):
            body = ENDLESS if "chat" in path else {"model": EMBER, "prompt": "forever", "max_tokens": 1500}
            answer = client.post(path, json={**body, "n": 2})
            assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
        until(lambda: slow.engine.cancelled == 4)
        with client.stream("POST", "/v1/chat/completions", json={**ENDLESS, "stream": True}) as stream:
            lines = [line for line in stream.iter_lines() if line]
        assert stream.status_code == 200
        assert json.loads(lines[-1].removeprefix("data: "))["error"]["code"] == "timeout"
        until(lambda: slow.engine.cancelled == 5)
    assert slow.service.worker.open_rows == 0
    assert slow.engine.unfinished()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_is_not_written_for(world: World, stream: bool) -> None:
    engine = FakeEngine(pace=0.005)
    with serving(world.root, engine) as running:
        url, body = httpx.URL(running.url), json.dumps({**ENDLESS, "stream": stream, "n": 2})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {url.host}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((url.host, url.port or 80), timeout=60) as leaving:
            leaving.sendall((head + body).encode())
            until(lambda: running.service.worker.open_rows == 2)
            if stream:
                assert leaving.recv(100).startswith(b"HTTP/1.1 200")
        until(lambda: engine.cancelled == 2)
        assert engine.unfinished()
        until(lambda: running.service.worker.open_rows == 0)
        with running.client() as client:
            page = client.get("/metrics").text
        assert 'request_seconds_count{endpoint="/v1/chat/completions",status="499"} 1.0' in page


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_are_not_read(world: World, chunked: bool) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 100

    with serving(world.root, limits=Limits(body_bytes=2000)) as running, running.client() as client:
        content = pieces() if chunked else b"".join(pieces())
        answer = client.post("/v1/chat/completions", content=content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
        assert client.post("/v1/chat/completions", json=chat()).status_code == 200


@pytest.mark.thorough
def test_slow_bodies_are_not_waited_for(slow: Running) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"{"
        time.sleep(0.6)
        yield b"}"

    with slow.client() as client:
        assert client.post("/v1/chat/completions", content=pieces()).status_code == 408


def test_a_text_takes_what_is_left_of_the_context(world: World) -> None:
    engine = FakeEngine(context=100)
    with serving(world.root, engine) as running, running.client() as client:
        answer = client.post("/v1/chat/completions", json=chat(text="forever"))
        assert answer.json()["usage"]["total_tokens"] == 100
        answer = client.post("/v1/completions", json={"model": EMBER, "prompt": ""})
        assert answer.json()["error"]["code"] == "empty_prompt"
        answer = client.post("/v1/completions", json={"model": EMBER, "prompt": [10**9]})
        assert answer.json()["error"]["param"] == "prompt"


def test_figures(world: World) -> None:
    with serving(world.root) as running, running.client() as client:
        used = client.post("/v1/chat/completions", json=chat(n=2)).json()["usage"]
        client.get("/no/such/path")
        page = client.get("/metrics").text
    assert f"lora_marketing_tokens_written_total {used['completion_tokens']}.0" in page
    assert "lora_marketing_first_token_seconds_count 1.0" in page
    assert 'request_seconds_count{endpoint="/v1/chat/completions",status="200"} 1.0' in page
    assert 'request_seconds_count{endpoint="other",status="404"} 1.0' in page
    for name in ("rows_waiting", "rows_running", "batch_fill", "prefix_hit_rate", "adapters_resident"):
        assert f"lora_marketing_{name} 0.0" in page
