"""Each private part of accelerate that the kit uses is where it is looked for."""

from __future__ import annotations

from pathlib import Path

import accelerate.state
import pytest
from accelerate.state import GradientState

from lora_marketing.engine import accelerate_api
from lora_marketing.engine.accelerate_api import gradient_state, put_gradient_state
from tests.making import loaded_without, moved

API = Path(accelerate_api.__file__)


def test_a_part_that_moves_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    said = loaded_without(API, accelerate.state, "GradientState", monkeypatch)
    assert said.startswith("accelerate moved what the kit needs of it: cannot import name 'GradientState'")
    assert said.endswith(f"Put its new place into {API}")


def test_a_process_has_one_gradient_state_which_can_be_put_back() -> None:
    before = gradient_state()
    assert "sync_gradients" in before, moved("what GradientState keeps: sync_gradients", API)
    GradientState().sync_gradients = not before["sync_gradients"]
    assert GradientState().sync_gradients != before["sync_gradients"], moved(
        "GradientState's attributes, which all its objects share", API
    )
    put_gradient_state(before)
    assert gradient_state() == before
