from __future__ import annotations

import pytest

from lora_marketing.common.errors import UnknownDevice
from lora_marketing.planning.devices import free_memory, gpu_named, gpu_of_size, load_gpus, this_machine
from lora_marketing.planning.memory import GIB


@pytest.mark.parametrize("name", ["RTX 4090", "rtx 4090", "NVIDIA GeForce RTX 4090"])
def test_a_gpu_is_found_by_its_names(name: str) -> None:
    found = gpu_named(name)
    assert (found.name, found.free, found.kind) == ("RTX 4090", 24 * GIB, "cuda")


def test_an_unknown_gpu_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownDevice, match='did you mean "RTX 4090"') as caught:
        gpu_named("RTX4090")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "size"), [("24GiB", 24 * GIB), ("16 gb", 16 * 10**9), ("0.5GiB", GIB // 2), ("512MiB", GIB // 2)]
)
def test_memory_has_a_unit(text: str, size: int) -> None:
    assert gpu_of_size(text).free == size


@pytest.mark.parametrize("text", ["24", "GiB", "24 apples", "-1GiB", "0GiB", ""])
def test_memory_without_sense_is_refused(text: str) -> None:
    with pytest.raises(UnknownDevice, match="as in 24GiB"):
        gpu_of_size(text)


def test_every_price_says_when_it_was_read() -> None:
    for gpu in load_gpus().values():
        assert (gpu.usd_per_hour is None) == (gpu.price_date is None)


def test_this_machine_has_memory() -> None:
    assert 0 < free_memory() < 2**50
    assert this_machine().free > 0
