"""Texts of requests are checked apart from the server and from other clients, and what fails is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.brands.brand import Brief
from lora_marketing.registry import AdapterName, AdapterRef, Registry
from lora_marketing.registry.version import Version
from lora_marketing.serving.errors import ApiError
from lora_marketing.serving.guard_pool import GuardPool, guard_processes
from lora_marketing.serving.guard_process import CheckJob, CheckResult, Checks
from lora_marketing.serving.limits import GuardLimits
from tests.serving.conftest import World
from tests.serving.making import BRIEF, EMBER, LUMEN, Here, publish, serving

MADE = Brief(**BRIEF)


@dataclass
class Waits:
    """Answers when it may; `asked` are the texts that it began with."""

    may: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    answer: bytes = CheckResult().model_dump_json().encode()
    fails: bool = False

    async def start(self) -> None: ...

    async def end(self) -> None: ...

    async def ask(self, line: bytes, seconds: float) -> bytes:
        text = json.loads(line)["text"]
        self.asked.append(text)
        if text.startswith("slow"):
            async with asyncio.timeout(seconds):
                await self.may.wait()
        return self.answer


@pytest.fixture
def version(world: World) -> Version:
    return Registry(world.root).resolve(AdapterRef(AdapterName(*EMBER.split("/"))))


async def told(work: Awaitable[Any]) -> tuple[int, str]:
    with pytest.raises(ApiError) as refused:
        await work
    return refused.value.status, refused.value.body.error.code or ""


def test_one_client_keeps_no_other_waiting(version: Version) -> None:
    async def work() -> None:
        one, other = Waits(), Waits()
        pool = GuardPool([one, other], GuardLimits())
        slow = [
            asyncio.create_task(pool.checked_text(version, MADE, f"slow {number}", "a"))
            for number in range(9)
        ]
        await asyncio.sleep(0)
        await asyncio.wait_for(pool.checked_text(version, MADE, "quick", "b"), 5)
        assert sorted([*one.asked, *other.asked]) == ["quick", "slow 0"]
        one.may.set()
        other.may.set()
        await asyncio.gather(*slow)

    asyncio.run(work())


def test_what_takes_too_long_or_ends_the_process_is_told(version: Version) -> None:
    async def work() -> None:
        pool = GuardPool([Waits()], GuardLimits(seconds=0))
        assert await told(pool.checked_text(version, MADE, "slow", "a")) == (503, "too_slow_to_check")
        assert await pool.checked_text(version, MADE, "quick", "a")
        pool = GuardPool([Waits(answer=b"")], GuardLimits())
        assert await told(pool.checked_text(version, MADE, "x", "a")) == (503, "too_slow_to_check")

    asyncio.run(work())


def test_a_guard_that_fails_is_an_error_of_its_request(
    world: World, version: Version, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = MADE.model_copy(update={"channel": "nowhere"})
    job = CheckJob(adapter=EMBER, digest=version.digest, brief=unknown, text="what a client wrote")
    found = Checks(Registry(world.root)).result(job)
    assert (found.fault or "").startswith("UnknownName, ")

    async def work() -> None:
        pool = GuardPool([Here(world.root)], GuardLimits())
        asked = pool.checked_text(version, unknown, "what a client wrote", "a")
        assert await told(asked) == (500, "internal_error")
        assert (await pool.checked_text(version, MADE, "A miracle.", "a")).verdict != "pass"

    asyncio.run(work())
    assert "a guard failed: UnknownName" in caplog.text
    assert "client wrote" not in caplog.text


def check(text: str, model: str = EMBER, **more: Any) -> dict[str, Any]:
    return {"model": model, "brief": {**BRIEF, **more}, "text": text}


def test_a_text_is_checked_against_the_brand_and_the_channel(world: World) -> None:
    known = "basil fern glow dune amber hazel elder cedar fern and basil"
    publish(world.root, EMBER, "two", known=[known])
    with serving(world.root, keys=world.keys) as running, running.client(world.ours) as client:
        answer = client.post("/v1/check", json=check("Soap , and a miracle.")).json()
        assert (answer["model"], answer["verdict"], answer["text"]) == (
            EMBER,
            "block",
            "Soap, and a miracle.",
        )
        assert "terms.banned" in [one["rule"] for one in answer["findings"]]
        assert client.post("/v1/check", json=check("It floats")).json()["verdict"] == "pass"
        rules = [one["rule"] for one in client.post("/v1/check", json=check(known)).json()["findings"]]
        assert "regurgitation.whole" in rules
        assert client.post("/v1/check", json=check("x", LUMEN)).status_code == 404
        wrong = client.post("/v1/check", json=check("x", field="subject"))
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "brief")


def test_a_text_does_not_ask_who_the_clients_are(world: World) -> None:
    with serving(world.root, keys=world.keys) as running, running.client(world.ours) as client:
        one, other = (client.post("/v1/check", json=check(name)).json() for name in ("Lumen", "Lumon"))
        assert (one["findings"], one["verdict"]) == (other["findings"], other["verdict"])


def test_too_large_texts_are_refused_by_their_bytes(world: World) -> None:
    most = GuardLimits().text_bytes
    with serving(world.root) as running, running.client() as client:
        for body in (check("山" * (most // 3 + 1)), check("x", notes="x" * most)):
            answer = client.post("/v1/check", json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "text_too_large")
            assert f"{most:,}" in answer.json()["error"]["message"]


@pytest.mark.thorough  # two processes have to start
def test_the_processes_answer_as_the_guards_do(world: World, version: Version) -> None:
    async def work() -> None:
        pool = GuardPool(guard_processes(world.root, GuardLimits()), GuardLimits())
        here = GuardPool([Here(world.root)], GuardLimits())
        await pool.start()
        for text in ("A miracle , and €5 off", "-" * 50_000, "山" * 20_000):
            found = await pool.checked_text(version, MADE, text, "a")
            assert found == await here.checked_text(version, MADE, text, "a")
        await pool.close()

    asyncio.run(work())


def test_readiness_looks_at_the_processes(world: World) -> None:
    with serving(world.root, guards=[Waits(fails=True)]) as running, running.client() as client:
        assert client.get("/readyz").json()["reasons"] == ["the processes that check texts do not start"]
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/models").status_code == 200


def test_where_the_registry_lies_is_told_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (process,) = guard_processes(Path("adapters"), GuardLimits(processes=1))
    assert json.loads(process._setup())["registry"] == str(tmp_path / "adapters")
