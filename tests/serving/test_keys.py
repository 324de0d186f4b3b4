"""Keys: what is kept of them, and that changes hold at once."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from lora_marketing.common.errors import KeysError
from lora_marketing.serving.keys import KeyRing, add_key, read_keys, revoke_key


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
    (tmp_path / ".keys.json.new").touch()
    with pytest.raises(KeysError, match="under way"):
        add_key(path, "new", ["ember"])
    assert path.read_bytes() == before
