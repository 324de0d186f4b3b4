"""A process that tries JSON schemas, so that one which takes too much ends this process and not the server.

`serving/grammars.py` runs it as `python -m lora_marketing.serving.grammar_process`. It reads lines of JSON
from standard input, first the tokenizer, then schemas, and answers each with a line on standard output.
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO

from llguidance import LLTokenizer

from lora_marketing.common.errors import DataError
from lora_marketing.engine.json_grammar import compiled, require_readable
from lora_marketing.serving.worker_process import answer_lines, limit_memory


def main() -> None:
    """Answer until standard input ends."""
    os.nice(19)
    serve(sys.stdin, sys.stdout)


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Read `{tokenizer, stop_ids, seconds, memory_bytes}`, then a schema a line; answer `{problem}` to each.

    A schema that takes longer, or more memory, ends the process.
    """
    setup = json.loads(requests.readline())
    vocabulary = LLTokenizer(setup["tokenizer"], eos_token=setup["stop_ids"])
    limit_memory(setup["memory_bytes"])
    answer_lines(requests, answers, setup["seconds"], lambda schema: _answer(schema, vocabulary))


def _answer(schema: str, vocabulary: LLTokenizer) -> str:
    return json.dumps({"problem": _problem(schema, vocabulary)})


def _problem(schema: str, vocabulary: LLTokenizer) -> str | None:
    try:
        require_readable(compiled(json.loads(schema), vocabulary))
    except DataError as error:
        return "; ".join(
            f"{problem.what}: {' '.join(str(problem.got).split())}" for problem in error.problems
        )[:800]
    except ValueError as error:
        return f"this JSON schema cannot be read: {error}"[:800]
    return None


if __name__ == "__main__":
    main()
