"""Sizes of the catalogue's bases against what their publishers say."""

from __future__ import annotations

import pytest

from lora_marketing.bases.catalogue import load_catalogue
from lora_marketing.common.errors import BaseModelError
from lora_marketing.planning.shape import base_config, shape_of
from lora_marketing.recipe.schema import BaseSection

ENTRIES = load_catalogue().entries
PUBLISHED = {
    "smollm2-135m": 134_515_008,
    "smollm2-135m-hub": 134_515_008,
    "smollm3-3b": 3_075_098_624,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "llama-3.1-8b": 8_030_261_248,
    "gemma-3-1b": 999_885_952,
    "gemma-3-12b": 12_187_325_040,
    "mistral-7b": 7_248_023_552,
}
"""Parameters in the safetensors files, as the hub's pages show them."""


@pytest.mark.parametrize("name", ENTRIES)
def test_the_catalogue_has_the_published_number_of_parameters(name: str) -> None:
    shape = shape_of(ENTRIES[name].config, ENTRIES[name].model_type)
    assert shape.quantized + shape.kept == PUBLISHED[name]


def test_a_base_that_is_neither_here_nor_known_cannot_be_planned() -> None:
    with pytest.raises(BaseModelError, match="not on this machine"):
        base_config(BaseSection(id="nobody/nothing"))


def test_a_config_without_sizes_is_refused() -> None:
    with pytest.raises(BaseModelError, match="hidden_size"):
        shape_of({"num_attention_heads": 4}, "llama")
