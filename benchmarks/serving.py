"""The server under load: many clients, many brands, for a while, from the network's point of view.

    python benchmarks/serving.py --adapters adapters --clients 32 --brands 8 --seconds 300

Starts `lora-marketing serve` on the registry, with a key for its brands. Every client asks one brand
after the other for a streamed chat, at once again when it has its answer. Figures: requests, errors by
status, time to first token, tokens per second, and the resident memory of the server over time. With
--canaries FILE (JSON: brand/line to a word that only this adapter writes), every answer is searched
for the words of the other adapters.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from local_server import ROOT, add_key, brands_of, served

PROMPTS = ("Write one headline for our new arrival.", "Write one line for the weekend.", "Say why it lasts.")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Seen:
    """What the clients saw together."""

    statuses: Counter[str] = field(default_factory=Counter)
    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    tokens: int = 0
    crossed: list[str] = field(default_factory=list)
    own_words: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--adapters", type=Path, default=ROOT / "adapters")
    parser.add_argument("--base-id", help="where the base lies, if not where the recipes say")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--brands", type=int, default=8, help="adapters asked for, at most")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--max-tokens", type=int, default=40)
    parser.add_argument("--max-rows", type=int, default=32)
    parser.add_argument("--canaries", type=Path, help="JSON: brand/line to a word only it writes")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/serving.json")
    options = parser.parse_args()
    canaries = json.loads(options.canaries.read_text()) if options.canaries else {}
    with TemporaryDirectory() as folder:
        report = asyncio.run(_measure(options, canaries, Path(folder) / "keys.json"))
    print(json.dumps({key: value for key, value in report.items() if key != "memory_mib"}, indent=1))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")


async def _measure(options: argparse.Namespace, canaries: Mapping[str, str], keys: Path) -> dict[str, object]:
    adapters = options.adapters.resolve()
    allowed = ["--brands", brands_of(adapters), "--scopes", "models,chat,operations"]
    key = add_key("load", keys, allowed)
    arguments = ["--adapters", str(adapters), "--keys", str(keys)]
    arguments += ["--max-rows", str(options.max_rows), "--queue", str(4 * options.clients)]
    arguments += ["--base-id", options.base_id] if options.base_id else []
    seen = Seen()
    async with served(arguments, keys.with_suffix(".log")) as (url, process):
        headers = {"Authorization": f"Bearer {key}"}
        limits = httpx.Limits(max_connections=options.clients + 2)
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=180, limits=limits) as client:
            cards = (await client.get("/v1/models")).json()["data"]
            models = [card["id"] for card in cards if "@" not in card["id"]][: options.brands]
            if not models:
                raise SystemExit("the server has no models")
            begun = time.monotonic()
            end = begun + options.seconds
            watching = asyncio.create_task(_watch(process.pid, seen, begun))
            asking = [
                _ask(client, number, models, end, options, canaries, seen)
                for number in range(options.clients)
            ]
            await asyncio.gather(*asking)
            seconds = time.monotonic() - begun
            watching.cancel()
            page = (await client.get("/metrics")).text
    return _report(options, models, seen, seconds, page)


async def _ask(
    client: httpx.AsyncClient,
    number: int,
    models: Sequence[str],
    end: float,
    options: argparse.Namespace,
    canaries: Mapping[str, str],
    seen: Seen,
) -> None:
    """One client: ask, read to the end, ask again."""
    turn = number
    while time.monotonic() < end:
        model, begun = models[turn % len(models)], time.monotonic()
        body = {
            "model": model,
            "messages": [{"role": "user", "content": PROMPTS[turn % len(PROMPTS)]}],
            "max_tokens": options.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        turn += 1
        try:
            async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                status = str(answer.status_code)
                text = await _read(answer, begun, seen) if status == "200" else ""
        except httpx.TransportError as error:
            status, text = type(error).__name__, ""
        seen.statuses[status] += 1
        seen.whole.append(time.monotonic() - begun)
        crossed = [name for name, word in canaries.items() if name != model and word in text]
        seen.own_words += canaries.get(model, "\0") in text
        seen.crossed += [f"{model} wrote the word of {name}" for name in crossed]
        if status != "200":
            await asyncio.sleep(0.2)


async def _read(answer: httpx.Response, begun: float, seen: Seen) -> str:
    text, waiting = "", True
    async for line in answer.aiter_lines():
        if not line.startswith("data: {"):
            continue
        chunk = json.loads(line.removeprefix("data: "))
        if "error" in chunk:
            seen.statuses[f"in stream: {chunk['error']['code']}"] += 1
            break
        for choice in chunk["choices"]:
            text += choice["delta"].get("content", "")
        if waiting:
            waiting = False
            seen.first.append(time.monotonic() - begun)
        seen.tokens += (chunk.get("usage") or {}).get("completion_tokens", 0)
    return text


async def _watch(pid: int, seen: Seen, begun: float) -> None:
    """The server's resident memory, once a second."""
    while True:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        seen.memory.append((round(time.monotonic() - begun, 1), round(pages * PAGE / 2**20, 1)))
        await asyncio.sleep(1)


def _report(
    options: argparse.Namespace, models: Sequence[str], seen: Seen, seconds: float, page: str
) -> dict[str, object]:
    lines = [line for line in page.splitlines() if not line.startswith("#") and "{" not in line]
    figures = dict(line.rsplit(" ", 1) for line in lines)
    return {
        "clients": options.clients,
        "models": len(models),
        "seconds": round(seconds, 1),
        "requests": sum(count for status, count in seen.statuses.items() if "stream" not in status),
        "statuses": dict(seen.statuses),
        "first_token_seconds": {"p50": _share(seen.first, 0.5), "p95": _share(seen.first, 0.95)},
        "request_seconds": {"p50": _share(seen.whole, 0.5), "p95": _share(seen.whole, 0.95)},
        "tokens_per_second": round(seen.tokens / seconds, 1),
        "answers_with_their_own_word": seen.own_words,
        "crossed": seen.crossed,
        "prefix_hit_rate": float(figures["lora_marketing_prefix_hit_rate"]),
        "adapter_loads": float(figures["lora_marketing_adapter_loads_total"]),
        "memory_mib": seen.memory,
    }


def _share(values: Sequence[float], share: float) -> float | None:
    """The value that so large a share of all stays below."""
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 4) if values else None


if __name__ == "__main__":
    main()
