from __future__ import annotations

import os
from pathlib import Path

import pytest

from lora_marketing.common.errors import UnknownDevice
from lora_marketing.planning import devices
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
    ("text", "size"),
    [
        ("24GiB", 24 * GIB),
        ("16 gb", 16 * 10**9),
        ("0.5GiB", GIB // 2),
        ("512MiB", GIB // 2),
        (" 500 MB ", 500 * 10**6),
    ],
)
def test_memory_has_a_unit(text: str, size: int) -> None:
    assert gpu_of_size(text).free == size


@pytest.mark.parametrize("text", ["24", "GiB", "24 apples", "-1GiB", "0GiB", ""])
def test_memory_without_sense_is_refused(text: str) -> None:
    with pytest.raises(UnknownDevice, match="as in 24GiB"):
        gpu_of_size(text)


GPUS = [
    ("RTX 3090", 24, 71, 0.22, "2026-03"),
    ("RTX 4060 Ti 16GB", 16, 44, None, None),
    ("RTX 4080", 16, 97, None, None),
    ("RTX 4090", 24, 165, 0.34, "2026-03"),
    ("RTX 5090", 32, 209, 0.69, "2026-03"),
    ("L4", 24, 121, 0.44, "2026-03"),
    ("A10", 24, 125, None, None),
    ("L40S", 48, 362, 0.79, "2026-03"),
    ("A100 40GB", 40, 312, None, None),
    ("A100 80GB", 80, 312, 1.19, "2026-11"),
    ("H100 PCIe", 80, 756, 1.99, "2026-11"),
    ("H100 SXM", 80, 989, 2.69, "2026-11"),
    ("H200", 139, 989, 3.59, "2026-03"),
]
"""GiB, dense bf16 TFLOPS, USD an hour and when it was read, written down a second time."""


def test_the_table_has_these_gpus() -> None:
    assert list(load_gpus()) == [name for name, *_ in GPUS]


@pytest.mark.parametrize(("name", "gib", "tflops", "usd", "read"), GPUS)
def test_every_gpu_has_its_figures(
    name: str, gib: int, tflops: int, usd: float | None, read: str | None
) -> None:
    gpu = gpu_named(name)
    assert (gpu.free, gpu.tflops, gpu.usd_per_hour, gpu.price_date) == (gib * GIB, tflops, usd, read)
    assert (gpu.name, gpu.kind) == (name, "cuda")


@pytest.mark.parametrize(
    ("available", "limit", "used", "free"),
    [
        (100, "60", "25", 35),
        (100, "125", "25", 100),
        (100, "124", "25", 99),
        (100, "126", "25", 100),
        (100, "25", "25", 0),
        (100, "25", "30", 0),
        (100, "max", "25", 100),
        (100, "60", None, 100),
        (100, None, "25", 100),
        (100, None, None, 100),
        (0, "60", "25", 0),
    ],
)
def test_a_container_may_take_what_its_limit_leaves(
    available: int,
    limit: str | None,
    used: str | None,
    free: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In KiB: the machine's available memory, or the limit less what is used, whichever is less."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal:     999 kB\nMemFree:        7 kB\nMemAvailable:   {available} kB\n")
    for name, value in (("memory.max", limit), ("memory.current", used)):
        if value is not None:
            size = str(int(value) * 1024) if value.isdigit() else value
            (tmp_path / name).write_text(f"{size}\n")
    monkeypatch.setattr(devices, "MEMINFO", meminfo)
    monkeypatch.setattr(devices, "CGROUP", tmp_path)
    assert free_memory() == free * 1024


def test_without_proc_all_memory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "MEMINFO", tmp_path / "nothing")
    monkeypatch.setattr(devices, "CGROUP", tmp_path)
    assert free_memory() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("said", "free_mib", "tflops"),
    [
        ("NVIDIA L40S, 45000", 45000, 362),
        ("NVIDIA L4, 22000\nNVIDIA L40S, 45000", 22000, 121),
        ("NVIDIA A10, 22000", 22000, 125),
        ("NVIDIA A100-SXM4-80GB, 80000", 80000, 312),
        ("NVIDIA A100-PCIE-40GB, 39000", 39000, 312),
        ("NVIDIA GeForce RTX 4090, 1", 1, 165),
        ("NVIDIA H100 80GB HBM3, 80000", 80000, None),
        ("A card, with a comma, 5", 5, None),
    ],
)
def test_the_driver_names_the_gpu_and_what_is_free(
    said: str, free_mib: int, tflops: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(tmp_path, monkeypatch, f"cat <<'END'\n{said}\nEND")
    found = this_machine()
    assert (found.name, found.kind) == (said.splitlines()[0].rpartition(",")[0], "cuda")
    assert (found.free, found.tflops, found.usd_per_hour) == (free_mib * 2**20, tflops, None)


@pytest.mark.parametrize(("script", "visible"), [("exit 9", None), ("true", None), ("echo L4, 22000", "")])
def test_without_a_gpu_to_use_it_is_the_cpu(
    script: str, visible: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(tmp_path, monkeypatch, script)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    found = this_machine()
    assert (found.name, found.kind) == ("this CPU, 3 cores", "cpu")
    assert found.tflops == pytest.approx(0.12)


def driver(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program that answers as nvidia-smi does."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_this_machine_has_memory() -> None:
    assert 0 < free_memory() < 2**50
    assert this_machine().free > 0
