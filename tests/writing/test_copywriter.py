from __future__ import annotations

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.sampling import Sampling
from lora_marketing.writing.copywriter import CopyOrder, Voice, prepare_all

BRAND = Brand(
    schema=1, name="tidal", display_name="Tidal", locale="en-GB", lines={"soap": "Soap."}, guide="Be plain."
)
BRIEF = Brief(product="Soap", channel="email", field="subject")


def _seed(
    base: LoadedBase, *, adapter: str | None, digest: str | None, variant: int = 0, beside: int = 0
) -> int:
    voice = Voice(BRAND, "soap", adapter, digest)
    orders = [*[CopyOrder(Voice(BRAND, "soap"), BRIEF)] * beside, CopyOrder(voice, BRIEF, variant)]
    return prepare_all(orders, base, Sampling(seed=7))[-1].request.sampling.seed


def test_versions_of_one_adapter_are_compared_under_the_same_draws(llama: LoadedBase) -> None:
    first = _seed(llama, adapter="tidal/soap", digest="a" * 64)
    assert first == _seed(llama, adapter="tidal/soap", digest="b" * 64, beside=2)
    others = {
        _seed(llama, adapter="tidal/shampoo", digest="a" * 64),
        _seed(llama, adapter=None, digest=None),
        _seed(llama, adapter="tidal/soap", digest="a" * 64, variant=1),
    }
    assert len({first, *others}) == 4
