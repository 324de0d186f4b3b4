"""The small catalogue of good bases: short name, pinned hub revision, licence, languages."""

from __future__ import annotations

from functools import cache

from pydantic import JsonValue

from lora_marketing.common.documents import Frozen, packaged_document, validated
from lora_marketing.recipe.schema import SystemTurn


class Embedded(Frozen):
    """A GGUF file that ships inside a Python package, so that no hub is needed."""

    package: str
    requirement: str
    file: str
    size: int
    sha256: str


class CatalogueEntry(Frozen):
    """One base of the catalogue. `template` names the chat template of its family.

    `system_turn` says where its template takes one (see `BaseSection`).
    `config` holds the sizes in its config.json, so that it can be planned for before it is here.
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
    """All entries by short name."""

    entries: dict[str, CatalogueEntry]

    def find(self, id: str) -> CatalogueEntry | None:
        """The entry of a short name or hub id, if the catalogue has it."""
        if id in self.entries:
            return self.entries[id]
        return next((entry for entry in self.entries.values() if entry.id == id), None)


@cache
def load_catalogue() -> Catalogue:
    """Read the catalogue that ships with the kit."""
    document = packaged_document("lora_marketing.bases", "catalogue.yaml")
    places = {("entries", *key): place for key, place in document.places.items()}
    return validated(Catalogue, {"entries": document.value}, places)
