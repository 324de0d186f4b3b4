"""The server as a process: signals, exit codes, and what it writes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.making import ROOT
from tests.serving.conftest import World
from tests.serving.making import chat, until


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.ConnectError:
        return False


@pytest.mark.thorough  # a process of its own has to import torch
def test_a_process_ends_in_good_order(world: World) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    here = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, str(here / "child.py"), str(world.root), str(world.keys), str(port)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"
    until(lambda: answers(url), seconds=300)
    body = chat(text="Go on forever.", max_tokens=30, stream=True)
    headers = {"Authorization": f"Bearer {world.ours}"}
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60) as stream:
        lines = stream.iter_lines()
        next(lines)
        process.send_signal(signal.SIGTERM)
        rest = list(lines)
    out, said = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "")
    assert "data: [DONE]" in rest
    logged = [json.loads(line) for line in said.splitlines()]
    (line,) = [line for line in logged if line.get("endpoint") == "/v1/chat/completions"]
    assert (line["status"], line["tokens"], line["finish"]) == (200, 30, ["length"])
    assert world.ours not in said
    assert "forever" not in said
