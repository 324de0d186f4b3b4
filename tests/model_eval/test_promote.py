"""The whole gate with a model: it writes, judges, refuses, and moves only by force."""

from __future__ import annotations

import sys

import pytest

from lora_marketing.cli import main
from lora_marketing.evaluation import read_evaluation
from lora_marketing.evaluation.promotion_gate import PromotionFigures
from lora_marketing.registry.names import AdapterRef
from lora_marketing.registry.store import Registry
from tests.model_eval.conftest import World

pytestmark = pytest.mark.usefixtures("one_thread")


def ended() -> object:
    """How the command ends."""
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.mark.thorough
def test_a_version_that_too_few_rows_speak_for(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(world.adapters)
    registry.promote(AdapterRef(world.old.name, digest=world.old.digest), "prod")
    kept = world.root / "kept.json"
    arguments = [
        "adapters",
        "promote",
        f"tidal/soap:{world.new.digest[:8]}",
        "--adapters",
        str(world.adapters),
    ]
    with_model = ["--recipe", str(world.recipe), "--base-id", str(world.root / "base")]
    monkeypatch.setattr(sys, "argv", ["lora-marketing", *arguments, *with_model, "--evaluation", str(kept)])
    assert ended() == 1
    said = capsys.readouterr().err
    assert "the gate: held-out briefs\n    got: 10\n    allowed: at least 20" in said
    assert registry.aliases(world.old.name)["prod"] == world.old.digest
    evaluation = read_evaluation(kept)
    assert len(PromotionFigures.of(evaluation, str(world.new)).rows) == 10
    monkeypatch.setattr(
        sys, "argv", ["lora-marketing", *arguments, "--evaluation", str(kept), "--force", "a try"]
    )
    assert ended() == 0
    assert registry.aliases(world.old.name)["prod"] == world.new.digest
    move = registry.history(world.old.name)[-1]
    assert move.reason == "a try"
    assert move.gate is not None
    assert "held-out briefs" in [check.name for check in move.gate.checks if not check.passed]
