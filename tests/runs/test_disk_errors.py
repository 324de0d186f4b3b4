"""A full disk is the error of the run that met it, told with the room it needs; other brands go on."""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors import SafetensorError

from lora_marketing.common.errors import TrainingError
from lora_marketing.registry import Version
from lora_marketing.runs.disk_errors import disk_errors_told
from lora_marketing.runs.fleet import Fleet
from tests.runs.test_fleet import job
from tests.runs.test_fleet import world as world
from tests.runs.test_run import World

TORN = "[enforce fail at inline_container.cc:672] . unexpected pos 32960 vs 32854"
FULL = r"ember/soap stopped: no space in .*runs/x\n    got: needed about 12\.0 MB, free [0-9,.]+ MB: .*{why}"


def os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code), "x/optimizer.pt")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (os_error(errno.ENOSPC), FULL.format(why=r"No space left on device \(x/optimizer\.pt\)")),
        (os_error(errno.EDQUOT), FULL.format(why="[Qq]uota")),
        (RuntimeError(TORN), FULL.format(why="cut short")),
        (RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"), "no space in"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), FULL.format(why="No space")),
        (SafetensorError("I/O error: Read-only file system (os error 30)"), "Read-only"),
        (
            os_error(errno.EROFS),
            r"the disk or the system refuses\n    got: Read-only .*\n.* --runs, then go on",
        ),
        (os_error(errno.EMFILE), r"Too many open files .*\n    fix: raise the limit of open files"),
        (os_error(errno.EIO), "put that right, then go on with --resume"),
    ],
)
def test_what_the_disk_says_is_an_error_of_the_run(error: Exception, told: str, tmp_path: Path) -> None:
    with (
        pytest.raises(TrainingError) as caught,
        disk_errors_told("ember/soap", tmp_path / "runs/x", 12_000_000),
    ):
        raise error
    assert re.search(told, str(caught.value)), caught.value
    assert "--resume" in str(caught.value)
    assert caught.value.__cause__ is error


def test_other_faults_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="CUDA"), disk_errors_told("ember/soap", tmp_path):
        raise RuntimeError("CUDA error: device-side assert triggered")


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this process may not mount a disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def small_files(folder: Path) -> Iterator[None]:
    """No file of more than 600 kB: libraries see what they see on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.thorough
@pytest.mark.parametrize("limit", [small_disk, small_files])
def test_a_full_disk_at_a_checkpoint_stops_one_brand(limit: object, world: World, tmp_path: Path) -> None:
    large = job(world, "ember-espresso", "lora.rank=64", "train.seed=51")
    small = job(world, "ember-filter", "lora.rank=2", "train.seed=51", "eval.briefs=0")
    runs = tmp_path / "disk"
    assert callable(limit)
    with limit(runs):
        lost, published = Fleet(world.registry, runs, world.holder).train([large, small])
        assert isinstance(lost, TrainingError), lost
        assert "ember/espresso stopped: no space in" in str(lost)
        assert re.search(r"needed about \d\.\d MB, free [\d,.]+ MB", str(lost))
        assert isinstance(published, Version), published
    resumed = Fleet(world.registry, tmp_path / "larger", world.holder, resume=True)
    (ended,) = resumed.train([large])
    assert isinstance(ended, Version)
