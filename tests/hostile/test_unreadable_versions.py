"""A version that this kit cannot read is left out, and told; every other brand is served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.common.errors import AdapterRefused, RegistryError
from lora_marketing.registry import AdapterName, Registry
from lora_marketing.registry.provenance import brand_names
from lora_marketing.serving.start import find_adapters
from tests.serving.making import EMBER, LUMEN, chat, publish, serving

Change = Callable[[dict[str, Any]], object]


def newer_schema(manifest: dict[str, Any]) -> None:
    manifest["schema"] = 2


def newer_profile(manifest: dict[str, Any]) -> None:
    manifest["recipe"]["brand_profile"]["tone"] = {"warm": 3}


def no_profile(manifest: dict[str, Any]) -> None:
    del manifest["recipe"]["brand_profile"]


def a_nameless_profile(manifest: dict[str, Any]) -> None:
    manifest["recipe"]["brand_profile"]["display_name"] = ["Lumen"]


def another_shape(manifest: dict[str, Any]) -> None:
    manifest["recipe"] = {"brand_profile": "lumen.yaml", "brand": [], "base": None}


def newer_eval(manifest: dict[str, Any]) -> None:
    manifest["recipe"]["eval"] = {"beams": 4}


def no_weights(manifest: dict[str, Any]) -> None:
    del manifest["files"]["adapter_model.safetensors"]


def a_line_that_is_a_list(manifest: dict[str, Any]) -> None:
    manifest["recipe"]["brand"]["line"] = ["serum"]


CHANGES: list[Change] = [
    newer_schema,
    newer_profile,
    no_profile,
    a_nameless_profile,
    another_shape,
    newer_eval,
    no_weights,
    a_line_that_is_a_list,
]


def rewritten(root: Path, name: str, change: Change) -> None:
    """The version of `name` as another kit would have published it: its digest is that of its manifest."""
    version = publish(root, name)
    manifest = json.loads((version.folder / "manifest.json").read_bytes())
    change(manifest)
    raw = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    path = version.folder / "manifest.json"
    path.chmod(0o644)
    path.write_bytes(raw)
    digest = hashlib.sha256(raw).hexdigest()
    version.folder.rename(version.folder.parent / digest[:16])
    alias = version.folder.parent.parent / "aliases" / "prod"
    alias.chmod(0o644)
    alias.write_text(f"{digest}\n")


@pytest.mark.thorough
@pytest.mark.parametrize("change", CHANGES)
def test_it_alone_is_not_served(tmp_path: Path, change: Change) -> None:
    root = tmp_path / "adapters"
    publish(root, EMBER)
    rewritten(root, LUMEN, change)
    registry = Registry(root)
    names = [AdapterName(*name.split("/")) for name in (EMBER, LUMEN)]
    for only in ((), names):
        found = find_adapters(registry, only)
        assert [str(version.name) for version in found.versions] == [EMBER]
        (told,) = found.left_out
        assert told.startswith(f"{LUMEN}: ")
    with pytest.raises(RegistryError, match="no adapter to serve"):
        find_adapters(registry, names[1:])
    assert dict(brand_names(registry))["ember"] == "Ember"
    with serving(root) as running, running.client() as client:
        assert client.post("/v1/chat/completions", json=chat(EMBER)).status_code == 200
        assert client.post("/v1/chat/completions", json=chat(LUMEN)).status_code in (404, 503)
        assert client.get("/v1/models").status_code == 200
        assert client.post("/v1/chat/completions", json=chat(EMBER)).status_code == 200


def test_an_unknown_name_is_still_a_mistake(tmp_path: Path) -> None:
    publish(tmp_path / "adapters", EMBER)
    with pytest.raises(RegistryError, match="no adapter ember/none"):
        find_adapters(Registry(tmp_path / "adapters"), [AdapterName("ember", "none")])


def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    from lora_marketing.registry.provenance import recipe_of

    version = publish(tmp_path / "adapters", LUMEN)
    odd = version.manifest.model_copy(update={"recipe": {"brand": {}}})
    with pytest.raises(AdapterRefused, match=r"lumen/serum cannot be read .* (?s:.)*train it again"):
        recipe_of(odd)
