"""Each private or renamed part of transformers that the kit uses is where it is looked for."""

from __future__ import annotations

from inspect import signature

import pytest
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

from lora_marketing.engine.tiny_base import FAMILIES
from lora_marketing.engine.transformers_api import cache_argument


@pytest.mark.parametrize("model_type", [*FAMILIES, "qwen2", "lfm2"])
def test_every_family_takes_its_cache_by_a_known_name(model_type: str) -> None:
    kind = MODEL_FOR_CAUSAL_LM_MAPPING[type(AutoConfig.for_model(model_type))]
    assert cache_argument(kind) in signature(kind.forward).parameters, (
        f"{kind.__name__}.forward takes neither `cache` nor `past_key_values`: transformers moved it; "
        "put the new name into lora_marketing/engine/transformers_api.py"
    )
