"""Keep other libraries' progress bars, warnings and notices off the screen.

LORA_MARKETING_VERBOSE=1 shows them all.
"""

from __future__ import annotations

import logging
import os
import warnings

LIBRARIES = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "httpx",
    "huggingface_hub",
    "optuna",
    "peft",
    "torch",
    "transformers",
    "trl",
)
"""Libraries whose loggers say errors only. `py.warnings` is where Python sends warnings that are logged."""


def quiet_upstream() -> None:
    """Let the screen belong to the kit, which says what it has to say by `console.note`.

    Warnings of whatever category and module are dropped: where one seems to come from is up to whoever
    raises it. So are log records below an error. Call it before torch and transformers are imported.
    """
    if os.environ.get("LORA_MARKETING_VERBOSE"):
        warnings.simplefilter("default")  # Python itself shows no DeprecationWarning of a library
        return
    os.environ.setdefault("TQDM_DISABLE", "1")  # read when tqdm is imported
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # read when torch is loaded
    logging.captureWarnings(True)  # filters would not do: libraries put their own before them
    if logging.lastResort is not None:  # for loggers that nobody configured
        logging.lastResort.setLevel(logging.ERROR)
    _errors_only()  # bitsandbytes warns while it is imported
    import torch  # noqa: F401  # sets its own levels, once
    from datasets import disable_progress_bars
    from transformers.utils import logging as transformers_logging

    disable_progress_bars()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    _errors_only()


def _errors_only() -> None:
    for name in (*LIBRARIES, "py.warnings"):
        logging.getLogger(name).setLevel(logging.ERROR)
