"""Run by scripts/openai_clients: each client against a tiny server, and a table of what came of it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel

MODEL = "ember/soap"
ASKED: list[Any] = [{"role": "user", "content": "One line for the soap."}]
MORE: list[Any] = [{"role": "user", "content": "Shorter."}]
LEAST = {"max_tokens": 20, "seed": 1}
COLUMNS = ("chat", "stream", "structured", "sent back", "tools")


class Line(BaseModel):
    """What structured answers are to be."""

    good: bool


@dataclass(frozen=True)
class Server:
    """A running server, and a usual key."""

    url: str
    key: str


Checks = dict[str, Callable[[], bool]]
"""By column: whether it works. What raises does not, and is told by the error's words."""


@contextmanager
def tiny_server(python: str) -> Iterator[Server]:
    """Start one, in the kit's own environment, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-m", "tests.serving.tiny_server", folder]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, **pipes) as process:
            url, key = process.stdout.readline().split()
            yield Server(f"{url}/v1", key)
            process.stdin.close()


def openai_python(server: Server) -> Checks:
    """openai-python."""
    from openai import OpenAI

    client = OpenAI(base_url=server.url, api_key=server.key, max_retries=0)
    create, chat = client.chat.completions.create, client.chat.completions

    def stream() -> bool:
        with chat.stream(model=MODEL, messages=ASKED, **LEAST) as events:
            return bool(list(events)) and bool(events.get_final_completion().choices[0].message.content)

    def sent_back() -> bool:
        done = chat.parse(model=MODEL, messages=ASKED, response_format=Line)
        turn = done.choices[0].message
        return all(
            create(model=MODEL, messages=[*ASKED, again, *MORE], **LEAST).choices
            for again in (turn, turn.model_dump(), turn.to_dict())
        )

    return {
        "chat": lambda: bool(create(model=MODEL, messages=ASKED, **LEAST).choices[0].message.content),
        "stream": stream,
        "structured": lambda: bool(
            chat.parse(model=MODEL, messages=ASKED, response_format=Line).choices[0].message.parsed
        ),
        "sent back": sent_back,
        "tools": lambda: bool(create(model=MODEL, messages=ASKED, tools=[TOOL]).choices),
    }


TOOL: Any = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}


def litellm_(server: Server) -> Checks:
    """litellm, as a library."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches a list of prices
    import litellm

    litellm.suppress_debug_info = True

    def ask(messages: Any = None, **more: Any) -> Any:
        return litellm.completion(
            f"openai/{MODEL}", messages or ASKED, api_base=server.url, api_key=server.key, **more
        )

    def sent_back() -> bool:
        turn = ask(**LEAST).choices[0].message
        return all(ask([*ASKED, again, *MORE], **LEAST).choices for again in (turn, turn.model_dump()))

    return {
        "chat": lambda: bool(ask(**LEAST).choices[0].message.content),
        "stream": lambda: bool("".join(c.choices[0].delta.content or "" for c in ask(stream=True, **LEAST))),
        "structured": lambda: bool(
            Line.model_validate_json(ask(response_format=Line).choices[0].message.content)
        ),
        "sent back": sent_back,
        "tools": lambda: bool(ask(tools=[TOOL]).choices),
    }


def langchain(server: Server) -> Checks:
    """langchain-openai."""
    from langchain_core.messages import HumanMessage
    from langchain_openai import ChatOpenAI

    chat = ChatOpenAI(
        model=MODEL, base_url=server.url, api_key=server.key, max_retries=0, max_tokens=20, seed=1
    )
    return {
        "chat": lambda: bool(chat.invoke("One line.").content),
        "stream": lambda: bool("".join(str(chunk.content) for chunk in chat.stream("One line."))),
        "structured": lambda: isinstance(
            chat.with_structured_output(Line, method="json_schema").invoke("One line."), Line
        ),
        "sent back": lambda: bool(
            chat.invoke(
                [HumanMessage("One line."), chat.invoke("One line."), HumanMessage("Shorter.")]
            ).content
        ),
        "tools": lambda: bool(chat.bind_tools([TOOL]).invoke("One line.")),
    }


def llm_(server: Server) -> Checks:
    """llm, by its Python interface."""
    from llm.default_plugins.openai_models import Chat

    model = Chat("tiny", model_name=MODEL, api_base=server.url, supports_schema=True)
    model.key = server.key

    def sent_back() -> bool:
        conversation = model.conversation()
        return all(conversation.prompt(text, max_tokens=20, stream=False).text() for text in ("One.", "Two."))

    return {
        "chat": lambda: bool(model.prompt("One line.", max_tokens=20, stream=False).text()),
        "stream": lambda: bool("".join(model.prompt("One line.", max_tokens=20))),
        "structured": lambda: bool(
            Line.model_validate_json(model.prompt("One line.", schema=Line, stream=False).text())
        ),
        "sent back": sent_back,
    }


def instructor_(server: Server, mode: str) -> Checks:
    """instructor, in one of its modes."""
    import instructor
    from openai import OpenAI

    raw = OpenAI(base_url=server.url, api_key=server.key, max_retries=0)
    client = instructor.from_openai(raw, mode=instructor.Mode[mode])

    def ask() -> bool:
        done = client.chat.completions.create(
            model=MODEL, response_model=Line, messages=ASKED, max_retries=1, max_tokens=20
        )
        return isinstance(done, Line)

    return {"tools" if mode == "TOOLS" else "structured": ask}


def npm(server: Server, script: str) -> dict[str, str]:
    """openai of npm: what the script printed, as JSON."""
    done = subprocess.run(
        ["node", script, server.url, server.key], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def outcome(check: Callable[[], bool]) -> str:
    """What is written into the table."""
    try:
        return "yes" if check() else "no"
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what the table tells
        return words(str(error))


def words(error: str) -> str:
    """The server's own code, or the first words of what a client says."""
    refusals = {"tools: not supported here": "tools", "own system turn": "a system turn"}
    for part, what in refusals.items():
        if part in error:
            return f"refused: {what}"
    return "no: " + " ".join(error.split())[:80]


def main() -> None:
    """Ask with every client, and print the table."""
    python, script = sys.argv[1:]
    warnings.simplefilter("ignore")
    logging.disable()
    with tiny_server(python) as server:
        rows: dict[str, dict[str, str]] = {}
        for name, checks in {
            f"openai {version('openai')}": openai_python(server),
            f"litellm {version('litellm')}": litellm_(server),
            f"langchain-openai {version('langchain-openai')}": langchain(server),
            f"llm {version('llm')}": llm_(server),
            f"instructor {version('instructor')}, `JSON_SCHEMA`": instructor_(server, "JSON_SCHEMA"),
            "the same, `JSON`": instructor_(server, "JSON"),
            "the same, `TOOLS`": instructor_(server, "TOOLS"),
        }.items():
            rows[name] = {column: outcome(check) for column, check in checks.items()}
        found = npm(server, script)
        rows[f"openai (npm) {found.pop('version')}"] = {
            column: told if told == "yes" else words(told) for column, told in found.items()
        }
    lines = [("client", *COLUMNS), *(["---"] * (len(COLUMNS) + 1),)]
    lines += [(name, *(row.get(column, "") for column in COLUMNS)) for name, row in rows.items()]
    for line in lines:
        sys.stdout.write(f"| {' | '.join(line)} |\n")


if __name__ == "__main__":
    main()
