"""What a study may aim at."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from lora_marketing.brands.brand import Brief
from lora_marketing.common.errors import RecipeError
from lora_marketing.copy.record import Copy
from lora_marketing.metrics.chrf import chrf
from lora_marketing.metrics.voice import VoiceClassifier, VoiceText
from lora_marketing.tuning.objectives import OBJECTIVES, Evidence, measure, require_objective
from tests.making import ROOT


def test_the_list_of_objectives_is_there_at_once() -> None:
    """The command's help names them: no metric, no schema and no model is loaded for that."""
    script = "import sys, lora_marketing.tuning.objectives as o; print(*o.OBJECTIVES); print(*sys.modules)"
    names, loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.splitlines()
    assert names.split() == list(OBJECTIVES)
    own = {name for name in loaded.split() if name.startswith("lora_marketing.")}
    assert {name.split(".")[1] for name in own} == {"common", "tuning"}
    assert not {"pydantic", "numpy", "torch", "optuna"} & set(loaded.split())


def written(text: str, **changes: Any) -> Copy:
    brief = Brief(product="Bar", channel="sms", field="body")
    values: dict[str, Any] = {"brand": "tidal", "line": "soap", "adapter": "tidal/soap", "digest": "trained"}
    values |= {"base": "b", "seed": 1, "variant": 0, "prompt_sha256": "p", "stopped": True, "tokens": 4}
    return Copy(text=text, brief=brief, **(values | changes))


def voices() -> VoiceClassifier:
    """Tidal asks, Ember states."""
    texts = [VoiceText("tidal", f"Would you like it? {n}?", f"p{n % 4}") for n in range(16)]
    texts += [VoiceText("ember", f"It is here now. {n}.", f"q{n % 4}") for n in range(16)]
    return VoiceClassifier.fit(texts)


def test_every_objective_is_measured() -> None:
    copies = [written("Would you like this?"), written("It is here now.", stopped=False)]
    evidence = Evidence({"held_out_loss": 2.5}, copies, ["Would you like this?", "Yes."], voices())
    figures = measure(evidence)
    assert figures.keys() == OBJECTIVES.keys()
    assert figures["held_out_loss"] == 2.5
    assert figures["stop_rate"] == 0.5
    assert figures["voice"] == 0.5
    assert 0 < figures["chrf"] < 100


def test_what_cannot_be_measured_is_left_out() -> None:
    assert measure(Evidence({"held_out_loss": 2.5}, [], [])) == {"held_out_loss": 2.5}
    figures = measure(Evidence({"held_out_loss": 2.5}, [written("A")], ["B"]))
    assert figures.keys() == {"held_out_loss", "stop_rate", "chrf"}


def test_less_loss_is_better_and_more_of_everything_else() -> None:
    assert {name: objective.sign for name, objective in OBJECTIVES.items()} == {
        "held_out_loss": 1,
        "stop_rate": -1,
        "voice": -1,
        "chrf": -1,
    }


def test_chrf() -> None:
    assert chrf(["Dark roast."], ["Dark roast."]) == pytest.approx(100)
    assert chrf(["xyz"], ["Dark roast."]) == 0
    assert 0 < chrf(["山屿的帐篷"], ["山屿的背包"]) < 100
    # Popović's formula by hand for "ab" against "ac": 1-grams p = r = 1/2, 2-grams 0, orders above absent
    assert chrf(["ab"], ["ac"]) == pytest.approx(100 * (0.5 + 0) / 2)


@pytest.mark.parametrize(
    ("name", "briefs", "against", "told"),
    [
        ("stop_rat", 8, 0, '"stop_rate"'),
        ("chrf", 0, 0, "eval.briefs"),
        ("voice", 8, 0, "--against"),
    ],
)
def test_an_objective_that_cannot_be_taken_is_refused(
    name: str, briefs: int, against: int, told: str
) -> None:
    with pytest.raises(RecipeError, match=told):
        require_objective(name, briefs=briefs, against=against)
    assert require_objective("held_out_loss", briefs=0, against=0).sign == 1
