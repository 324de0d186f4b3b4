"""A process as `WorkerProcess` starts them: it hangs or eats memory when it is told to."""

from __future__ import annotations

import sys

from lora_marketing.serving.worker_process import answer_lines, limit_memory


def answer(line: str) -> str:
    if line.startswith("hang"):
        sum(range(10**12))  # holds the interpreter's lock
    if line.startswith("eat"):
        return str(len(bytearray(1 << 30)))
    return line.upper().strip()


if __name__ == "__main__":
    assert sys.stdin.readline() == "set up\n"
    limit_memory(64 << 20)
    answer_lines(sys.stdin, sys.stdout, 5, answer)
