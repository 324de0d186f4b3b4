"""What `response_format` says about a text, as a constraint that the engine keeps to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lora_marketing.serving.schema import JsonSchemaFormat, ResponseFormat, TextFormat

if TYPE_CHECKING:
    from lora_marketing.engine.base import LoadedBase
    from lora_marketing.engine.constraints import Constraint


def constraints_of_format(wanted: ResponseFormat | None, base: LoadedBase) -> tuple[Constraint, ...]:
    """What `response_format` asks of a chat's answer.

    Raises:
        DataError: the schema is broken, or cannot be kept to.
    """
    if wanted is None or isinstance(wanted, TextFormat):
        return ()
    from lora_marketing.engine.constraints.grammar import JsonGrammar

    schema = wanted.json_schema.schema_ if isinstance(wanted, JsonSchemaFormat) else {"type": "object"}
    return (JsonGrammar(schema, base),)
