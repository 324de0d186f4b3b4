"""`serve` and `keys` on the command line, up to where a base would be loaded."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lora_marketing.cli.app import app
from lora_marketing.cli.serve import _origin
from lora_marketing.common.errors import (
    AdapterRefused,
    AddressTaken,
    KeysError,
    LoraMarketingError,
    RegistryError,
)
from lora_marketing.guards.language import _detector
from lora_marketing.registry import AdapterName, Registry
from lora_marketing.serving.guard_process import Checks
from lora_marketing.serving.keys import Caller, read_keys
from lora_marketing.serving.served_models import Models
from lora_marketing.serving.start import find_adapters
from tests.making import ROOT
from tests.serving.conftest import World
from tests.serving.making import EMBER, FakeEngine, publish

SPY = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
sys.argv = ["lora-marketing", *sys.argv[1:]]
from lora_marketing.cli import main; main()
"""


def call(*arguments: str) -> Any:
    done = CliRunner().invoke(app, arguments)
    if isinstance(done.exception, LoraMarketingError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def test_keys(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    made = call("keys", "add", "shop", "--brands", "ember, lumen", "--per-minute", "60", "--keys", file)
    secret = made.stdout.strip()
    assert secret.startswith("lm-")
    assert "cannot be shown again" in made.stderr
    (key,) = read_keys(Path(file))
    assert (key.name, key.brands, key.per_minute) == ("shop", ["ember", "lumen"], 60)
    listed = call("keys", "list", "--keys", file).stdout
    assert all(word in listed for word in ("shop", "ember, lumen", "60", key.id))
    assert secret not in listed
    call("keys", "revoke", "shop", "--keys", file)
    assert read_keys(Path(file)) == ()


def test_what_a_key_may_do_and_how_long(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    call("keys", "add", "usual", "--brands", "ember", "--keys", file)
    call(
        "keys",
        "add",
        "shop",
        "--brands",
        "ember",
        "--scopes",
        "copy, models",
        "--expires",
        "30d",
        "--keys",
        file,
    )
    call("keys", "add", "watcher", "--scopes", "operations", "--keys", file)
    usual, shop, watcher = read_keys(Path(file))
    assert (usual.scopes, usual.expires) == (["models", "copy", "check", "chat"], None)
    assert (shop.scopes, watcher.scopes, watcher.brands) == (["models", "copy"], ["operations"], [])
    assert shop.expires is not None
    assert (datetime.fromisoformat(shop.expires) - datetime.fromisoformat(shop.created)).days in (29, 30)
    listed = call("keys", "list", "--keys", file).stdout
    assert all(word in listed for word in ("operations", "never"))
    for more in (
        ["--scopes", "copi"],
        ["--scopes", ""],
        ["--expires", "soon"],
        ["--expires", "2020-01-01"],
        [],
    ):
        brands = ["--brands", "ember"] if more else []
        with pytest.raises(KeysError):
            call("keys", "add", "wrong", *brands, *more, "--keys", file)
    assert len(read_keys(Path(file))) == 3


@pytest.mark.parametrize(
    ("origin", "means"),
    [
        ("https://Studio.example/", "https://studio.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://studio.example:443", "https://studio.example"),
        ("*", "*"),
    ],
)
def test_origins_as_browsers_send_them(origin: str, means: str) -> None:
    assert _origin(origin, no_keys=False) == means


@pytest.mark.parametrize("origin", ["studio.example", "https://studio.example/a", "null", "file://", ""])
def test_what_is_no_origin_is_refused_before_any_work(world: World, origin: str) -> None:
    with pytest.raises(LoraMarketingError, match="not an origin"):
        call("serve", "--adapters", str(world.root), "--keys", str(world.keys), "--cors-origin", origin)
    with pytest.raises(LoraMarketingError, match="every page"):
        call("serve", "--adapters", str(world.root), "--no-keys", "--cors-origin", "*")


def test_serve_says_what_it_lacks(world: World, tmp_path: Path) -> None:
    root, keys = str(world.root), str(world.keys)
    with pytest.raises(KeysError, match="whole network"):
        call("serve", "--adapters", root, "--no-keys", "--host", "0.0.0.0")
    with pytest.raises(KeysError, match="keys add NAME"):
        call("serve", "--adapters", root, "--keys", str(tmp_path / "none.json"))
    with pytest.raises(RegistryError, match="no adapter to serve"):
        call("serve", "--adapters", str(tmp_path / "none"), "--keys", keys)
    with pytest.raises(RegistryError, match="no adapter ember/none"):
        call("serve", "--adapters", root, "--keys", keys, "--only", "ember/none")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        with pytest.raises(AddressTaken, match="another --port"):
            call("serve", "--adapters", root, "--keys", keys, "--port", port)


def test_adapters_of_other_bases_are_left_out(world: World) -> None:
    pin = FakeEngine().base.pin.model_copy(update={"fingerprint": "other", "id": "big"})
    publish(world.root, "ember/other", base=pin)
    registry = Registry(world.root)
    found = find_adapters(registry)
    assert [str(version.name) for version in found.versions] == [EMBER, "lumen/serum", "tidal/candle"]
    assert list(found.left_out) == ["ember/other: needs the base big"]
    only = [AdapterName("ember", "soap"), AdapterName("ember", "other")]
    with pytest.raises(AdapterRefused, match="different bases"):
        find_adapters(registry, only)
    assert [str(version.name) for version in find_adapters(registry, only[1:]).versions] == ["ember/other"]
    assert find_adapters(registry, only[:1], "/elsewhere").section.id == "/elsewhere"


def test_adapters_whose_prompts_have_another_day_are_left_out_and_not_served(world: World) -> None:
    publish(world.root, "ember/other", base_keys={"chat_date": "2031-05-06"})
    registry, engine = Registry(world.root), FakeEngine()
    found = find_adapters(registry)
    assert EMBER in [str(version.name) for version in found.versions]
    (left_out,) = found.left_out
    assert left_out.startswith("ember/other: needs the base ")
    assert "with other prompts (chat_date: 2031-05-06" in left_out
    served = {card.id for card in Models(registry, engine).cards(Caller("anybody"))}
    assert EMBER in served
    assert "ember/other" not in served


def test_guards_are_ready_before_the_first_request(world: World) -> None:
    """What takes longest, a second and more, is the detector of languages."""
    _detector.cache_clear()
    Checks(Registry(world.root)).warm_up()
    assert _detector.cache_info().currsize == 1


@pytest.mark.parametrize("arguments", [["serve", "--help"], ["keys", "--help"], ["--help"]], ids=" ".join)
def test_help_loads_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPY, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert {"torch", "fastapi", "uvicorn", "transformers"} & set(done.stderr.split()) == set()
