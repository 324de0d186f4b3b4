"""Every output of every command is looked at before the work, and no full disk ends in a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer
from typer.models import OptionInfo

from lora_marketing.cli import main
from lora_marketing.cli.app import app
from tests.making import tree

GONE = "gone"
"""Stands for every input. It is not there: whoever tells the output first looked at it first."""
WRITTEN = {
    ("adapters promote", "--evaluation"): ["x/y", "--recipe", GONE],
    ("evaluate", "--out"): ["x/y"],
    ("evaluate", "--report"): ["x/y"],
    ("generate", "--out"): [],
    ("review add", "--queue"): [GONE],
    ("review export", "--out"): ["--to", "csv"],
    ("review pairs", "--out"): ["--brand", "x"],
    ("review rows", "--out"): ["--brand", "x"],
    ("score", "--out"): [GONE],
    ("score", "--report"): [GONE],
    ("train", "--adapters"): [GONE],
    ("train", "--runs"): [GONE],
    ("tune", "--out"): [GONE],
}
FOLDERS = {("train", "--adapters"), ("train", "--runs"), ("tune", "--out")}
READ = {
    "--adapters",  # a registry; publishing and promoting tell what the disk says by themselves
    "--against",
    "--brand",
    "--brief",
    "--file",
    "--keys",  # likewise
    "--profile",
    "--queue",  # likewise
    "--recipe",
    "--references",
    "--space",
    "--voices",
    "--wordings",
}


def commands(group: typer.Typer, words: str = "") -> Iterator[tuple[str, Callable[..., None]]]:
    """The function of every command by its words: `review add`."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{words}{command.name or command.callback.__name__}", command.callback
    for child in group.registered_groups:
        assert child.typer_instance is not None
        yield from commands(child.typer_instance, f"{child.name} ")


def path_options() -> set[tuple[str, str]]:
    """(command, option) of every option that names a file or a folder."""
    found = set()
    for name, function in commands(app):
        for parameter, hint in get_type_hints(function, include_extras=True).items():
            if "pathlib.Path" in repr(hint):
                options = [note for note in get_args(hint)[1:] if isinstance(note, OptionInfo)]
                found |= {(name, (one.param_decls or (f"--{parameter}",))[0]) for one in options}
    return found


def test_every_option_that_names_a_file_is_known_to_be_read_or_written() -> None:
    options = path_options()
    assert len(options) > 30
    assert WRITTEN.keys() <= options
    assert {(name, option) for name, option in options - WRITTEN.keys() if option not in READ} == set()


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lora-marketing", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize("place", ["file/new", "/proc/new", "taken"])
@pytest.mark.parametrize("output", WRITTEN, ids=" ".join)
def test_what_cannot_be_written_is_told_before_the_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: tuple[str, str],
    place: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    if output in FOLDERS:
        Path("taken").write_text("")
    else:
        Path("taken").mkdir()
    command, option = output
    before = tree(tmp_path)
    assert ended(monkeypatch, *command.split(), *WRITTEN[output], option, place) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {place}: cannot be written\n    got: ")
    assert "fix: name " in said.err
    assert GONE not in said.err
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, True), (errno.EROFS, True), (errno.EBADF, False)]
)
def test_a_disk_that_fills_in_the_midst_of_work_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, told: bool
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number), "runs/x/model.bin")

    monkeypatch.setattr("lora_marketing.data.dataset.prepare", full)
    monkeypatch.setattr("lora_marketing.recipe.load_recipe", lambda *_: None)
    if told:
        assert ended(monkeypatch, "check", "recipe.yaml") == 1
        said = capsys.readouterr().err
        assert said.startswith(f"error: runs/x/model.bin: the disk refuses\n    got: {os.strerror(number)}")
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            ended(monkeypatch, "check", "recipe.yaml")
