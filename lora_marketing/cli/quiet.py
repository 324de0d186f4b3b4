"""Keep other libraries' progress bars and notices off the screen; LORA_MARKETING_VERBOSE=1 shows them."""

from __future__ import annotations

import logging
import os
import warnings


def quiet_upstream() -> None:
    """Silence transformers, datasets and bitsandbytes. Call it before they are imported."""
    if os.environ.get("LORA_MARKETING_VERBOSE"):
        return
    os.environ.setdefault("TQDM_DISABLE", "1")  # read when tqdm is imported
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft|trl)\b")
    from datasets import disable_progress_bars
    from transformers.utils import logging as transformers_logging

    disable_progress_bars()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
