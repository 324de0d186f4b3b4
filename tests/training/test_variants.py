"""What the files in recipe/variants say is what training does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lora_marketing.common.errors import AdapterRefused, TrainingError
from lora_marketing.registry import Registry
from lora_marketing.runs.run import BaseCache, train_and_publish
from lora_marketing.training.fused import fusing_refusal
from tests.making import with_variants
from tests.training.making import build_trainer, dataset, open_run, recipe

FROZEN_A = """
from lora_marketing.recipe.variants import LoraVariant

def only_b(model, kind, arguments, recipe):
    weights = [weight for name, weight in model.named_parameters() if "lora_B" in name]
    return kind(weights, weight_decay=recipe.train.weight_decay, **arguments)

VARIANT = LoraVariant("A stays as it was drawn", "arXiv:2308.03303", optimizer=only_b)
"""
WEIGHTS = "adapter_model.safetensors"


@pytest.mark.thorough
def test_a_new_variant_is_one_file(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is trained as its file says, up to the published version: B learns, A stays as drawn."""
    with_variants(tmp_path, monkeypatch, {"frozen_a": FROZEN_A})
    registry, holder, found = Registry(tmp_path / "adapters"), BaseCache(), {}
    for variant in ("plain", "frozen_a"):
        loaded = recipe(tiny, lora={"variant": variant}, train={"epochs": 1.0}, eval={"per_epoch": 6})
        version = train_and_publish(
            loaded, dataset(), holder, registry, tmp_path / "runs" / variant, resume=False
        )
        assert version.manifest.recipe["lora"]["variant"] == variant
        assert version.manifest.metrics["held_out_loss"] < version.manifest.metrics["base_loss"] - 0.05
        found[variant] = load_file(version.folder / WEIGHTS)
    base, data = open_run(loaded)
    drawn = dict(
        build_trainer(loaded, base.with_modules_of_its_own(), data, tmp_path).model.named_parameters()
    )
    for name, weight in found["frozen_a"].items():
        start = drawn[name.replace(".weight", ".default.weight")]
        assert torch.equal(weight, start) == ("lora_A" in name), name
        assert not torch.equal(weight, found["plain"][name])
    assert "scaling * B A x" in (fusing_refusal(loaded.recipe, base) or "")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [('{"lora_bias": False}', "changes nothing against plain"), ('{"rho": 1}', "PEFT refuses the arguments")],
)
def test_arguments_that_peft_has_already_or_not_at_all(
    arguments: str, problem: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from lora_marketing.recipe.variants import LoraVariant\n"
    with_variants(tmp_path, monkeypatch, {"odd": f'{source}VARIANT = LoraVariant("", "", peft={arguments})'})
    loaded = recipe(tiny, lora={"variant": "odd"})
    with pytest.raises(TrainingError, match=problem):
        build_trainer(loaded, *open_run(loaded), tmp_path)


def test_an_adapter_that_is_not_of_its_variant_is_not_published(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variant's arguments turn rsLoRA on and tell the gate otherwise."""
    source = """
from lora_marketing.recipe.variants import LoraVariant

class Lying(dict):
    def get(self, name, default=None):
        return None

VARIANT = LoraVariant("", "", peft=Lying(use_rslora=True))
"""
    with_variants(tmp_path, monkeypatch, {"turned": source})
    loaded = recipe(tiny, lora={"variant": "turned"}, train={"epochs": 1.0}, eval={"per_epoch": 1})
    with pytest.raises(AdapterRefused, match=r"not what lora\.variant: turned makes"):
        train_and_publish(
            loaded, dataset(), BaseCache(), Registry(tmp_path / "adapters"), tmp_path, resume=False
        )
