"""Names of the registry's other brands and training texts of adapters: what guards of served copy check for.

No caller learns of either.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.guards.cross_brand import unsaid
from lora_marketing.registry.provenance import brand_names, other_names
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version, known_texts
from lora_marketing.text.known_texts import KnownTexts

FRESH = 5.0
"""Seconds for which a listing of the brands holds."""
MOST_TIME = 0.02
"""Share of the time that listing a large registry may take."""
MOST_HASHES = 2_000_000
"""Hashes of training texts that are kept in memory: about 140 MB."""


class OtherBrands:
    """The brands of a registry, whatever is served of them, and what their adapters were trained on.

    Used from one thread. A brand that is new is known a few seconds later.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._names: frozenset[tuple[str, str]] = frozenset()
        self._holds_until = 0.0
        self._known: OrderedDict[str, KnownTexts | None] = OrderedDict()

    def others(self, brand: Brand, brief: Brief) -> tuple[str, ...]:
        """Names of all other brands, without those that the brief says.

        Whoever wrote the brief knows these. If they were guarded against, one could find out who the
        other clients are by requesting texts about their names.
        """
        begun = time.monotonic()
        if begun >= self._holds_until:
            self._names = brand_names(self._registry)
            ended = time.monotonic()
            self._holds_until = ended + max(FRESH, (ended - begun) / MOST_TIME)
        said = (brief.product, brief.audience, brief.notes, *brief.attributes, *brief.attributes.values())
        return unsaid(other_names(brand, self._names), "\n".join(said))

    def known(self, version: Version) -> KnownTexts | None:
        """What a version was trained on; None of one that was published without it.

        Raises:
            AdapterRefused: its file was changed.
        """
        if version.digest not in self._known:
            self._known[version.digest] = known_texts(version)
        self._known.move_to_end(version.digest)
        while len(self._known) > 1 and self._hashes() > MOST_HASHES:
            self._known.popitem(last=False)
        return self._known[version.digest]

    def _hashes(self) -> int:
        return sum(known.hashes for known in self._known.values() if known)
