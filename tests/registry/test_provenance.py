"""Where a published version's base lies on this machine."""

from __future__ import annotations

import pytest

from lora_marketing.common.errors import BaseModelError
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.registry.provenance import base_section_here


def test_the_user_s_word_goes_before_the_manifest_s() -> None:
    named = BaseSection(id="HuggingFaceTB/SmolLM2-135M-Instruct")
    local = BaseSection(id="./bases/tiny")
    assert base_section_here(named, None) == named
    for section in (named, local):
        assert base_section_here(section, "/here") == section.model_copy(update={"id": "/here"})
    with pytest.raises(BaseModelError, match="--base-id"):
        base_section_here(local, None)
