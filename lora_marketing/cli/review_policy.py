"""Whose policy a text in review is held against, and what is known of the house besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_marketing.brands.brand import Brand, Example
from lora_marketing.channels.structure import taught_texts
from lora_marketing.common.errors import DataError, Problem, RegistryError
from lora_marketing.copy.record import Copy
from lora_marketing.data.dataset import read_texts
from lora_marketing.guards import Case, Finding, findings, load_policy
from lora_marketing.recipe import load_recipe
from lora_marketing.registry.names import AdapterRef
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import known_texts
from lora_marketing.text.known_texts import KnownTexts

BrandLine = tuple[str, str | None]
"""Name of a brand, and digest of the adapter that wrote."""


@dataclass(frozen=True)
class Policies:
    """By voice, the brand and the texts that it was taught, where anybody knows them.

    `names` are (name, shown name) of these brands and of all that have an adapter.
    """

    brands: Mapping[BrandLine, Brand]
    known: Mapping[BrandLine, KnownTexts]
    names: frozenset[tuple[str, str]]

    @classmethod
    def of(
        cls, copies: Iterable[Copy], recipes: Sequence[Path], profiles: Sequence[Path], adapters: Path
    ) -> Policies:
        """The policy of each brand as it is given, else as its adapter was trained with.

        What was taught is what the recipes teach, else what the adapter's version keeps.

        Raises:
            DataError: the base wrote for a brand that is not given, or a recipe's texts are broken.
            RegistryError: an adapter is not in the registry any more.
            DocumentError, RecipeError: a recipe or a profile is broken.
        """
        from lora_marketing.registry.provenance import brand_names

        loaded = [load_recipe(path) for path in recipes]
        given = {
            brand.name: brand for brand in (*map(load_policy, profiles), *(recipe.brand for recipe in loaded))
        }
        rows: dict[str, list[Example]] = {}
        for recipe in loaded:
            rows.setdefault(recipe.brand.name, []).extend(row for _, row in read_texts(recipe))
        written = list(copies)
        brands = _brands(written, given, adapters)
        taught = {name: KnownTexts.of(taught_texts(found)) for name, found in rows.items()}
        known = _known(written, taught, adapters)
        shown = frozenset((brand.name, brand.display_name) for brand in (*brands.values(), *given.values()))
        return cls(brands, known, shown | brand_names(Registry(adapters)))

    def findings(self, copy: Copy, text: str, *, stopped: bool = True) -> list[Finding]:
        """What the guards have against `text` where `copy` was to be published."""
        from lora_marketing.registry.provenance import other_names

        brand = self.brands[copy.brand, copy.digest]
        known = self.known.get((copy.brand, copy.digest))
        case = Case(copy.brief, brand, stopped, known=known, others=other_names(brand, self.names))
        return findings(text, case)


def _brands(copies: Iterable[Copy], given: Mapping[str, Brand], adapters: Path) -> dict[BrandLine, Brand]:
    voices = {(copy.brand, copy.digest): copy.line for copy in copies}
    unknown = {name: None for name, digest in voices if name not in given and digest is None}
    if unknown:
        fix = "--profile FILE, or --recipe FILE"
        raise DataError(Problem("no policy to guard with", got=", ".join(unknown), fix=fix))
    return {
        (name, digest): given[name] if name in given else _trained_with(f"{name}/{line}:{digest}", adapters)
        for (name, digest), line in voices.items()
    }


def _known(
    copies: Sequence[Copy], taught: Mapping[str, KnownTexts], adapters: Path
) -> dict[BrandLine, KnownTexts]:
    """What every voice was taught. A profile may stand in for an adapter that is gone; its texts cannot."""
    registry = Registry(adapters)
    found: dict[BrandLine, KnownTexts] = {}
    for (name, digest), line in {(copy.brand, copy.digest): copy.line for copy in copies}.items():
        if name in taught:
            found[name, digest] = taught[name]
        elif digest is not None:
            try:
                version = registry.resolve(AdapterRef.parse(f"{name}/{line}:{digest}"))
            except RegistryError:
                continue
            if (kept := known_texts(version)) is not None:
                found[name, digest] = kept
    return found


def _trained_with(adapter: str, adapters: Path) -> Brand:
    from lora_marketing.registry.provenance import recipe_of

    return recipe_of(Registry(adapters).resolve(AdapterRef.parse(adapter)).manifest)[1]
