"""What version 0.1.0 wrote is read as it was then, through the command line, whatever moves behind it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import pytest

from lora_marketing.cli import main

BEFORE = Path(__file__).parent / "before"


@dataclass(frozen=True)
class Said:
    """What commands that were run one after the other said, and the file `out` if they wrote it."""

    name: str
    commands: Sequence[Sequence[str]]
    said: str


SAID = [Said(**json.loads(line)) for line in (BEFORE / "said.jsonl").read_text(encoding="utf-8").splitlines()]
HEAD = "c2610572ce703eb4a70a9b0b94df6ee12b2ee147d055e4cfec8e2406e42650f0"
SINCE = ', "chat_date": "2026-01-01", "system_turn": null'
"""Keys that recipes have got since, at their defaults."""
QUEUE = ("--queue", "review.db")


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one_thread: None
) -> Callable[..., str]:
    """Run a command in a copy of the folder; it must end well."""
    here = shutil.copytree(BEFORE, tmp_path / "before")
    monkeypatch.chdir(here)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("LORA_MARKETING_VERBOSE", "1")  # leaves the libraries' settings to other tests

    def called(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["lora-marketing", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert not ended.value.code, said.err
        return said.out.replace(str(here), "HERE")

    return called


@pytest.mark.parametrize("before", SAID, ids=[one.name for one in SAID])
def test_it_is_read_as_it_was(call: Callable[..., str], before: Said) -> None:
    said = "".join(call(*command) for command in before.commands)
    if Path("out").exists():
        said += Path("out").read_bytes().decode()
    assert said.replace(SINCE, "") == before.said


def test_an_old_queue_is_decided_on(call: Callable[..., str]) -> None:
    """New entries are chained to the old ones, which stay."""
    call("review", "approve", "ce1132c2", "--by", "Cem", *QUEUE)
    call("review", "edit", "124a2552", "--by", "Cem", "--text", "Tidal. Six pounds.", *QUEUE)
    assert call("review", "verify", "--head", HEAD, *QUEUE).strip() != HEAD
    assert call("review", "list", "--state", "approved", *QUEUE).count(" Cem ") == 1


@pytest.mark.thorough
def test_an_old_start_is_trained_further(call: Callable[..., str]) -> None:
    """A preference run begins at the version of then, on the base of then, and is published beside it."""
    (new,) = call("train", "recipes/soap-preferred.yaml", "--set", "train.epochs=1").split()
    shown = json.loads(call("adapters", "show", new))
    assert shown["parent"] == json.loads(call("adapters", "show", "tidal/soap@prod"))["digest"]
    assert shown["metrics"]["base_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert shown["metrics"]["held_out_loss"] < 0.6
    assert call("adapters", "verify").count(" ok") == 4
