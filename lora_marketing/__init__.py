"""Train one LoRA adapter per brand on a 4-bit base, keep them in a registry, write with all of them."""

__version__ = "0.1.0"
