"""One hostile key beside seven honest ones: what the honest ones notice, /healthz, and memory.

    python benchmarks/hostile.py --adapters adapters --seconds 60

First the honest keys alone, then with one that sends everything that costs: many long rows, huge bodies,
hanging schemas, texts of dashes, silent connections, requests that are given up. It sends from a process of
its own, of low priority, as its work would not be done on the server's machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from local_server import ROOT, add_key, brands_of, served

HANGS = {"type": "object", "properties": {"p": {"allOf": [{"pattern": f"^.*x{n}.*$"} for n in range(30)]}}}
DASHES = "-" * 120_000
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Phase:
    """What was seen while one phase ran. Seconds; mebibytes; answers by status."""

    honest: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    hostile: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, Any]:
        """Shares, and what they are of."""
        return {
            "honest_p50": share(self.honest, 0.5),
            "honest_p95": share(self.honest, 0.95),
            "healthz_p95": share(self.health, 0.95),
            "healthz_most": share(self.health, 1),
            "memory_mib": (round(self.memory[0]), round(max(self.memory))),
            "statuses": dict(self.statuses),
            "hostile": dict(self.hostile),
        }


def share(values: Sequence[float], part: float) -> float:
    """The value that so large a part of all stays below."""
    return round(sorted(values)[min(len(values) - 1, int(part * len(values)))], 4) if values else 0.0


async def run_phase(url: str, honest: Sequence[str], hostile: str | None, seconds: float, pid: int) -> Phase:
    """Let everybody ask for so many seconds."""
    phase, end = Phase(), time.monotonic() + seconds
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        answer = await client.get("/v1/models", headers=_headed(honest[0]))
        model = answer.json()["data"][0]["id"]
        work = [_honest(client, model, key, end, phase, number) for number, key in enumerate(honest)]
        work += [_watch(client, pid, end, phase)]
        if hostile is None:
            await asyncio.gather(*work)
            return phase
        attacker = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--attack", url, model, hostile, str(seconds), stdout=subprocess.PIPE
        )
        said, *_ = await asyncio.gather(attacker.communicate(), *work)
        phase.hostile.update(json.loads(said[0]))
    return phase


async def attack(url: str, model: str, key: str, seconds: float) -> Counter[str]:
    """Send all attacks, each again and again, for so many seconds. Returns what they were answered."""
    answered: Counter[str] = Counter()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(_again(one, url, model, key, answered) for one in ATTACKS))
    return answered


def _headed(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def _honest(
    client: httpx.AsyncClient, model: str, key: str, end: float, phase: Phase, number: int
) -> None:
    turn = number
    while time.monotonic() < end:
        turn += 1
        chat = [{"role": "user", "content": f"Line {turn} of {number}, please."}]
        body = {"model": model, "messages": chat, "max_tokens": 8}
        begun = time.monotonic()
        answer = await client.post("/v1/chat/completions", json=body, headers=_headed(key))
        phase.honest.append(time.monotonic() - begun)
        phase.statuses[str(answer.status_code)] += 1
        await asyncio.sleep(0.1)


async def _watch(client: httpx.AsyncClient, pid: int, end: float, phase: Phase) -> None:
    while time.monotonic() < end:
        begun = time.monotonic()
        await client.get("/healthz")
        phase.health.append(time.monotonic() - begun)
        phase.memory.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20)
        await asyncio.sleep(0.05)


async def _again(
    sent: Callable[[httpx.AsyncClient, str], Awaitable[str]],
    url: str,
    model: str,
    key: str,
    answered: Counter[str],
) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60, headers=_headed(key)) as client:
        while True:
            with suppress(httpx.TransportError):
                answered[f"{sent.__name__} {await sent(client, model)}"] += 1
            await asyncio.sleep(0.02)


def _chat(model: str, text: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


async def rows(client: httpx.AsyncClient, model: str) -> str:
    body = _chat(model, "Go on forever.", n=57, max_tokens=1000)
    return str((await client.post("/v1/chat/completions", json=body)).status_code)


async def given_up(client: httpx.AsyncClient, model: str) -> str:
    body = _chat(model, "Go on forever. " * 50, n=20, max_tokens=500)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            return str((await client.post("/v1/chat/completions", json=body)).status_code)
    return "left"


async def huge(client: httpx.AsyncClient, model: str) -> str:
    return str((await client.post("/v1/chat/completions", json=_chat(model, "x " * 500_000))).status_code)


async def values(client: httpx.AsyncClient, model: str) -> str:
    content = b"[" + b"[]," * 300_000 + b"[]]"
    kind = {"Content-Type": "application/json"}
    return str((await client.post("/v1/chat/completions", content=content, headers=kind)).status_code)


async def schema(client: httpx.AsyncClient, model: str) -> str:
    named = {"name": "a", "schema": {**HANGS, "title": str(time.monotonic())}}
    body = _chat(model, "x", response_format={"type": "json_schema", "json_schema": named})
    return str((await client.post("/v1/chat/completions", json=body)).status_code)


async def dashes(client: httpx.AsyncClient, model: str) -> str:
    brief = {"product": "Bar", "channel": "sms", "field": "text"}
    body = {"model": model, "brief": brief, "text": DASHES[:90_000]}
    return str((await client.post("/v1/check", json=body)).status_code)


async def dashed_brief(client: httpx.AsyncClient, model: str) -> str:
    brief = {"product": "Bar", "channel": "sms", "field": "text", "notes": DASHES}
    return str((await client.post("/v1/copy", json={"model": model, "brief": brief})).status_code)


async def silent(client: httpx.AsyncClient, model: str) -> str:
    opened = [await asyncio.open_connection(client.base_url.host, client.base_url.port) for _ in range(30)]
    await asyncio.sleep(1)
    for _, writer in opened:
        writer.close()
    return "closed"


ATTACKS = (rows, rows, given_up, huge, values, schema, dashes, dashed_brief, silent)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--adapters", type=Path, default=ROOT / "adapters")
    parser.add_argument("--base-id", help="where the base lies, if not where the recipes say")
    parser.add_argument("--seconds", type=float, default=60, help="for each of the two phases")
    parser.add_argument("--attack", nargs=4, metavar=("URL", "MODEL", "KEY", "SECONDS"))
    options = parser.parse_args()
    if options.attack:
        os.nice(10)
        url, model, key, seconds = options.attack
        sys.stdout.write(json.dumps(asyncio.run(attack(url, model, key, float(seconds)))))
        return
    with TemporaryDirectory() as folder:
        sys.stdout.write(json.dumps(asyncio.run(_measure(options, Path(folder))), indent=1) + "\n")


async def _measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    adapters, keys = options.adapters.resolve(), folder / "keys.json"
    allowed = ["--brands", brands_of(adapters)]
    made = [add_key(f"key{number}", keys, allowed) for number in range(8)]
    arguments = ["--adapters", str(adapters), "--keys", str(keys), "--grace", "5"]
    arguments += ["--base-id", options.base_id] if options.base_id else []
    async with served(arguments, folder / "log") as (url, process):
        alone = await run_phase(url, made[1:], None, options.seconds, process.pid)
        beside = await run_phase(url, made[1:], made[0], options.seconds, process.pid)
        begun = time.monotonic()
    return {
        "alone": alone.figures(),
        "beside_a_hostile_key": beside.figures(),
        "seconds_to_end": round(time.monotonic() - begun, 1),
    }


if __name__ == "__main__":
    main()
