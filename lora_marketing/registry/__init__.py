"""The registry of adapters: named, immutable, checked versions. No torch anywhere in it."""

from lora_marketing.registry.adapter_check import AdapterSpec, check_adapter, check_values
from lora_marketing.registry.manifest import BasePin, Manifest
from lora_marketing.registry.names import AdapterName, AdapterRef
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version, known_texts

__all__ = [
    "AdapterName",
    "AdapterRef",
    "AdapterSpec",
    "BasePin",
    "Manifest",
    "Registry",
    "Version",
    "check_adapter",
    "check_values",
    "known_texts",
]
