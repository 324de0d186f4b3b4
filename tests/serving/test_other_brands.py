"""The registry behind a server: all its brands, listed now and then, and what adapters were trained on."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.common.errors import AdapterRefused
from lora_marketing.registry import AdapterName, Registry
from lora_marketing.serving import other_brands
from lora_marketing.serving.other_brands import OtherBrands
from lora_marketing.text.known_texts import KnownTexts
from tests.serving.conftest import World
from tests.serving.making import BRIEF, EMBER, profile, publish


class Counted(Registry):
    """A registry that counts how often it is listed."""

    listed = 0

    def names(self) -> tuple[AdapterName, ...]:
        self.listed += 1
        return super().names()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def ember(**own: Any) -> Brand:
    return Brand.model_validate({**profile(EMBER)["brand_profile"], **own})


def brief(**own: Any) -> Brief:
    return Brief.model_validate({**BRIEF, **own})


def test_all_other_brands_are_others_and_no_line_of_the_own(world: World) -> None:
    publish(world.root, "ember/candle", shown="Ember Candles")
    publish(world.root, "shanyu/camp", shown="山屿")
    found = OtherBrands(Registry(world.root)).others(ember(), brief())
    assert found == ("Lumen", "Tidal", "山屿")
    assert OtherBrands(Registry(world.root)).others(ember(display_name="Tidal"), brief()) == ("Lumen", "山屿")


@pytest.mark.parametrize(
    "said",
    [
        {"product": "Lumen lamp"},
        {"audience": "who like ｌｕｍｅｎ"},
        {"notes": "Not:\nLumen."},
        {"attributes": {"maker": "LUMEN"}},
        {"attributes": {"Lumen": "yes"}},
    ],
    ids=str,
)
def test_a_name_that_the_brief_says_is_not_kept_from_it(world: World, said: dict[str, Any]) -> None:
    assert OtherBrands(Registry(world.root)).others(ember(), brief(**said)) == ("Tidal",)


def test_brands_are_listed_once_in_a_while(world: World, clock: list[float]) -> None:
    registry = Counted(world.root)
    found = OtherBrands(registry)
    for _ in range(20):
        assert found.others(ember(), brief()) == ("Lumen", "Tidal")
    publish(world.root, "new/soap")
    clock[0] += other_brands.FRESH / 2
    assert (found.others(ember(), brief()), registry.listed) == (("Lumen", "Tidal"), 1)
    clock[0] += other_brands.FRESH / 2
    assert (found.others(ember(), brief()), registry.listed) == (("Lumen", "New", "Tidal"), 2)


def test_what_was_trained_on_is_read_once_and_kept_within_a_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [[f"{word} one two three four five six seven eight nine"] for word in ("a", "b", "c")]
    versions = [publish(world.root, EMBER, text[0][0], known=text) for text in texts]
    each = KnownTexts.of(texts[0]).hashes
    monkeypatch.setattr(other_brands, "MOST_HASHES", 2 * each)
    found = OtherBrands(Registry(world.root))
    assert [found.known(version) for version in versions] == [KnownTexts.of(text) for text in texts]
    for version in versions:
        path = version.folder / "known_texts.bin"
        path.chmod(0o600)
        path.write_bytes(b"")
    assert [found.known(version) for version in versions[1:]] == [KnownTexts.of(text) for text in texts[1:]]
    with pytest.raises(AdapterRefused):
        found.known(versions[0])
    plain = publish(world.root, EMBER, "plain")
    assert found.known(plain) is None
