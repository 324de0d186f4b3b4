"""The plan and the collator give one answer to: are prefix trees used?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig

from lora_marketing.bases.catalogue import load_catalogue
from lora_marketing.data.dataset import Dataset
from lora_marketing.planning.devices import Device
from lora_marketing.planning.packing import tree_refusal
from lora_marketing.planning.plan import make_plan
from lora_marketing.planning.shape import base_config
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.training.build import build_trainer
from lora_marketing.training.collate import TreeCollator
from lora_marketing.training.progress import ProgressCallback
from tests.training.making import dataset, make_base, open_run, property_test, recipe
from tests.training.test_exactness import TEMPLATES, slide_on_half_the_layers
from tests.training.test_preference import pairs

ROOMY = Device("a GPU", "cuda", 80 * 2**30)
ENTRIES = load_catalogue().entries


def slide_everywhere(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sliding_window": 64}))


def say_nothing_of_windows(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config["sliding_window"]
    path.write_text(json.dumps(config))


CASES = [
    *((family, None, {}, True) for family in sorted(TEMPLATES)),
    ("qwen3", slide_on_half_the_layers, {}, True),
    ("smollm3", slide_on_half_the_layers, {}, True),
    ("mistral", slide_everywhere, {}, False),
    ("mistral", say_nothing_of_windows, {}, False),
    ("llama", None, {"method": "dpo"}, False),
    ("llama", None, {"packing": "padded"}, False),
]


@pytest.mark.thorough
@pytest.mark.parametrize(("family", "change", "section", "tree"), CASES)
def test_the_plan_counts_what_is_trained(
    family: str, change: Any, section: dict[str, str], tree: bool, tmp_path: Path
) -> None:
    """And tokens are saved where trees are used only."""
    folder = make_base(tmp_path / "base", family, TEMPLATES[family])
    if change:
        change(folder)
    preferring = section.get("method") == "dpo"
    data: Dataset = pairs() if preferring else dataset()
    files = {"train": "texts.jsonl", **({"pairs": "pairs.jsonl"} if preferring else {})}
    loaded = recipe(folder, system_turn="in_user", train=section, data={**files, "max_length": 4096})
    plan = make_plan(loaded, data, ROOMY)
    base, rendered = open_run(loaded, data)
    trainer = build_trainer(loaded.recipe, rendered, base, tmp_path / "run", ProgressCallback("test"))
    assert isinstance(trainer.data_collator, TreeCollator) == plan.tree == tree
    assert (plan.saved > 0) == tree
    assert plan.as_dict()["prefix_tree"] == tree


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """config.json of any family, with as much of layers and windows as its publisher wrote down."""
    family = draw(st.sampled_from(["llama", "qwen3", "smollm3", "gemma3_text", "gemma3", "mistral", "phi3"]))
    layers = draw(st.integers(1, 8))
    kinds = ["full_attention", "sliding_attention"]
    if family == "qwen3":  # the others' layers are checked by transformers itself
        kinds.append("linear_attention")
    optional = {
        "sliding_window": st.none() | st.integers(8, 5000),
        "use_sliding_window": st.booleans(),
        "max_window_layers": st.integers(0, 8),
    }
    if family in ("qwen3", "smollm3", "gemma3_text", "gemma3"):
        optional["layer_types"] = st.lists(st.sampled_from(kinds), min_size=layers, max_size=layers)
    text = draw(st.fixed_dictionaries({"num_hidden_layers": st.just(layers)}, optional=optional))
    if "gemma3" in family and text.get("sliding_window", 8) is None:
        del text["sliding_window"]
    if text.get("layer_types") and text.get("sliding_window", 8) is None:
        text["sliding_window"] = 8
    if family != "gemma3":
        return {"model_type": family, **text}
    named = draw(st.booleans())
    return {"model_type": family, "text_config": {**({"model_type": "gemma3_text"} if named else {}), **text}}


@pytest.mark.thorough
@settings(property_test, max_examples=200)
@given(configurations(), st.sampled_from(["sft", "dpo"]))
def test_a_file_and_the_loaded_configuration_give_one_answer(config: dict[str, Any], method: str) -> None:
    """The plan reads config.json, training what transformers made of it."""
    inner = {name: value for name, value in config.items() if name != "model_type"}
    loaded = AutoConfig.for_model(config["model_type"], **json.loads(json.dumps(inner)))
    assert tree_refusal(config, method) == tree_refusal(loaded.to_dict(), method)
    saved = json.loads(loaded.to_json_string(use_diff=True))
    assert tree_refusal(saved, method) == tree_refusal(loaded.to_dict(), method)


@pytest.mark.parametrize("name", ENTRIES)
def test_every_base_of_the_catalogue_is_trained_on_trees(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lora_marketing.planning.shape.folder_here", lambda section: None)
    assert tree_refusal(base_config(BaseSection(id=name))) is None


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"model_type": "mistral"}, "a sliding window on all layers"),
        ({"model_type": "mistral", "sliding_window": 4096}, "a sliding window on all layers"),
        ({"model_type": "mistral", "sliding_window": None}, None),
        (
            {"model_type": "mistral", "sliding_window": 64, "layer_types": ["full_attention"]},
            "a sliding window on all layers",
        ),
        ({"model_type": "qwen3", "sliding_window": 4096}, None),
        ({"model_type": "llama", "sliding_window": 64}, "a sliding window on all layers"),
        ({"model_type": "mamba"}, "mamba is not among the architectures the tree is proven exact for"),
        (
            {"model_type": "lfm2", "layer_types": ["conv", "full_attention"]},
            "layers of type conv carry state along the sequence",
        ),
    ],
)
def test_why_not(config: dict[str, Any], why: str | None) -> None:
    assert tree_refusal(config) == why
    assert tree_refusal(config, "dpo") == "preference pairs are compared row by row"
