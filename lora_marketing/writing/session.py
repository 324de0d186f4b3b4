"""A writing session: adapters that share a base, on that base, loaded once. What `generate` writes with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lora_marketing.brands.brand import Brief
from lora_marketing.common.errors import AdapterRefused, Problem
from lora_marketing.copy.record import Copy
from lora_marketing.engine.base import load_base
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.writer import Writer
from lora_marketing.recipe import load_recipe
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.registry.names import AdapterRef
from lora_marketing.registry.provenance import base_section_here, brand_names, other_names, recipe_of
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import known_texts
from lora_marketing.tokens.render import require_no_control_tokens
from lora_marketing.writing.copywriter import CopyOrder, Voice, write_copy
from lora_marketing.writing.until_good import BriefOutcome, Effort, write_until_good

if TYPE_CHECKING:
    from lora_marketing.metrics.voice import VoiceClassifier


@dataclass(frozen=True)
class WritingSession:
    """A Writer and the voices it can write in: one for each adapter, one for a recipe's bare brand.

    Open one with `WritingSession.open`; write with `write` or `write_until_good`.
    """

    writer: Writer
    voices: Sequence[Voice]

    @classmethod
    def open(
        cls, adapters: Path, refs: Sequence[str], recipe: Path | None = None, base_id: str | None = None
    ) -> WritingSession:
        """Resolve the adapters, load their base once, and put them all on it.

        Args:
            adapters: the registry's folder.
            refs: `brand/line`, `brand/line@alias` or `brand/line:digest`.
            recipe: adds the voice of its brand without an adapter.
            base_id: where the base lies on this machine, if not where the recipes say.

        Raises:
            RegistryError: unknown adapters. AdapterRefused: they need different bases, or the load
            gate refuses one. BaseModelError: the base cannot be loaded.
        """
        registry = Registry(adapters)
        versions = [registry.resolve(AdapterRef.parse(ref)) for ref in refs]
        sections: list[tuple[str, BaseSection]] = []
        voices = []
        for version in versions:
            section, brand, line = recipe_of(version.manifest)
            sections.append((str(version.name), section))
            voices.append(Voice(brand, line, str(version.name), version.digest, known_texts(version)))
        if recipe:
            loaded = load_recipe(recipe)
            sections.append((str(recipe), loaded.recipe.base))
            voices.append(Voice(loaded.brand, loaded.recipe.brand.line))
        section = _common_section(sections)
        if versions or base_id:
            section = base_section_here(section, base_id)
        writer = Writer(load_base(section))
        for version in versions:
            writer.load(version)
        return cls(writer, _with_other_names(voices, brand_names(registry)))

    def write(
        self,
        briefs: Sequence[Brief],
        variants: int,
        sampling: Sampling,
        *,
        with_base: bool,
        with_adapters: bool,
        raw: bool = False,
    ) -> list[Copy]:
        """Every brief in every voice, with the adapter, with the bare base, or both.

        `raw` texts are not held to the brand's terms and the channel's limit.

        Raises:
            RenderContractError: a brief holds a control token of the base, or steers its chat template.
        """
        voices = self._voices(with_base, with_adapters)
        self._require_text(briefs)
        orders = [
            CopyOrder(voice, brief, variant)
            for brief in briefs
            for variant in range(variants)
            for voice in voices
        ]
        return write_copy(self.writer, orders, sampling, raw=raw)

    def write_until_good(
        self,
        briefs: Sequence[Brief],
        effort: Effort,
        sampling: Sampling,
        *,
        with_base: bool,
        with_adapters: bool,
        classifier: VoiceClassifier | None = None,
    ) -> list[BriefOutcome]:
        """Every brief in every voice, until enough variants pass all guards or the rounds are over.

        Raises:
            RenderContractError: a brief holds a control token of the base, or steers its chat template.
        """
        voices = self._voices(with_base, with_adapters)
        self._require_text(briefs)
        orders = [CopyOrder(voice, brief) for brief in briefs for voice in voices]
        return write_until_good(self.writer, orders, sampling, effort, classifier)

    def _require_text(self, briefs: Sequence[Brief]) -> None:
        require_no_control_tokens(briefs, [voice.brand for voice in self.voices], self.writer.base)

    def _voices(self, with_base: bool, with_adapters: bool) -> list[Voice]:
        voices = [voice for voice in self.voices if with_adapters and voice.adapter]
        if with_base:
            bare = (replace(voice, adapter=None, digest=None, known=None) for voice in self.voices)
            voices += list({(voice.brand.name, voice.line): voice for voice in bare}.values())
        return voices


def _with_other_names(voices: Sequence[Voice], names: Iterable[tuple[str, str]]) -> list[Voice]:
    """The voices, each with the names of the registry's other brands and of those it writes beside."""
    all_names = {*names, *((voice.brand.name, voice.brand.display_name) for voice in voices)}
    return [replace(voice, others=other_names(voice.brand, all_names)) for voice in voices]


def _common_section(sections: Sequence[tuple[str, BaseSection]]) -> BaseSection:
    first, section = sections[0]
    for name, other in sections[1:]:
        if other != section:
            raise AdapterRefused(
                Problem(
                    "these voices need different bases",
                    got=f"{first}: {_described(section)}; {name}: {_described(other)}",
                    fix="write with them in separate calls",
                )
            )
    return section


def _described(section: BaseSection) -> str:
    return f"{section.id} {section.quantization} {section.compute_dtype} chat_date {section.chat_date}"
