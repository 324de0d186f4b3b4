"""CheckpointVault: a checkpoint is whole or absent, and the newest whole one is chosen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_marketing.common.errors import TrainingError
from lora_marketing.training.checkpoints import COMPLETE, CheckpointVault
from tests.training.making import property_test

FILES = {"adapter_model.safetensors": b"\x00\x01weights" * 9, "optimizer.pt": b"moments", "state.json": b"{}"}


def add(vault: CheckpointVault, *steps: int) -> None:
    for step in steps:
        with vault.staged(step) as staging:
            inner = staging / f"checkpoint-{step}"
            inner.mkdir()
            for name, content in FILES.items():
                (inner / name).write_bytes(content)


@pytest.fixture
def vault(tmp_path: Path) -> CheckpointVault:
    vault = CheckpointVault(tmp_path / "checkpoints")
    add(vault, 3, 6, 9)
    return vault


def test_a_checkpoint_holds_the_trainers_files_and_their_hashes(vault: CheckpointVault) -> None:
    assert {path.name for path in vault.path(9).iterdir()} == {*FILES, COMPLETE}
    assert vault.damage(9) is None
    assert vault.newest_valid() == vault.path(9)
    assert vault.require(9) == vault.path(9)


@pytest.mark.parametrize("name", [*FILES, COMPLETE])
def test_a_missing_file_is_damage(vault: CheckpointVault, name: str) -> None:
    (vault.path(9) / name).unlink()
    assert name in (vault.damage(9) or "")
    assert vault.newest_valid() == vault.path(6)


@pytest.mark.parametrize("length", [0, 1, 60])
@pytest.mark.parametrize("name", [*FILES, COMPLETE])
def test_a_torn_file_is_damage(vault: CheckpointVault, name: str, length: int) -> None:
    path = vault.path(9) / name
    torn = path.read_bytes()[: min(length, path.stat().st_size - 1)]
    path.write_bytes(torn)
    assert name in (vault.damage(9) or "")
    assert vault.newest_valid() == vault.path(6)


@settings(property_test, max_examples=50)
@given(data=st.data())
def test_any_flipped_bit_is_damage(tmp_path: Path, data: st.DataObject) -> None:
    vault = CheckpointVault(tmp_path)
    add(vault, 3, 6)
    path = vault.path(6) / data.draw(st.sampled_from([*FILES, COMPLETE]))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    assert vault.damage(6) is not None
    assert vault.newest_valid() == vault.path(3)
    with pytest.raises(TrainingError, match="step 6"):
        vault.require(6)


def test_every_damaged_checkpoint_is_named(
    vault: CheckpointVault, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(vault.path(9))
    vault.path(9).mkdir()
    (vault.path(6) / "state.json").write_bytes(b"[]")
    assert vault.newest_valid() == vault.path(3)
    said = capsys.readouterr().err
    assert f"step-000009: {COMPLETE} is missing" in said
    assert "step-000006: state.json is damaged" in said
    (vault.path(3) / COMPLETE).unlink()
    assert vault.newest_valid() is None


def test_leftovers_of_killed_runs_are_no_checkpoints(vault: CheckpointVault) -> None:
    leftover = vault.folder / ".step-000012.k2l4"
    shutil.copytree(vault.path(9), leftover)
    (vault.folder / "step-000012.old").mkdir()
    assert vault.steps() == [3, 6, 9]
    assert vault.newest_valid() == vault.path(9)
    add(vault, 12)
    assert vault.newest_valid() == vault.path(12)
    vault.clear()
    assert vault.steps() == []
    assert not leftover.exists()
    assert vault.newest_valid() is None


def test_a_block_that_fails_leaves_nothing(vault: CheckpointVault) -> None:
    def write_until_the_disk_is_full() -> None:
        with vault.staged(12) as staging:
            (staging / "optimizer.pt").write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_until_the_disk_is_full()
    assert sorted(path.name for path in vault.folder.iterdir()) == [
        "step-000003",
        "step-000006",
        "step-000009",
    ]


def test_a_step_is_written_anew_over_a_damaged_one(vault: CheckpointVault) -> None:
    (vault.path(9) / "optimizer.pt").write_bytes(b"")
    add(vault, 9)
    assert vault.damage(9) is None


@pytest.mark.parametrize(("best", "kept"), [(3, [3, 9, 12]), (6, [6, 9, 12]), (12, [9, 12]), (None, [9, 12])])
def test_pruning_keeps_the_newest_and_the_best(
    vault: CheckpointVault, best: int | None, kept: list[int]
) -> None:
    add(vault, 12)
    vault.prune(keep_newest=2, best_step=best)
    assert vault.steps() == kept
    assert [vault.damage(step) for step in kept] == [None] * len(kept)


def test_the_newest_is_told_by_number_not_by_name(tmp_path: Path) -> None:
    vault = CheckpointVault(tmp_path)
    add(vault, 999_999, 1_000_000)
    assert vault.newest_valid() == vault.path(1_000_000)
