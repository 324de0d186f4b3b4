"""Where a version comes from: the recipe, brand profile and data hashes that its manifest keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from lora_marketing.brands.brand import Brand
from lora_marketing.common.errors import BaseModelError, Problem, RegistryError
from lora_marketing.data.dataset import Dataset
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.registry.manifest import Manifest
from lora_marketing.registry.names import AdapterName, AdapterRef
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version
from lora_marketing.tasks import messages


def recorded_recipe(loaded: LoadedRecipe) -> dict[str, Any]:
    """What a manifest keeps of a recipe: every key resolved, and the brand profile itself."""
    return {**loaded.portable(), "brand_profile": loaded.brand.model_dump(mode="json", by_alias=True)}


def recorded_data(loaded: LoadedRecipe, data: Dataset) -> dict[str, str | int | float]:
    """What a manifest keeps of the data: hashes of rows and of the chats they become."""
    chats = [[*messages(row.brief(), loaded.brand), row.text] for row in (*data.train, *data.validation)]
    text = json.dumps(chats, ensure_ascii=False)
    return {**data.hashes(), "chats_sha256": sha256(text.encode()).hexdigest()}


def recipe_of(manifest: Manifest) -> tuple[BaseSection, Brand, str]:
    """Base section, brand and line that a published version was trained with."""
    recipe: Mapping[str, Any] = manifest.recipe
    base = BaseSection.model_validate(recipe["base"])
    return base, Brand.model_validate(recipe["brand_profile"]), recipe["brand"]["line"]


def base_section_here(section: BaseSection, base_id: str | None) -> BaseSection:
    """The base section of a published version, as it is to be loaded on this machine.

    Args:
        section: what the version was trained with.
        base_id: where the base lies here, by the user's word (`--base-id`); None takes the section's.

    Raises:
        BaseModelError: the section names a local folder, and nobody says where it lies here.
    """
    if base_id:
        return section.model_copy(update={"id": base_id})
    if section.id.startswith("."):
        # a manifest names local folders from where the recipe lay, wherever that was
        fix = "say where it lies here with --base-id"
        raise BaseModelError(Problem("the adapter's base is a local folder or file", got=section.id, fix=fix))
    return section


def brand_names(registry: Registry) -> frozenset[tuple[str, str]]:
    """(name, display name) of every brand that has a version. Damaged versions are passed over."""
    newest = (_usual_version(registry, name) for name in registry.names())
    versions = (version for version in newest if version)
    profiles = ((version.name.brand, version.manifest.recipe.get("brand_profile")) for version in versions)
    return frozenset(
        (brand, profile["display_name"]) for brand, profile in profiles if isinstance(profile, dict)
    )


def _usual_version(registry: Registry, name: AdapterName) -> Version | None:
    try:
        return registry.resolve(AdapterRef(name))
    except RegistryError:
        return next(reversed(registry.versions(name)), None)


def other_names(brand: Brand, names: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The display names of all brands but `brand`, sorted. Its other lines are no other brands."""
    return tuple(sorted({shown for name, shown in names if name != brand.name} - {brand.display_name}))
