"""Describes the device to plan for: a GPU by its name or memory size, or this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lora_marketing.common.documents import Frozen, packaged_document, validated
from lora_marketing.common.errors import Problem, UnknownDevice, nearest
from lora_marketing.planning.memory import GIB, DeviceKind

CPU_TFLOPS_PER_CORE = 0.04
"""Teraflops of one core in NF4 training steps: 0.03 to 0.05 were measured with SmolLM2-135M on one thread of
an AMD EPYC with AVX512-BF16, depending on what else the machine did."""
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
"""The folder with a container's memory limit and use (cgroup v2)."""
UNITS = {"gib": GIB, "gb": 10**9, "mib": 2**20, "mb": 10**6}


class Gpu(Frozen):
    """One GPU of the table gpus.yaml, which names its sources.

    `bf16_tflops` is the dense peak of its data sheet; `price_date` is the month in which the price was read.
    """

    memory_gib: float
    bf16_tflops: float
    usd_per_hour: float | None = None
    price_date: str | None = None


class Gpus(Frozen):
    """All GPUs of the table by name."""

    entries: dict[str, Gpu]


@dataclass(frozen=True)
class Device:
    """The device of a run: the bytes that are `free` for it, and speed and price if the table has them."""

    name: str
    kind: DeviceKind
    free: int
    tflops: float | None = None
    usd_per_hour: float | None = None
    price_date: str | None = None


@cache
def load_gpus() -> dict[str, Gpu]:
    """Read the table of GPUs that ships with this package."""
    document = packaged_document("lora_marketing.planning", "gpus.yaml")
    places = {("entries", *key): place for key, place in document.places.items()}
    return validated(Gpus, {"entries": document.value}, places).entries


def gpu_named(name: str) -> Device:
    """A GPU of the table by its name; case, "NVIDIA" and "GeForce" do not matter.

    Raises:
        UnknownDevice: the table has no such GPU; the message names the nearest one.
    """
    table = load_gpus()
    plain = re.sub(r"\b(nvidia|geforce)\b", "", name, flags=re.IGNORECASE).split()
    known_name = next((known for known in table if known.lower() == " ".join(plain).lower()), None)
    if known_name is None:
        fix = "or say how much memory it has, as in --memory 24GiB"
        raise UnknownDevice(Problem(f'unknown GPU "{name}"', allowed=nearest(name, table), fix=fix))
    gpu = table[known_name]
    free = round(gpu.memory_gib * GIB)
    return Device(known_name, "cuda", free, gpu.bf16_tflops, gpu.usd_per_hour, gpu.price_date)


def gpu_of_size(text: str) -> Device:
    """A GPU with the given memory, such as `24GiB` or `16 GB`; its speed and price are unknown.

    Raises:
        UnknownDevice: `text` is not a number with a unit.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip().lower())
    if match is None or match[2] not in UNITS or not float(match[1]):
        allowed = "a number with GiB, GB, MiB or MB, as in 24GiB"
        raise UnknownDevice(Problem("--memory cannot be read", got=text, allowed=allowed))
    return Device(f"a GPU with {text.strip()}", "cuda", round(float(match[1]) * UNITS[match[2]]))


def this_machine() -> Device:
    """The first GPU if the NVIDIA driver reports one, else the CPU; with the memory that is free now."""
    reported = _gpu_of_driver()
    if reported:
        name, free = reported
        gpu = _row_for(name)
        return Device(name, "cuda", free, gpu.bf16_tflops if gpu else None)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Device(f"this CPU, {cores} cores", "cpu", free_memory(), CPU_TFLOPS_PER_CORE * cores)


def _row_for(driver_name: str) -> Gpu | None:
    """The GPU of the table whose words are all in the driver's name as whole words: an A100 is not an A10."""
    words = set(re.split(r"[^a-z0-9]+", driver_name.lower()))
    fitting = [key for key in load_gpus() if set(key.lower().split()) <= words]
    return load_gpus()[max(fitting, key=len)] if fitting else None


def _gpu_of_driver() -> tuple[str, int] | None:
    """Name and free bytes of the first GPU, as nvidia-smi reports them; None without one."""
    program = shutil.which("nvidia-smi")
    if program is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return None
    command = [program, "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    first = run.stdout.strip().splitlines()[:1]
    if run.returncode or not first:
        return None
    name, free = first[0].rsplit(",", 1)
    return name.strip(), int(free) * 2**20


def free_memory() -> int:
    """Bytes that a process can still allocate on this machine, within the limit of its container."""
    sizes = [_available()]
    limit, used = (_number(CGROUP / name) for name in ("memory.max", "memory.current"))
    if limit is not None and used is not None:
        sizes.append(limit - used)
    return max(0, min(sizes))


def _available() -> int:
    """Available bytes by /proc/meminfo; on systems without it, the size of the memory."""
    if MEMINFO.is_file():
        match = re.search(r"^MemAvailable:\s+(\d+) kB", MEMINFO.read_text(encoding="utf-8"), re.MULTILINE)
        if match:
            return int(match[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _number(path: Path) -> int | None:
    text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return int(text) if text.isdigit() else None
