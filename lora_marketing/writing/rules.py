"""What every copy must keep to: the brand's own terms and the channel's limit."""

from __future__ import annotations

from lora_marketing.brand import Brand, Brief
from lora_marketing.channels import load_limit
from lora_marketing.writing.constraints import Constraint
from lora_marketing.writing.constraints.banned import BannedTerms
from lora_marketing.writing.constraints.budget import LengthBudget


def rules_of(brief: Brief, brand: Brand) -> tuple[Constraint, ...]:
    """What a brand's forbidden terms and a channel's limit ask of a copy.

    Raises:
        UnknownName: the brief's channel or field is not on the shelf.
    """
    limit = load_limit(brief.channel, brief.field)
    banned: tuple[Constraint, ...] = (BannedTerms(brand),) if brand.forbidden_terms else ()
    return banned if limit.max is None else (*banned, LengthBudget(limit.max, limit.unit, limit.min))
