"""The catalogue of recommended bases: short name, pinned hub revision, licence, languages."""

from __future__ import annotations

from functools import cache

from pydantic import JsonValue

from lora_marketing.common.documents import Frozen, packaged_document, validated
from lora_marketing.recipe.schema import SystemTurn


class Embedded(Frozen):
    """A GGUF file inside a Python package, which needs no hub.

    Args:
        package: import name of the package.
        requirement: pip requirement that installs it.
        file: path of the GGUF file inside the package.
        size: bytes of the file.
        sha256: hash of the file.
    """

    package: str
    requirement: str
    file: str
    size: int
    sha256: str


class CatalogueEntry(Frozen):
    """One base of the catalogue.

    `template` names the chat template of its family, `system_turn` says where that takes one (see
    `BaseSection`). `config` has the sizes of its config.json, so that a run can be planned before the base is
    downloaded. A `gated` base needs its licence accepted on the hub.
    """

    id: str
    revision: str
    model_type: str
    template: str
    license: str
    languages: list[str]
    template_arguments: dict[str, bool | str] = {}
    system_turn: SystemTurn = "own"
    gated: bool = False
    embedded: Embedded | None = None
    config: dict[str, JsonValue]


class Catalogue(Frozen):
    """All bases of the catalogue by short name."""

    entries: dict[str, CatalogueEntry]

    def find(self, id: str) -> CatalogueEntry | None:
        """The entry with this short name or hub id, or None."""
        if id in self.entries:
            return self.entries[id]
        return next((entry for entry in self.entries.values() if entry.id == id), None)


@cache
def load_catalogue() -> Catalogue:
    """Read the catalogue that ships with this package."""
    document = packaged_document("lora_marketing.bases", "catalogue.yaml")
    places = {("entries", *key): place for key, place in document.places.items()}
    return validated(Catalogue, {"entries": document.value}, places)
