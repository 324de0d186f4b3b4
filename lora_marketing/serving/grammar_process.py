"""A process that tries JSON schemas, so that one which takes too much ends this process and not the server.

`serving/grammars.py` runs it as `python -m lora_marketing.serving.grammar_process`. It reads lines of JSON
from standard input, first the tokenizer, then schemas, and answers each with a line on standard output.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import IO

from llguidance import LLTokenizer

from lora_marketing.common.errors import DataError
from lora_marketing.engine.json_grammar import compiled, require_readable


def main() -> None:
    """Answer until standard input ends."""
    os.nice(10)
    serve(sys.stdin, sys.stdout)


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Read `{tokenizer, stop_ids, seconds, memory_bytes}`, then a schema a line; answer `{problem}` to each.

    A schema that takes longer, or more memory, ends the process.
    """
    setup = json.loads(requests.readline())
    vocabulary = LLTokenizer(setup["tokenizer"], eos_token=setup["stop_ids"])
    _limit_memory(setup["memory_bytes"])
    _answer(answers, None)
    for line in requests:
        # the default action ends the process, also while no Python runs
        signal.alarm(setup["seconds"] + 1)
        _answer(answers, _problem(line, vocabulary))
        signal.alarm(0)


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


def _answer(answers: IO[str], problem: str | None) -> None:
    answers.write(json.dumps({"problem": problem}) + "\n")
    answers.flush()


def _limit_memory(more: int) -> None:
    """Let the process have so many bytes more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
