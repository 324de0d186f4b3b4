"""What a request says about the text, as constraints that the engine keeps to. The one place for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lora_marketing.brand import Brand, Brief
from lora_marketing.channels import load_limit
from lora_marketing.serving.schema import JsonSchemaFormat, ResponseFormat, TextFormat

if TYPE_CHECKING:
    from lora_marketing.bases.load import LoadedBase
    from lora_marketing.writing.constraints import Constraint


def constraints_of_format(wanted: ResponseFormat | None, base: LoadedBase) -> tuple[Constraint, ...]:
    """What `response_format` asks of a chat's answer.

    Raises:
        DataError: the schema is broken, or cannot be kept to.
    """
    if wanted is None or isinstance(wanted, TextFormat):
        return ()
    from lora_marketing.writing.constraints.grammar import JsonGrammar

    schema = wanted.json_schema.schema_ if isinstance(wanted, JsonSchemaFormat) else {"type": "object"}
    return (JsonGrammar(schema, base),)


def constraints_of_brief(brief: Brief, brand: Brand) -> tuple[Constraint, ...]:
    """What a brand's forbidden terms and a channel's limit ask of a copy.

    Raises:
        UnknownName: the brief's channel or field is not on the shelf.
    """
    from lora_marketing.writing.constraints.banned import BannedTerms
    from lora_marketing.writing.constraints.budget import LengthBudget

    limit = load_limit(brief.channel, brief.field)
    banned: tuple[Constraint, ...] = (BannedTerms(brand),)
    return banned if limit.max is None else (*banned, LengthBudget(limit.max, limit.unit, limit.min))
