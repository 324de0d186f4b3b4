"""Keys: what is kept of them, and that changes hold at once."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lora_marketing.common.errors import KeysError
from lora_marketing.serving.keys import KeyRing, add_key, expiry, read_keys, revoke_key
from tests.making import ROOT


def test_a_key_is_shown_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = add_key(path, "shop", ["ember", "lumen"], 60)
    assert secret.startswith("lm-")
    assert len(bytes.fromhex(secret.removeprefix("lm-"))) == 32
    assert secret.removeprefix("lm-") not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["keys.json"]
    caller = KeyRing(path).caller(secret)
    assert caller is not None
    assert (caller.brands, caller.per_minute) == ({"ember", "lumen"}, 60)
    assert not caller.may_see("tidal")
    assert add_key(path, "other", ["tidal"]) != secret


@pytest.mark.parametrize("wrong", ["", "lm-", "lm-" + "0" * 64, "\udcff", "é"])
def test_other_keys_open_nothing(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "keys.json"
    secret = add_key(path, "shop", ["ember"])
    ring = KeyRing(path)
    assert ring.caller(wrong) is None
    assert ring.caller(secret[:-1]) is None
    assert ring.caller(secret.upper()) is None


def test_changes_hold_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = add_key(path, "first", ["ember"])
    ring = KeyRing(path)
    second = add_key(path, "second", ["ember"])
    assert ring.caller(second)
    revoke_key(path, "first")
    assert ring.caller(first) is None
    assert [key.name for key in read_keys(path)] == ["second"]


def test_a_file_damaged_later_locks_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = add_key(path, "shop", ["ember"])
    whole = path.read_bytes()
    ring = KeyRing(path)
    path.write_bytes(whole[:-5])
    assert ring.caller(secret)
    assert ring.problem
    path.unlink()
    assert ring.caller(secret)
    assert ring.problem
    path.write_bytes(whole)
    assert ring.caller(secret)
    assert ring.problem is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "{",
        '{"schema": 2, "keys": []}',
        '{"schema": 1, "keys": [{}]}',
        '{"schema": 1, "keys": [], "keys": []}',
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    if text != "{}":
        with pytest.raises(KeysError):
            KeyRing(path)
    else:
        assert read_keys(path) == ()


def test_two_keys_of_one_hash_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    add_key(path, "shop", ["ember"])
    found = json.loads(path.read_text())
    found["keys"].append({**found["keys"][0], "name": "other"})
    path.write_text(json.dumps(found))
    with pytest.raises(KeysError, match="sha256"):
        read_keys(path)


def test_mistakes_leave_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(KeysError, match="cannot be read"):
        revoke_key(path, "nobody")
    add_key(path, "shop", ["ember"])
    before = path.read_bytes()
    for name, brands in (("shop", ["ember"]), ("Shop!", ["ember"]), ("new", []), ("new", ["../x"])):
        with pytest.raises(KeysError):
            add_key(path, name, brands)
    with pytest.raises(KeysError, match="no key of this name"):
        revoke_key(path, "shopp")
    with pytest.raises(KeysError, match='did you mean "copy"'):
        add_key(path, "new", ["ember"], scopes=["copi"])
    with pytest.raises(KeysError, match="before it begins"):
        add_key(path, "new", ["ember"], expires=NOW - timedelta(days=9999))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["keys.json"]


def test_a_change_waits_for_another_but_not_for_a_dead_one(tmp_path: Path) -> None:
    path, left = tmp_path / "keys.json", tmp_path / ".keys.json.new"
    left.write_text("half of wh")  # as a killed process leaves it, longer than what comes
    add_key(path, "first", ["ember"])
    with left.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(revoke_key, path, "first")
            time.sleep(0.1)
            assert not waiting.done()
            other.close()
            waiting.result()
    assert read_keys(path) == ()
    assert os.listdir(tmp_path) == ["keys.json"]


KILLED = """
import os, signal, sys
from pathlib import Path
from lora_marketing.serving import keys
class Dying(type(Path())):
    def replace(self, target): os.kill(os.getpid(), signal.SIGKILL)
    def with_name(self, name): return Dying(super().with_name(name))
keys.revoke_key(Dying(sys.argv[1]), "first")
"""


def test_a_killed_change_changes_nothing_and_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    add_key(path, "first", ["ember"])
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [key.name for key in read_keys(path)] == ["first"]
    revoke_key(path, "first")
    assert read_keys(path) == ()
    assert os.listdir(tmp_path) == ["keys.json"]


def test_changes_at_one_moment_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: add_key(path, f"key{number}", ["ember"]), range(24)))
    assert len(read_keys(path)) == 24


NOW = datetime(2026, 12, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2027-01-01", datetime(2027, 1, 2, tzinfo=UTC)),
        ("30d", NOW + timedelta(days=30)),
        ("2w", NOW + timedelta(days=14)),
        ("12h", NOW + timedelta(hours=12)),
    ],
)
def test_how_long_a_key_holds(text: str, means: datetime) -> None:
    assert expiry(text, NOW) == means


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "2027-13-01", "20270101", "999999999w", "１d"])
def test_what_is_no_time_for_a_key_to_end(text: str) -> None:
    with pytest.raises(KeysError, match="30d"):
        expiry(text, NOW)


def test_an_expired_key_is_none(tmp_path: Path) -> None:
    path, at = tmp_path / "keys.json", [datetime.now(UTC)]
    secret = add_key(path, "shop", ["ember"], expires=at[0] + timedelta(days=1))
    ring = KeyRing(path, lambda: at[0])
    assert ring.caller(secret)
    at[0] += timedelta(days=1)
    assert ring.caller(secret) is None


def test_what_a_key_may_do(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    usual, one = add_key(path, "usual", ["ember"]), add_key(path, "one", ["ember"], scopes=["copy"])
    watcher = add_key(path, "watcher", [], scopes=["operations"])
    ring = KeyRing(path)
    scopes = [caller.scopes for secret in (usual, one, watcher) if (caller := ring.caller(secret))]
    assert scopes == [{"models", "copy", "check", "chat"}, {"copy"}, {"operations"}]


def test_keys_from_before_there_were_scopes_do_what_they_did(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = add_key(path, "shop", ["ember"])
    found = json.loads(path.read_text())
    for name in ("scopes", "expires"):
        del found["keys"][0][name]
    path.write_text(json.dumps(found))
    caller = KeyRing(path).caller(secret)
    assert caller is not None
    assert caller.scopes == {"models", "copy", "check", "chat", "completions", "system_turns"}
