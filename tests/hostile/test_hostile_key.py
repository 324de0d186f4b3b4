"""One hostile key beside seven honest ones, against a process: the honest ones hardly notice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lora_marketing.engine.base import load_base
from lora_marketing.registry import AdapterName, Registry
from lora_marketing.serving.keys import add_key
from tests.engine.making import base_folder, save_adapters, section
from tests.making import ROOT
from tests.registry.making import manifest
from tests.serving.making import EMBER, profile, until
from tests.serving.test_engine import publishable
from tests.serving.test_process import answers

sys.path.append(str(ROOT / "benchmarks"))

from hostile import run_phase, share

SECONDS = 6.0


@pytest.mark.thorough  # a process has to start, and both phases take seconds
def test_seven_honest_keys_hardly_notice_a_hostile_one(tmp_path: Path) -> None:
    base = load_base(section(base_folder("llama", tmp_path / "base")))
    made = save_adapters(base, tmp_path / "made")["plain"]
    (made / "README.md").write_text("# made\n")
    name = AdapterName(*EMBER.split("/"))
    described = manifest(name, recipe=profile(EMBER), base=base.pin)
    Registry(tmp_path / "adapters").publish(name, publishable(made, tmp_path / "one"), described, "prod")
    keys = [add_key(tmp_path / "keys.json", f"key{number}", ["ember"]) for number in range(8)]
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    child = Path(__file__).parent / "hostile_child.py"
    places = [tmp_path / "base", tmp_path / "adapters", tmp_path / "keys.json"]
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, str(child), *map(str, places), str(port)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=log,
    )
    url = f"http://127.0.0.1:{port}"
    until(lambda: answers(url), seconds=300)
    alone = asyncio.run(run_phase(url, keys[1:], None, SECONDS, process.pid))
    beside = asyncio.run(run_phase(url, keys[1:], keys[0], SECONDS, process.pid))
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    ended = time.monotonic() - begun
    log.close()
    said = {"alone": alone.figures(), "beside": beside.figures(), "ended": ended}
    # the machine that tests run on is shared, and the attackers take their time of it, too: what is
    # asked here is far from what a queue without turns gives, and benchmarks/hostile.py has the figures
    sys.stdout.write(json.dumps(said))
    assert set(beside.statuses) == {"200"}, said
    assert share(beside.honest, 0.95) <= 3 * share(alone.honest, 0.95) + 0.5, said
    assert share(beside.health, 0.95) <= 3 * share(alone.health, 0.95) + 0.1, said
    assert max(beside.memory) <= max(alone.memory) + 400, said
    assert ended < 3 + 9, said
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert len(lines) < 5000
    assert process.returncode == 0
    for line in lines:
        assert line["level"] in ("info", "warning"), line
