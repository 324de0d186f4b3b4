"""From a JSON schema to a grammar over a tokenizer's tokens. Needs no torch, so a small process can do it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from lora_marketing.common.errors import DataError, Problem

LIMITS = LLParserLimits(max_lexer_states=50_000)
"""What following a grammar may take: some 100 MB, and for each token some 20 ms, the library's own limit."""


def compiled(schema: Mapping[str, Any], vocabulary: LLTokenizer) -> LLMatcher:
    """A matcher that has read nothing yet.

    It takes JSON on one line with a space after commas and colons. How long this takes, and how much
    memory, has no limit here: 1.6 kB of patterns took minutes and gigabytes.

    Raises:
        DataError: the schema is broken, nothing can follow it, or it uses what no grammar can keep.
    """
    grammar = LLMatcher.grammar_from_json_schema(
        json.dumps(schema),
        overrides={"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "},
    )
    broken, messages = LLMatcher.validate_grammar_with_warnings(grammar, vocabulary, limits=LIMITS)
    matcher = LLMatcher(vocabulary, grammar, log_level=0, limits=LIMITS)
    if broken or matcher.is_error():
        got = "; ".join(messages) or matcher.get_error()
        fix = "correct the schema, or leave out what got names"
        raise DataError(Problem("no grammar follows this JSON schema", "schema", got=got, fix=fix))
    return matcher


def require_readable(matcher: LLMatcher) -> None:
    """Try the first tokens: some grammars compile and then take too many steps for a token.

    Raises:
        DataError: this one does.
    """
    tried = matcher.deep_copy()
    tried.compute_bitmask()
    if forced := tried.compute_ff_tokens():
        tried.consume_tokens(forced)
        tried.compute_bitmask()
    if tried.is_error():
        got = tried.get_error().partition("\n")[0]
        fix = "make the schema smaller, for example of fewer optional properties"
        raise DataError(Problem("this JSON schema is too complex to write by", "schema", got=got, fix=fix))
