"""What `response_format` says about a text, as a constraint that the engine keeps to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lora_marketing.serving.schema import JsonSchemaFormat, ResponseFormat, TextFormat

if TYPE_CHECKING:
    from lora_marketing.engine.base import LoadedBase
    from lora_marketing.engine.constraints import Constraint


def constraints_of_format(response_format: ResponseFormat | None, base: LoadedBase) -> tuple[Constraint, ...]:
    """What `response_format` asks of a chat's answer.

    Raises:
        DataError: the schema is broken, or cannot be kept to.
    """
    if response_format is None or isinstance(response_format, TextFormat):
        return ()
    from lora_marketing.engine.constraints.grammar import JsonGrammar

    schema: Mapping[str, Any] = {"type": "object"}
    if isinstance(response_format, JsonSchemaFormat):
        schema = response_format.json_schema.schema_
    return (JsonGrammar(schema, base),)
