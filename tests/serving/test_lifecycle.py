"""How a server ends: in good order, or because its engine failed. Nobody is left hanging."""

from __future__ import annotations

import json
import logging
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from lora_marketing.serving.logs import JsonLines
from tests.serving.conftest import World
from tests.serving.making import FakeEngine, chat, serving, until

ENDLESS = chat(text="Go on forever.", max_tokens=1500)
SHORT = chat(text="Go on forever.", max_tokens=40)


def test_running_requests_end_and_new_ones_are_refused(world: World) -> None:
    engine = FakeEngine(pace=0.2)
    with (
        serving(world.root, engine, grace=60) as running,
        running.client() as client,
        ThreadPoolExecutor(4) as threads,
    ):
        asking = [
            threads.submit(client.post, "/v1/chat/completions", json={**SHORT, "stream": stream})
            for stream in (False, True, False)
        ]
        until(lambda: running.service.worker.open_rows == 3)
        running.server.handle_exit(signal.SIGTERM, None)
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["reasons"]) == (503, ["stopping"])
        assert client.get("/healthz").status_code == 200
        refused = client.post("/v1/chat/completions", json=chat())
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        engine.pace = 0
        answers = [one.result() for one in asking]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert answers[1].text.endswith("data: [DONE]\n\n")
        assert answers[0].json()["usage"]["completion_tokens"] == 40
        running.thread.join(60)
        assert not running.thread.is_alive()
        assert not running.service.worker.alive


def test_what_does_not_end_in_time_is_told(world: World) -> None:
    engine = FakeEngine(pace=0.01)
    with (
        serving(world.root, engine, grace=0.2) as running,
        running.client() as client,
        ThreadPoolExecutor(2) as threads,
    ):
        asking = [
            threads.submit(client.post, "/v1/chat/completions", json={**ENDLESS, "stream": stream})
            for stream in (False, True)
        ]
        until(lambda: running.service.worker.open_rows == 2)
        running.server.handle_exit(signal.SIGTERM, None)
        whole, stream = (one.result() for one in asking)
        assert (whole.status_code, whole.json()["error"]["code"]) == (503, "stopping")
        last = stream.text.strip().split("\n")[-1]
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "stopping"
        running.thread.join(60)
        assert not running.thread.is_alive()
        assert engine.unfinished()


def test_a_second_signal_does_not_wait(world: World) -> None:
    with serving(world.root, FakeEngine(pace=0.01)) as running, ThreadPoolExecutor(1) as threads:
        client = running.client()
        asking = threads.submit(client.post, "/v1/chat/completions", json=ENDLESS)
        until(lambda: running.service.worker.open_rows == 1)
        running.server.handle_exit(signal.SIGTERM, None)
        running.server.handle_exit(signal.SIGTERM, None)
        running.thread.join(60)
        assert not running.thread.is_alive()
        assert asking.exception() or asking.result().status_code >= 500
        client.close()


def test_an_engine_that_fails_takes_the_server_with_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine(pace=0.01)
    with (
        serving(world.root, engine) as running,
        running.client() as client,
        ThreadPoolExecutor(2) as threads,
    ):
        asking = [
            threads.submit(client.post, "/v1/chat/completions", json={**ENDLESS, "stream": stream})
            for stream in (False, True)
        ]
        until(lambda: running.service.worker.open_rows == 2)
        engine.broken = True
        whole, stream = (one.result() for one in asking)
        assert (whole.status_code, whole.json()["error"]["code"]) == (500, "internal_error")
        assert "internal_error" in stream.text
        assert "CUDA" not in whole.text + stream.text
        running.thread.join(60)
        assert not running.thread.is_alive()
        assert running.service.engine_failed
    told = next(record for record in caplog.records if record.levelno == logging.CRITICAL)
    line = json.loads(JsonLines().format(told))
    assert line["error"] == "RuntimeError: CUDA error"
    assert "in step" in line["traceback"]


def test_a_failed_engine_is_seen(world: World) -> None:
    """Between the fault and the end of the process."""
    engine = FakeEngine(broken=True)
    with serving(world.root, engine) as running, running.client() as client:
        running.service.on_failure = lambda: None
        assert client.post("/v1/chat/completions", json=chat()).status_code == 500
        assert client.get("/healthz").status_code == 503
        assert client.get("/readyz").json()["reasons"] == ["the engine does not run"]
        assert client.post("/v1/chat/completions", json=chat()).status_code == 500
