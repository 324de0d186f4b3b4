"""A judge is asked in both orders over HTTP, and only its agreement with itself counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from lora_marketing.brands.brand import Brief
from lora_marketing.common.errors import DataError
from lora_marketing.evaluation import Evaluation, ScoringOptions, evaluate
from lora_marketing.evaluation.llm_judge import KEY, Endpoint, _choice, prefer
from tests.evaluation.making import copy, recipes


@contextmanager
def endpoint(answer: Callable[[str], str], status: int = 200) -> Iterator[tuple[Endpoint, list[Any]]]:
    """A server that answers each question as told, and remembers what it was sent."""
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.path, self.headers["Authorization"], body))
            said = {"role": "assistant", "content": answer(body["messages"][1]["content"])}
            found = {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"]}
            found["choices"] = [{"index": 0, "finish_reason": "stop", "message": said}]
            data = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "judge-1"), seen
        server.shutdown()


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    copies = []
    for number in range(6):
        brief = Brief(product=f"Bar {number}", channel="sms", field="text")
        copies.append(
            copy(f"good {number}", "ember", adapter="ember/espresso", digest="ab" * 32, brief=brief)
        )
        copies.append(copy(f"bad {number}", "ember", brief=brief))
    return evaluate(copies, [], recipes()[:1], ScoringOptions(metrics=["length"], today=date(2026, 11, 1)))


def reads(question: str) -> str:
    return "A" if question.index("good") < question.index("bad") else "B."


@pytest.mark.thorough
def test_a_judge_that_reads_agrees_with_itself(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "secret-key")
    with endpoint(reads) as (judge, seen):
        (found,) = prefer(evaluation, "base", judge)
    assert (found.writer, found.against, found.won, found.lost, found.tied) == (
        "ember/espresso",
        "base",
        6,
        0,
        0,
    )
    assert found.agreement == 1
    assert len(seen) == 12
    path, key, body = seen[0]
    assert (path, key, body["model"]) == ("/v1/chat/completions", "Bearer secret-key", "judge-1")


def test_a_judge_that_likes_what_stands_first_decides_nothing(evaluation: Evaluation) -> None:
    with endpoint(lambda _: "A") as (judge, _):
        (found,) = prefer(evaluation, "base", judge)
    assert (found.won, found.lost, found.tied, found.agreement) == (0, 0, 6, 0)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        *(
            (said, "B")
            for said in ("B", "b.", "**B**", "Answer: B", "Text B", "Answer: Text B", "答案：Ｂ。")
        ),
        ("<think>A is short.\nA\n</think>\n\nB", "B"),
        ("A is short, B says it all.\nB", "B"),
        ("Tie.", "TIE"),
        *((said, None) for said in ("A careful editor would pick B", "Both are fine", "A or B", "", "?")),
        *((said, None) for said in ("<think>", "<think>Is it\nA")),
    ],
)
def test_only_an_answer_is_read(said: str, wanted: str | None) -> None:
    assert _choice(said) == wanted


def test_answers_that_cannot_be_read_are_no_ties(evaluation: Evaluation) -> None:
    def reads_some(question: str) -> str:
        unread = any(f"{kind} {number}" in question for kind in ("good", "bad") for number in (0, 1))
        return "Both are fine" if unread else reads(question)

    with endpoint(reads_some) as (judge, _):
        (found,) = prefer(evaluation, "base", judge)
    assert (found.won, found.lost, found.tied, found.unreadable) == (4, 0, 0, 2)
    assert found.agreement == 1


def test_a_judge_whose_answers_cannot_be_read_is_told(evaluation: Evaluation) -> None:
    with (
        endpoint(lambda _: "A careful editor would pick B") as (judge, _),
        pytest.raises(DataError, match="no answer in 6 of 6 pairs") as caught,
    ):
        prefer(evaluation, "base", judge)
    assert "would pick B" in str(caught.value)


def test_one_writer_alone_is_judged_if_asked(evaluation: Evaluation) -> None:
    with endpoint(reads) as (judge, _):
        (found,) = prefer(evaluation, "ember/espresso", judge, "base")
    assert (found.writer, found.lost) == ("base", 6)


@pytest.mark.thorough
def test_a_judge_that_fails_is_told(evaluation: Evaluation) -> None:
    with endpoint(lambda _: "A", status=400) as (judge, _), pytest.raises(DataError, match="does not answer"):
        prefer(evaluation, "base", judge)
    with endpoint(lambda _: "A") as (judge, seen), pytest.raises(DataError, match="nothing to judge"):
        prefer(evaluation, "nobody", judge)
    assert seen == []
