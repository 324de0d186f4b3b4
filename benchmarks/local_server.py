"""A server of a checkout, as a process of its own, for benchmarks that ask it over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "import sys; sys.argv[0] = 'lora-marketing'; from lora_marketing.cli import main; main()"


def brands_of(adapters: Path) -> str:
    """Every brand of a registry, as `keys add --brands` takes them."""
    return ",".join(sorted({path.parts[-3] for path in adapters.glob("*/*/versions")}))


def add_key(name: str, keys: Path, arguments: Sequence[str], package: Path = ROOT) -> str:
    """Make a key with `keys add`; returns what a client sends."""
    run = [sys.executable, "-c", COMMAND, "keys", "add", name, "--keys", str(keys), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    made = subprocess.run(run, capture_output=True, text=True, check=True, env=environment, cwd=package)
    return made.stdout.strip()


@asynccontextmanager
async def served(
    arguments: Sequence[str], log: Path, package: Path = ROOT
) -> AsyncIterator[tuple[str, subprocess.Popen[bytes]]]:
    """`serve` with these arguments, on a free port, once it is ready; afterwards it has ended.

    Raises:
        SystemExit: it ended before it was ready; says what it logged.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    run = [sys.executable, "-c", COMMAND, "serve", "--port", str(port), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    with log.open("wb") as said:
        process = subprocess.Popen(run, stderr=said, env=environment, cwd=package)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client:
            while not await _ready(client, url):
                if process.poll() is not None:
                    raise SystemExit(log.read_text())
                await asyncio.sleep(0.2)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


async def _ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/readyz")).status_code == 200
    except httpx.TransportError:
        return False
