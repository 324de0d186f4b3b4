from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_registry_loads_nothing_heavy() -> None:
    script = "import sys, lora_marketing.registry; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        cwd=Path(__file__).parents[2],
    ).stdout.split()
    assert "lora_marketing.registry.store" in loaded
    assert not {"torch", "transformers", "peft", "safetensors", "numpy"} & set(loaded)
