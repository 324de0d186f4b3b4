"""What every copy must keep to: the brand's own terms, and the limit or the structure of its channel."""

from __future__ import annotations

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.channels import load_limit
from lora_marketing.channels.structure import AD, ad_schema
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.constraints import Constraint
from lora_marketing.engine.constraints.banned import BannedTerms
from lora_marketing.engine.constraints.budget import LengthBudget
from lora_marketing.engine.constraints.grammar import JsonGrammar


def brand_rules(brand: Brand, before: str = "") -> tuple[Constraint, ...]:
    """What a brand's forbidden terms ask of every text, whatever it is for, that goes on with `before`."""
    return (BannedTerms.going_on(brand, before),) if brand.forbidden_terms else ()


def rules_of(brief: Brief, brand: Brand, base: LoadedBase) -> tuple[Constraint, ...]:
    """What a brand's forbidden terms and a channel's limit, or the JSON of its ads, ask of a copy.

    Raises:
        UnknownName: the brief's channel or field is not known.
    """
    banned = brand_rules(brand)
    if brief.field == AD:
        # one character more: a piece that the grammar had to end is seen by its length
        return (*banned, JsonGrammar(ad_schema(brief.channel, brand.language, spare=1), base))
    limit = load_limit(brief.channel, brief.field)
    return banned if limit.max is None else (*banned, LengthBudget(limit.max, limit.unit, limit.min))
