"""Where a version comes from: the recipe, brand profile and data hashes that its manifest keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from lora_marketing.bases.locate import prompt_settings
from lora_marketing.brands.brand import Brand
from lora_marketing.common.documents import dotted
from lora_marketing.common.errors import AdapterRefused, BaseModelError, Problem, RegistryError
from lora_marketing.data.dataset import Dataset
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.recipe.schema import BaseSection, EvalSection
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
    """Base section, brand and line that a published version was trained with.

    Raises:
        AdapterRefused: another version of the kit recorded them, in a form that this one cannot read.
    """
    with _refusing(manifest):
        base = BaseSection.model_validate(manifest.recipe["base"])
        brand = Brand.model_validate(manifest.recipe["brand_profile"])
        return base, brand, _text(manifest.recipe["brand"]["line"])


def writing_defaults(manifest: Manifest) -> EvalSection:
    """How a published version writes unless it is told otherwise: its recipe's `eval`.

    Raises:
        AdapterRefused: another version of the kit recorded it, in a form that this one cannot read.
    """
    with _refusing(manifest):
        return EvalSection.model_validate(manifest.recipe.get("eval", {}))


def require_usable(version: Version) -> None:
    """Prove that a version's manifest says all that writing with it needs.

    Raises:
        AdapterRefused: it does not, and why.
    """
    _ = version.hashes, recipe_of(version.manifest), writing_defaults(version.manifest)


def kept_profile(manifest: Manifest) -> Mapping[str, Any]:
    """The brand profile as it was recorded, unchecked; empty if none was."""
    profile = manifest.recipe.get("brand_profile")
    return profile if isinstance(profile, dict) else {}


@contextmanager
def _refusing(manifest: Manifest) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        details = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else None
        got = f"{dotted(details['loc'])}: {details['msg']}" if details else f"no {error}"
        fix = "use the version of lora_marketing that published it, or train it again with this one"
        what = (
            f"the recipe in the manifest of {manifest.name} cannot be read by this version of lora_marketing"
        )
        raise AdapterRefused(Problem(what, got=got[:300], fix=fix)) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text for brand.line")
    return value


def base_section_here(section: BaseSection, base_id: str | None) -> BaseSection:
    """The base section of a published version, as it is to be loaded on this machine.

    Args:
        section: what the version was trained with.
        base_id: where the base lies here, by the user's word (`--base-id`); None takes the section's.

    Raises:
        BaseModelError: the section names a local folder, and nobody says where it lies here.
    """
    if base_id:  # a folder is not in the catalogue, whose settings decide the prompts too
        prompts = prompt_settings(section)
        same = {"template_arguments": dict(prompts.arguments), "system_turn": prompts.system_turn}
        return section.model_copy(update={"id": base_id, **same})
    if section.id.startswith("."):
        # a manifest names local folders from where the recipe lay, wherever that was
        fix = "say where it lies here with --base-id"
        raise BaseModelError(Problem("the adapter's base is a local folder or file", got=section.id, fix=fix))
    return section


def brand_names(registry: Registry) -> frozenset[tuple[str, str]]:
    """(name, display name) of every brand that has a version. Damaged versions are passed over."""
    newest = (_usual_version(registry, name) for name in registry.names())
    found = (version for version in newest if version)
    shown = ((one.name.brand, kept_profile(one.manifest).get("display_name")) for one in found)
    return frozenset((brand, name) for brand, name in shown if isinstance(name, str))


def _usual_version(registry: Registry, name: AdapterName) -> Version | None:
    try:
        return registry.resolve(AdapterRef(name))
    except RegistryError:
        return next(reversed(registry.versions(name)), None)


def other_names(brand: Brand, names: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The display names of all brands but `brand`, sorted. Its other lines are no other brands."""
    return tuple(sorted({shown for name, shown in names if name != brand.name} - {brand.display_name}))
