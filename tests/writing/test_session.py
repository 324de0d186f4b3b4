"""A writing session: voices of published adapters and of a bare brand on one base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.common.errors import AdapterRefused, BaseModelError
from lora_marketing.engine.base import load_base
from lora_marketing.engine.sampling import Sampling
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.registry import AdapterName, Registry
from lora_marketing.writing.session import WritingSession
from tests.engine.making import KINDS, base_folder, save_adapter, section
from tests.registry.making import manifest

BRIEF = Brief(product="Soap", channel="sms", field="text")


class World:
    """A base on the disk, and a registry with a soap of Tidal and one of Fjord trained on it."""

    def __init__(self, root: Path) -> None:
        self.base_folder = base_folder("llama", root / "base")
        self.base = load_base(section(self.base_folder))
        self.adapter = save_adapter(self.base, KINDS["plain"], root / "adapter")
        (self.adapter / "README.md").write_text("# soap\n", encoding="utf-8")
        self.registry = Registry(root / "adapters")
        for brand in ("tidal", "fjord"):
            self.publish(brand, section(self.base_folder))

    def publish(self, brand: str, base: BaseSection) -> None:
        known = {"schema": 1, "name": brand, "display_name": brand.title(), "locale": "en-GB", "guide": "g"}
        profile = Brand.model_validate(known | {"lines": {"soap": "Bars."}})
        recipe: dict[str, Any] = {
            "base": base.model_dump(mode="json"),
            "lora": {"rank": 4, "alpha": 8},
            "brand": {"line": "soap"},
            "brand_profile": profile.model_dump(mode="json", by_alias=True),
        }
        name = AdapterName(brand, "soap")
        self.registry.publish(name, self.adapter, manifest(name, recipe=recipe, base=self.base.pin))

    def open(self, *refs: str, base_id: str | None = None) -> WritingSession:
        return WritingSession.open(self.registry.root, refs, base_id=base_id)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def test_every_adapter_is_a_voice_that_knows_the_other_brands_names(world: World) -> None:
    session = world.open("tidal/soap", "fjord/soap")
    tidal, fjord = session.voices
    assert [(one.adapter, one.line, one.others) for one in session.voices] == [
        ("tidal/soap", "soap", ("Fjord",)),
        ("fjord/soap", "soap", ("Tidal",)),
    ]
    assert tidal.digest != fjord.digest
    assert (tidal.brand.name, fjord.brand.name) == ("tidal", "fjord")
    assert world.open("tidal/soap").voices == [tidal]


@pytest.mark.parametrize(
    ("with_base", "with_adapters", "adapters"),
    [(True, True, ["tidal/soap", None]), (True, False, [None]), (False, True, ["tidal/soap"])],
)
def test_a_brief_is_written_with_the_adapter_the_base_or_both(
    world: World, with_base: bool, with_adapters: bool, adapters: list[str | None]
) -> None:
    copies = world.open("tidal/soap").write(
        [BRIEF], 1, Sampling(max_new_tokens=2), with_base=with_base, with_adapters=with_adapters
    )
    assert [one.adapter for one in copies] == adapters
    assert [one.digest is None for one in copies] == [one is None for one in adapters]


def test_a_base_that_lies_elsewhere_has_to_be_named(world: World) -> None:
    world.publish("halden", section(Path("base")).model_copy(update={"id": "./base"}))
    with pytest.raises(BaseModelError, match="local folder"):
        world.open("halden/soap")
    (halden,) = world.open("halden/soap", base_id=str(world.base_folder)).voices
    assert (halden.adapter, halden.others) == ("halden/soap", ("Fjord", "Tidal"))


def test_voices_of_different_bases_do_not_write_together(world: World) -> None:
    world.publish("lumen", section(world.base_folder, dtype="bfloat16"))
    for refs in (("tidal/soap", "lumen/soap"), ("tidal/soap", "fjord/soap", "lumen/soap")):
        with pytest.raises(AdapterRefused, match="different bases") as caught:
            world.open(*refs)
        (problem,) = caught.value.problems
        known = f"{world.base_folder} none"
        day = "chat_date 2026-01-01"
        assert problem.got == f"tidal/soap: {known} float32 {day}; lumen/soap: {known} bfloat16 {day}"
