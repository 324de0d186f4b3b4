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
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
COMMAND = "import sys; sys.argv[0] = 'lora-marketing'; from lora_marketing.cli import main; main()"
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
            async with server(package.resolve(), options.adapters, Path(folder), options.base_id) as (
                url,
                key,
            ):
                report[name] = await _measure(url, key, options)
    return report


@asynccontextmanager
async def server(
    package: Path, adapters: Path, folder: Path, base_id: str | None = None
) -> AsyncIterator[tuple[str, str]]:
    """A server of the checkout at `package`, once it is ready, and a key for all brands."""
    environment = {**os.environ, "PYTHONPATH": str(package)}
    run = [sys.executable, "-c", COMMAND]
    keys = folder / "keys.json"
    brands = ",".join(sorted({path.parts[-3] for path in adapters.glob("*/*/versions")}))
    arguments = ["keys", "add", "load", "--brands", brands, "--keys", str(keys)]
    made = subprocess.run(
        [*run, *arguments], capture_output=True, text=True, check=True, env=environment, cwd=folder
    )
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    arguments = ["serve", "--adapters", str(adapters.resolve()), "--keys", str(keys), "--port", str(port)]
    arguments += ["--base-id", base_id] if base_id else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*run, *arguments], stderr=log, env=environment, cwd=package)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client:
            while not await _ready(client, url):
                if process.poll() is not None:
                    raise SystemExit((folder / "log").read_text())
                await asyncio.sleep(0.2)
        yield url, made.stdout.strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


async def _ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


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
