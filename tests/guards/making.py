"""Cases for guards to look at."""

from __future__ import annotations

from datetime import date
from typing import Any

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.guards import Case

TODAY = date(2026, 11, 1)


def brand(**own: Any) -> Brand:
    """A soap brand whose profile says `own` besides."""
    known = {
        "schema": 1,
        "name": "fjord",
        "display_name": "Fjord",
        "locale": "en-GB",
        "lines": {"soap": "Bars."},
        "guide": "Be brief.",
        "banned_terms": ["miracle"],
        "competitors": ["Fjordsuds"],
    }
    return Brand.model_validate(known | own)


def case(brief: dict[str, Any] | None = None, *, stopped: bool = True, **own: Any) -> Case:
    """A text message about a bar of soap, for a brand whose profile says `own` besides."""
    asked = {"product": "Bar", "channel": "sms", "field": "text"} | (brief or {})
    return Case(Brief.model_validate(asked), brand(**own), stopped, TODAY)
