from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lora_marketing.common import plugins


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package `gadgets` with two Python files, two data files and a private one."""
    folder = tmp_path / "gadgets"
    folder.mkdir()
    for name in ("__init__.py", "_private.py", "left.py", "right.py", "red.yaml", "blue.yaml"):
        (folder / name).write_text("SIDE = __name__\n" if name.endswith("t.py") else "", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "gadgets"]:
        monkeypatch.delitem(sys.modules, name)
    return "gadgets"


def test_file_names_are_the_registry(package: str) -> None:
    assert plugins.names(package, ".py") == ("left", "right")
    assert plugins.names(package, ".yaml") == ("blue", "red")
    assert plugins.module(package, "left").SIDE == "gadgets.left"


def test_a_new_file_is_a_new_thing(package: str, tmp_path: Path) -> None:
    (tmp_path / "gadgets" / "green.yaml").touch()
    assert plugins.require(package, ".yaml", "green") == "green"


@pytest.mark.parametrize("name", ["", "_private", "__init__", "left.py", "../left", "os", "LEFT"])
def test_what_is_not_known_is_refused(package: str, name: str) -> None:
    with pytest.raises(plugins.UnknownName):
        plugins.module(package, name)


def test_the_nearest_name_is_offered_or_all(package: str) -> None:
    with pytest.raises(plugins.UnknownName) as caught:
        plugins.require(package, ".py", "rigth", "a.yaml:3")
    assert str(caught.value) == 'a.yaml:3: unknown gadget "rigth"\n    allowed: did you mean "right"?'
    with pytest.raises(plugins.UnknownName, match="one of left, right"):
        plugins.require(package, ".py", "zzz")
