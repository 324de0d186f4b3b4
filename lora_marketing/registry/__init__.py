"""Named, immutable, checked versions, and moving aliases.

store            publish, promote, roll back, verify: what the command line and the server call
version          one published version: read it, say whether it is whole
manifest         what a version was made from, and the hash of every file
history          the moves of aliases
provenance       recipe, data and brands that a version was made from
adapter_check    the load gate: what refuses a poisoned adapter, file by file and tensor by tensor
lora_config      which keys of adapter_config.json the gate lets through
header           which safetensors files the gate lets through
names, files, staging    names that are never paths, files that are what they seem, unfinished work
"""

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
