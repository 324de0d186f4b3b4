"""`--resume` with nothing to resume says so, and which unfinished run was perhaps meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.runs.unfinished import DECIDES, note_what_decides, nothing_to_resume

DECIDED: Mapping[str, Any] = {
    "recipe": {"train": {"learning_rate": 0.005, "epochs": 60.0}, "brand_profile": {"guide": "Short."}},
    "data": {"train_sha256": "aa"},
    "base fingerprint": "ff",
    "packages": {"torch": "2"},
}


def begun(runs: Path, digest: str, steps: int, **changes: Any) -> Path:
    folder = runs / f"tarn-brew-{digest * 12}"
    for step in range(1, steps + 1):
        (folder / "checkpoints" / f"step-{step:06}").mkdir(parents=True)
    folder.mkdir(parents=True, exist_ok=True)
    note_what_decides(folder, {**DECIDED, **changes})
    return folder


def test_the_nearest_run_and_what_differs_are_named(tmp_path: Path) -> None:
    other = {**DECIDED["recipe"], "train": {"learning_rate": 0.004, "epochs": 60.0}}
    near = begun(tmp_path, "a", 3, recipe=other)
    begun(tmp_path, "b", 9, recipe=other, data={"train_sha256": "bb"})
    begun(tmp_path, "c", 0)
    (tmp_path / "tarn-brewery-aaaaaaaaaaaa" / "checkpoints" / "step-000001").mkdir(parents=True)
    told = nothing_to_resume(tmp_path / "tarn-brew-dddddddddddd", "tarn/brew", DECIDED)
    assert told.startswith("tarn/brew: there is no checkpoint of this run to go on from")
    assert f"{near.name} (step 3), which differs in train.learning_rate 0.004 there, 0.005 here" in told
    assert "bb" not in told


def test_no_other_run_and_one_of_an_older_kit_are_told(tmp_path: Path) -> None:
    asked = tmp_path / "tarn-brew-dddddddddddd"
    assert "no other unfinished run" in nothing_to_resume(asked, "tarn/brew", DECIDED)
    old = begun(tmp_path, "a", 2)
    for torn in ('{"recipe": {"tra', "[]", None):
        (old / DECIDES).unlink() if torn is None else (old / DECIDES).write_text(torn, encoding="utf-8")
        assert "does not say how it differs" in nothing_to_resume(asked, "tarn/brew", DECIDED)


@pytest.mark.parametrize("value", ["x" * 500, {}, None, [1, 2]])
def test_long_and_missing_values_are_short(value: object, tmp_path: Path) -> None:
    begun(tmp_path, "a", 1, extra=value)
    told = nothing_to_resume(tmp_path / "tarn-brew-dddddddddddd", "tarn/brew", {**DECIDED, "extra": 1})
    assert "extra" in told
    assert len(told) < 500
