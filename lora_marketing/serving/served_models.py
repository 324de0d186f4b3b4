"""From a model's name to the adapter version that it means now, for callers who may use it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lora_marketing.bases.locate import prompt_settings
from lora_marketing.brands.brand import Brand
from lora_marketing.common.errors import AdapterRefused, RegistryError
from lora_marketing.recipe.schema import EvalSection
from lora_marketing.registry.names import AdapterName, AdapterRef
from lora_marketing.registry.provenance import recipe_of, writing_defaults
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version
from lora_marketing.serving.errors import model_not_found, model_unavailable
from lora_marketing.serving.keys import Caller
from lora_marketing.serving.schema import ModelCard
from lora_marketing.serving.worker import WritingEngine

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedModel:
    """One version, ready to write: `key` names it to the engine, `defaults` are its recipe's."""

    version: Version
    key: str
    brand: Brand
    line: str
    defaults: EvalSection


class Models:
    """The adapters of a registry that were trained on the engine's base.

    No version is remembered: a promotion holds from the next request on. Reads small files, so it is
    called from threads.

    Args:
        registry: where versions and aliases lie.
        engine: what they are written with; versions of other bases are not served.
        only: the adapters to serve; all of them if None.
    """

    def __init__(
        self, registry: Registry, engine: WritingEngine, only: Iterable[AdapterName] | None = None
    ) -> None:
        self._registry = registry
        self._engine = engine
        self._only = None if only is None else frozenset(only)

    @property
    def root(self) -> Path:
        """The folder of the registry."""
        return self._registry.root

    def resolve(self, text: str, caller: Caller) -> ServedModel:
        """The version that a model's name means now, known to the engine.

        Raises:
            ApiError: 404 if there is none, or none that the caller may know of; 503 if it is damaged.
        """
        version = self._version(_parsed(text), caller)
        try:
            key = self._engine.register(version)
            _, brand, line = recipe_of(version.manifest)
            defaults = writing_defaults(version.manifest)
        except AdapterRefused as error:
            raise _unavailable(version.name, error) from error
        return ServedModel(version, key, brand, line, defaults)

    def card(self, text: str, caller: Caller) -> ModelCard:
        """The public description of one model.

        Raises:
            ApiError: as `resolve`.
        """
        return _card(text, self._version(_parsed(text), caller))

    def cards(self, caller: Caller) -> list[ModelCard]:
        """Every model the caller may use: each adapter by its bare name and by its aliases."""
        return [_card(str(ref), version) for ref, version in self._served(caller)]

    def _served(self, caller: Caller) -> Iterator[tuple[AdapterRef, Version]]:
        for name in self._registry.names():
            if not self._offers(name, caller):
                continue
            try:
                aliases = self._registry.aliases(name)
                refs = [AdapterRef(name), *(AdapterRef(name, alias) for alias in aliases)]
                found = [(ref, self._registry.resolve(ref)) for ref in refs]
            except RegistryError as error:
                _unavailable(name, error)
                continue
            yield from ((ref, version) for ref, version in found if self._fits(version))

    def _version(self, ref: AdapterRef, caller: Caller) -> Version:
        if not self._offers(ref.name, caller):
            raise model_not_found()
        try:
            version = self._registry.resolve(ref)
        except RegistryError as error:
            if isinstance(error, AdapterRefused) or self._registry.damaged(ref.name):
                raise _unavailable(ref.name, error) from error
            raise model_not_found() from error
        if not self._fits(version):
            raise model_not_found()
        return version

    def _offers(self, name: AdapterName, caller: Caller) -> bool:
        return caller.may_see(name.brand) and (self._only is None or name in self._only)

    def _fits(self, version: Version) -> bool:
        """Whether the version was trained on this base, with prompts as this server renders them."""
        base = self._engine.base
        if version.manifest.base.fingerprint != base.pin.fingerprint:
            return False
        try:
            return prompt_settings(recipe_of(version.manifest)[0]) == base.prompts
        except AdapterRefused:  # told when it is asked for
            return True


def _parsed(text: str) -> AdapterRef:
    try:
        return AdapterRef.parse(text)
    except RegistryError as error:
        raise model_not_found() from error


def _unavailable(name: AdapterName, error: RegistryError) -> Exception:
    LOG.error("%s cannot be used: %s", name, error.problems[0])
    return model_unavailable()


def _card(id: str, version: Version) -> ModelCard:
    created = int(datetime.fromisoformat(version.manifest.created).timestamp())
    return ModelCard(id=id, created=created, owned_by=version.name.brand, digest=version.digest)
