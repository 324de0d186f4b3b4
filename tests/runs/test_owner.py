"""A folder has one owner: live ones are named, dead ones of this machine are followed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lora_marketing.common.errors import TrainingError
from lora_marketing.runs.owner import owning
from tests.making import ROOT

HOLD = """
import sys
from pathlib import Path
from lora_marketing.runs.owner import owning
with owning(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


def holding(folder: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "mine\n"
    return child


@pytest.mark.parametrize("killed", [True, False])
def test_another_process_is_named_and_followed_when_it_is_gone(killed: bool, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "tidal-soap"
    child = holding(folder)
    with pytest.raises(TrainingError, match="another process works on this run") as told, owning(folder):
        pass
    assert f"process {child.pid}" in str(told.value)
    if killed:
        child.kill()
    child.communicate()
    assert bool(list(folder.parent.iterdir())) == killed, "a killed process leaves its file"
    with owning(folder):
        with pytest.raises(TrainingError, match=f"process {os.getpid()}"), owning(folder):
            pass
        assert len(list(folder.parent.iterdir())) == 1
    assert list(folder.parent.iterdir()) == []


def test_a_later_process_of_the_same_number_is_no_owner(tmp_path: Path) -> None:
    with owning(tmp_path / "run"):
        (file,) = tmp_path.iterdir()
        record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "started": "1"}))
    with owning(tmp_path / "run"):
        assert json.loads(file.read_text()) == record
    file.write_text(json.dumps({**record, "host": "elsewhere"}))
    with (
        pytest.raises(TrainingError, match="another machine works on this run") as told,
        owning(tmp_path / "run"),
    ):
        pass
    assert "on elsewhere" in str(told.value)
    assert file.name in str(told.value)
