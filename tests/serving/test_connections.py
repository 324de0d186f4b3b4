"""Connections: no delay of small answers, a limit of silent and slow ones, and few lines about them."""

from __future__ import annotations

import json
import logging
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from logging.config import dictConfig

import pytest

from lora_marketing.serving.connections import KEPT_FILES, ServerConfig
from lora_marketing.serving.limits import Limits
from lora_marketing.serving.logs import FewRepeats, JsonLines, logging_settings
from tests.serving.conftest import World
from tests.serving.making import FakeEngine, Running, chat, serving, until


def connected(running: Running) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    made = socket.create_connection((host, int(port)))
    made.settimeout(5)
    return made


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side closes it, at the latest in five seconds."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_small_answers_are_sent_at_once(world: World) -> None:
    with serving(world.root) as running, running.client() as client:
        client.get("/healthz")
        (connection,) = running.server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_silent_connections_do_not_keep_others_out(world: World) -> None:
    """Idle ones make room, the oldest first; those that are being answered do not."""
    limits = Limits(connections=5, header_seconds=60)
    with ExitStack() as stack:
        running = stack.enter_context(serving(world.root, FakeEngine(pace=0.02), limits=limits))
        body = chat(text="Go on forever.", max_tokens=1500, stream=True)
        client = stack.enter_context(running.client())
        stream = stack.enter_context(client.stream("POST", "/v1/chat/completions", json=body))
        lines = stream.iter_lines()
        next(lines)
        silent = [stack.enter_context(connected(running)) for _ in range(50)]
        assert all(is_closed(one) for one in silent[:-4])
        assert len(running.server.server_state.connections) <= limits.connections
        with running.client() as other:
            assert other.get("/healthz").status_code == 200
        assert next(line for line in lines if line).startswith("data: ")


def test_a_server_that_is_busy_throughout_refuses_new_connections(world: World) -> None:
    limits = Limits(connections=1)
    with serving(world.root, FakeEngine(pace=0.02), limits=limits) as running, running.client() as client:
        body = chat(text="Go on forever.", max_tokens=1500, stream=True)
        with client.stream("POST", "/v1/chat/completions", json=body) as stream:
            lines = stream.iter_lines()
            next(lines)
            with connected(running) as refused:
                assert is_closed(refused)
            assert next(line for line in lines if line).startswith("data: ")


@pytest.mark.thorough
@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_headers_have_to_come_in_time(world: World, begun: bytes) -> None:
    with serving(world.root, limits=Limits(header_seconds=0.2)) as running, connected(running) as slow:
        slow.sendall(begun)
        assert is_closed(slow)


@pytest.mark.thorough
def test_headers_after_an_answer_have_to_come_in_time_too(world: World) -> None:
    with serving(world.root, limits=Limits(header_seconds=0.2)) as running:
        connection = HTTPConnection(running.url.removeprefix("http://"))
        for _ in range(2):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()
            time.sleep(0.3)  # it may rest between two requests
        slow = connection.sock
        slow.sendall(b"GET /heal")
        assert is_closed(slow)
        connection.close()


@pytest.mark.thorough
def test_an_answer_may_take_longer_than_headers(world: World) -> None:
    limits = Limits(header_seconds=0.1)
    with serving(world.root, FakeEngine(pace=0.02), limits=limits) as running, running.client() as client:
        answer = client.post("/v1/chat/completions", json=chat(text="forever", max_tokens=20))
        assert answer.json()["usage"]["completion_tokens"] == 20


def test_connections_leave_file_handles_to_the_rest() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert ServerConfig(None, Limits(connections=7)).max_connections == 7
    resource.setrlimit(resource.RLIMIT_NOFILE, (KEPT_FILES + 100, hard))
    try:
        assert ServerConfig(None, Limits()).max_connections == 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def logging_as_served() -> Iterator[None]:
    names = ("lora_marketing.serving", "uvicorn", "asyncio")
    before = [(logging.getLogger(name), vars(logging.getLogger(name)).copy()) for name in names]
    dictConfig(logging_settings())
    try:
        yield
    finally:
        for logger, state in before:
            logger.handlers[:] = state["handlers"]
            logger.setLevel(state["level"])
            logger.propagate = state["propagate"]


def test_what_asyncio_says_is_a_few_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """It says the same thousands of times when a process may open no more files."""
    with logging_as_served():
        for number in range(300_000 // 1000):
            logging.getLogger("asyncio").error("socket.accept() out of system resource\nsocket: %s", number)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["socket.accept() out of system resource"] * 10


def test_what_was_left_out_is_counted() -> None:
    now = [0.0]
    few = FewRepeats(2, clock=lambda: now[0])

    def lines(count: int, event: str, level: int = logging.ERROR) -> list[dict[str, object]]:
        records = [logging.LogRecord("x", level, "", 0, event, (), None) for _ in range(count)]
        return [json.loads(JsonLines().format(record)) for record in records if few.filter(record)]

    assert len(lines(5, "full")) == 2
    assert len(lines(1, "other")) == 1
    assert len(lines(5, "request", logging.INFO)) == 5
    now[0] = 60
    assert [line.get("left_out") for line in lines(3, "full")] == [3, None]


@pytest.mark.thorough
def test_a_thousand_silent_connections_are_few_lines(world: World, caplog: pytest.LogCaptureFixture) -> None:
    limits = Limits(connections=10)
    with serving(world.root, limits=limits) as running, ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connected(running))
        until(lambda: len(running.server.server_state.connections) <= 10)
    assert len(caplog.records) < 10


def test_as_many_connections_may_wait_as_files_are_kept() -> None:
    assert ServerConfig(None, Limits()).backlog == KEPT_FILES == 128
