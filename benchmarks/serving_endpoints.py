"""Requests per second and the time of each, of /healthz, /v1/models, /v1/check and /v1/copy.

    python benchmarks/serving_endpoints.py --adapters adapters --seconds 10
    python benchmarks/serving_endpoints.py --package ../older-checkout   # before and after
    python benchmarks/serving_endpoints.py --url http://127.0.0.1:8000 --key lm-...

With `--package` the same requests go to a server of that checkout first, then to one of this one. An endpoint
that a server does not have is shown with the status that it answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from local_server import ROOT, add_key, brands_of, served

BRIEF = {"product": "House Blend", "channel": "sms", "field": "text", "attributes": {"weight": "250 g"}}
TEXT = "Dark roast. Cocoa, then molasses. 250 g of it. The bus won't wait."


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--adapters", type=Path, default=ROOT / "adapters")
    parser.add_argument("--base-id", help="where the base lies, if not where the recipes say")
    parser.add_argument("--package", type=Path, help="another checkout, measured before this one")
    parser.add_argument("--url", help="a server that runs, instead of one that is started")
    parser.add_argument("--key", help="its key, if it has any")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10, help="for each endpoint")
    parser.add_argument("--out", type=Path, help="write the figures as JSON, too")
    options = parser.parse_args()
    report = asyncio.run(_all(options))
    for name, figures in report.items():
        sys.stdout.write(f"{name}\n")
        for path, one in figures.items():
            times = f"p50 {one['p50_ms']:>8} ms   p95 {one['p95_ms']:>8} ms"
            sys.stdout.write(f"  {path:12} {one['per_second']:>8} a second   {times}   {one['statuses']}\n")
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


async def _all(options: argparse.Namespace) -> dict[str, Any]:
    if options.url:
        return {options.url: await _measure(options.url, options.key, options)}
    report = {}
    packages = {"before": options.package} if options.package else {}
    for name, package in {**packages, "now": ROOT}.items():
        with TemporaryDirectory() as folder:
            report[name] = await _measured_at(package.resolve(), Path(folder), options)
    return report


async def _measured_at(package: Path, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    adapters, keys = options.adapters.resolve(), folder / "keys.json"
    key = add_key("load", keys, ["--brands", brands_of(adapters)], package)
    arguments = ["--adapters", str(adapters), "--keys", str(keys)]
    arguments += ["--base-id", options.base_id] if options.base_id else []
    async with served(arguments, folder / "log", package) as (url, _):
        return await _measure(url, key, options)


async def _measure(url: str, key: str | None, options: argparse.Namespace) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=options.clients)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=180, limits=limits) as client:
        model = (await client.get("/v1/models")).json()["data"][0]["id"]
        asked: dict[str, dict[str, Any] | None] = {
            "/healthz": None,
            "/v1/models": None,
            "/v1/check": {"model": model, "brief": BRIEF, "text": TEXT},
            "/v1/copy": {"model": model, "brief": BRIEF, "seed": 1, "max_tokens": 32},
        }
        return {path: await _endpoint(client, path, body, options) for path, body in asked.items()}


async def _endpoint(
    client: httpx.AsyncClient, path: str, body: Mapping[str, Any] | None, options: argparse.Namespace
) -> dict[str, Any]:
    times: list[float] = []
    statuses: Counter[str] = Counter()

    async def ask() -> None:
        begun = time.monotonic()
        answer = await (client.get(path) if body is None else client.post(path, json=body))
        times.append(time.monotonic() - begun)
        statuses[str(answer.status_code)] += 1

    async def ask_again_and_again() -> None:
        while time.monotonic() < end:
            await ask()

    await ask()  # what is read at the first use
    times.clear()
    begun = time.monotonic()
    end = begun + options.seconds
    await asyncio.gather(*(ask_again_and_again() for _ in range(options.clients)))
    return {
        "per_second": round(len(times) / (time.monotonic() - begun), 1),
        "p50_ms": _share(times, 0.5),
        "p95_ms": _share(times, 0.95),
        "statuses": dict(statuses),
    }


def _share(times: Sequence[float], share: float) -> float:
    """Milliseconds that so large a share of all takes at most."""
    return round(sorted(times)[min(len(times) - 1, int(share * len(times)))] * 1000, 1)


if __name__ == "__main__":
    main()
