from __future__ import annotations

from dataclasses import fields

from lora_marketing.recipe.extra import sft_config_fields


def test_the_fields_read_from_source_are_the_fields_of_the_class() -> None:
    from trl.trainer.sft_config import SFTConfig

    assert sft_config_fields() == {field.name for field in fields(SFTConfig)}
