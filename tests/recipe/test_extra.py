from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from lora_marketing.engine.trl_api import checkpointing
from lora_marketing.recipe.extra import (
    ALLOWED,
    ALLOWED_IN_DPO,
    FORBIDDEN,
    FORBIDDEN_IN_DPO,
    OWNED,
    OWNED_IN_DPO,
    PADDED_ONLY,
    REFUSED,
    REFUSED_IN_DPO,
    dpo_config_fields,
    extra_problems,
    sft_config_fields,
)
from tests.making import ROOT


def told(name: str) -> str:
    return str(extra_problems({name: "r.yaml:3"})[0])


def test_a_free_field_is_allowed() -> None:
    assert extra_problems({}) == extra_problems({"neftune_noise_alpha": "r.yaml:3"}) == []


@pytest.mark.parametrize("name", sorted(OWNED))
def test_a_field_that_a_key_sets_is_refused_and_the_key_named(name: str) -> None:
    assert told(name) == f"r.yaml:3: train.extra.{name} is not allowed\n    fix: set {OWNED[name]} instead"


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_a_field_that_the_kit_needs_is_refused(name: str) -> None:
    assert "the kit sets it" in told(name)


@pytest.mark.parametrize("name", ["save_only_model", "ignore_data_skip", "bf16_full_eval", "fp16_full_eval"])
def test_a_field_that_would_do_harm_is_refused_with_the_reason(name: str) -> None:
    assert f"train.extra.{name} is not allowed\n    got: {REFUSED[name]}\n" in told(name)


@pytest.mark.parametrize("name", sorted(PADDED_ONLY))
def test_a_field_that_a_tree_does_not_follow_is_for_padded_batches(name: str) -> None:
    assert "set train.packing: padded" in told(name)
    assert extra_problems({name: None}, packing="padded") == []


def test_every_field_stands_in_one_table() -> None:
    tables = [OWNED, FORBIDDEN, ALLOWED, PADDED_ONLY, REFUSED]
    assert sft_config_fields() == {name for table in tables for name in table}
    assert len(sft_config_fields()) == sum(map(len, tables))
    in_dpo = [OWNED_IN_DPO, FORBIDDEN_IN_DPO, ALLOWED_IN_DPO, REFUSED_IN_DPO]
    assert dpo_config_fields() <= {name for table in in_dpo for name in table}
    assert not ALLOWED_IN_DPO.keys() & (OWNED_IN_DPO.keys() | FORBIDDEN_IN_DPO | REFUSED_IN_DPO.keys())


def test_an_unknown_field_names_the_nearest_or_says_where_to_look() -> None:
    assert 'did you mean "neftune_noise_alpha"?' in told("neftune_noise")
    assert 'did you mean "learning_rate"?' in told("lerning_rate")
    assert "SFTConfig" in told("x")
    assert len(told("x")) < 200
    assert '"output_dir"' not in told("output_dirs")


def test_the_names_are_all_known_to_the_installed_trl() -> None:
    assert sft_config_fields() >= FORBIDDEN | OWNED.keys()


def test_everything_training_sets_is_refused_in_extra() -> None:
    source = ROOT / "lora_marketing" / "training" / "build.py"
    calls = [
        node
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "config_class"
    ]
    assert len(calls) == 1
    names = {keyword.arg for keyword in calls[0].keywords if keyword.arg} | checkpointing(True).keys()
    assert len(names) > 10
    assert names - OWNED.keys() - FORBIDDEN == set()


def test_reading_the_fields_does_not_import_trl() -> None:
    script = (
        "import sys; from lora_marketing.recipe.extra import sft_config_fields as f; assert len(f()) > 100;"
        " print(*sys.modules, sep='\\n')"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"trl", "transformers", "torch"} & set(run.stdout.split())
