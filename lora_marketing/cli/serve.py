"""`serve` and `keys ...`: brands over HTTP, and who may ask for which."""

from __future__ import annotations

import gc
import json
import logging
import re
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.common.console import note, result
from lora_marketing.common.errors import LoraMarketingError, Problem

if TYPE_CHECKING:
    from lora_marketing.serving.keys import KeyRing
    from lora_marketing.serving.start import ServedAdapters

PACKAGES = ("fastapi", "uvicorn", "prometheus_client")
KEYS = Path("keys.json")

keys = typer.Typer(help="Make, list and revoke the API keys of `serve`.", no_args_is_help=True)
KeysFile = Annotated[Path, typer.Option("--keys", help="The file of keys. It holds hashes only.")]


def serve(
    adapters: Annotated[Path, typer.Option(help="The registry.")] = Path("adapters"),
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="BRAND/LINE", help="Serve this one; repeat for more."),
    ] = None,
    base_id: Annotated[
        str | None, typer.Option(help="Where the base lies, if not where the recipe says.")
    ] = None,
    keys: KeysFile = KEYS,
    no_keys: Annotated[bool, typer.Option("--no-keys", help="Let everybody on this machine ask.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    max_rows: Annotated[int, typer.Option(min=1, help="Rows written at once.")] = 32,
    queue: Annotated[int, typer.Option(min=0, help="Rows of a key that may wait; then 503.")] = 256,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds a request may take.")] = 120,
    grace: Annotated[float, typer.Option(min=0, help="Seconds running requests have at the end.")] = 30,
    metrics_brands: Annotated[
        bool, typer.Option("--metrics-brands", help="Name brands on /metrics, whatever the key opens.")
    ] = False,
    docs: Annotated[bool, typer.Option("--docs", help="Offer /docs, and its schema without a key.")] = False,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Let scripts of pages from there ask, as https://studio.example; repeat for more, * is all."
        ),
    ] = None,
) -> None:
    """Write for many brands over HTTP, from one loaded base. OpenAI's clients can talk to it.

    Aliases are looked up for every request, so what is promoted or rolled back holds at once. SIGTERM
    lets running requests end.
    """
    _require_packages()
    from lora_marketing.registry.names import AdapterName
    from lora_marketing.registry.store import Registry
    from lora_marketing.serving.start import find_adapters

    ring = _ring(keys, host, no_keys=no_keys)
    origins = [_origin(text, no_keys=no_keys) for text in cors_origin or []]
    names = [AdapterName.parse(name) for name in only or []]
    registry = Registry(adapters)
    served = find_adapters(registry, names, base_id)
    from lora_marketing.cli.quiet import quiet_upstream

    quiet_upstream()
    from lora_marketing.serving.server import bound_socket, make_server

    address = bound_socket(host, port)
    if not sys.stderr.isatty():
        from lora_marketing.serving.logs import write_json_only

        write_json_only()
    from lora_marketing.serving.limits import Limits
    from lora_marketing.serving.served_models import Models
    from lora_marketing.serving.service import Service
    from lora_marketing.serving.start import load_engine

    engine = load_engine(served, max_rows)
    gc.freeze()  # what stays until the end is not looked through again, which takes 40 ms a time
    models = Models(registry, engine, names or None)
    limits = Limits(queue=queue, seconds=timeout)
    service = Service(engine, models, ring, limits, metrics_by_adapter=metrics_brands)
    service.start_at_once = True
    running = make_server(service, grace=grace, docs=docs, origins=origins)
    _say(served, host, address.getsockname()[1], with_key=ring is not None)
    running.run(sockets=[address])
    if service.engine_failed or not running.started:
        raise typer.Exit(1)


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    brands: Annotated[str, typer.Option(help="Brands that it opens, separated by commas.")] = "",
    scopes: Annotated[
        str | None,
        typer.Option(
            help="What it may do, separated by commas: models, copy, check, chat, completions, system_turns"
            " (bring its own to a chat), operations (read /metrics). Else the first four."
        ),
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option(min=1, help="Texts a minute, long ones count for more; else any.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Its last day, as in 2027-01-01, or a time from now, as in 30d or 12h.")
    ] = None,
    file: KeysFile = KEYS,
) -> None:
    """Make a key and print it, this once."""
    from lora_marketing.serving.keys import USUAL, add_key, expiry

    chosen = USUAL if scopes is None else _listed(scopes)
    ends = None if expires is None else expiry(expires, datetime.now(UTC))
    secret = add_key(file, name, _listed(brands), per_minute, scopes=chosen, expires=ends)
    until = f" until {ends:%Y-%m-%d %H:%M} UTC" if ends else ""
    opens = f"for {brands}: " if brands else "for "
    note(f"The key of {name}, {opens}{', '.join(chosen)}{until}. It is not kept and cannot be shown again:")
    result(secret)


@keys.command("list")
def list_(file: KeysFile = KEYS) -> None:
    """List the keys: whose, which brands, for what, how often, how long."""
    from rich.table import Table

    from lora_marketing.common.console import rich_stdout
    from lora_marketing.serving.keys import read_keys

    at = datetime.now(UTC)
    table = Table("name", "id in logs", "brands", "scopes", "a minute", "created", "expires", box=None)
    for key in read_keys(file):
        rate = "any" if key.per_minute is None else str(key.per_minute)
        ends = "never" if key.expires is None else f"{key.expires}{' (over)' * key.expired(at)}"
        table.add_row(key.name, key.id, ", ".join(key.brands), ", ".join(key.scopes), rate, key.created, ends)
    rich_stdout().print(table)


@keys.command()
def revoke(name: Annotated[str, typer.Argument(help="Whose key.")], file: KeysFile = KEYS) -> None:
    """Take a key back. Running servers refuse it from now on."""
    from lora_marketing.serving.keys import revoke_key

    revoke_key(file, name)
    result(f"the key of {name} is revoked")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _ring(keys: Path, host: str, *, no_keys: bool) -> KeyRing | None:
    from lora_marketing.common.errors import KeysError
    from lora_marketing.serving.keys import KeyRing

    if not no_keys:
        return KeyRing(keys)
    if host != "localhost" and not _is_loopback(host):
        fix = "--host 127.0.0.1, or keys: lora-marketing keys add NAME --brands BRAND"
        raise KeysError(Problem("--no-keys would let the whole network ask", got=host, fix=fix))
    return None


def _origin(text: str, *, no_keys: bool) -> str:
    """An origin as browsers send it.

    Raises:
        LoraMarketingError: it is none, or everybody's page could use a server without keys.
    """
    if text == "*":
        if no_keys:
            fix = "name the origins of your own pages"
            raise LoraMarketingError(
                Problem("--cors-origin * with --no-keys would let every page ask", fix=fix)
            )
        return text
    origin = re.fullmatch(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", text.lower().rstrip("/"))
    if origin is None:
        allowed = "scheme, host and port alone, such as https://studio.example or http://localhost:3000"
        raise LoraMarketingError(Problem("--cors-origin: not an origin", got=text, allowed=allowed))
    usual = {"http": ":80", "https": ":443"}[origin[1]]  # browsers leave it out
    return origin[0].removesuffix(usual) if origin[3] == usual else origin[0]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _say(served: ServedAdapters, host: str, port: int, *, with_key: bool) -> None:
    """What is served, and how to ask for it: to a person in words, else as lines of the log."""
    if not sys.stderr.isatty():
        log = logging.getLogger("lora_marketing.serving.start")
        for version in served.versions:
            fields = {"adapter": str(version.name), "digest": version.digest}
            log.info("serving", extra={"fields": fields})
        for reason in served.left_out:
            log.warning("not served: %s", reason)
        log.info("listening", extra={"fields": {"host": host, "port": port}})
        return
    for version in served.versions:
        note(f"serving {version.name}, now {version.digest[:16]}")
    for reason in served.left_out:
        note(f"not served: {reason}")
    key = " -H 'Authorization: Bearer KEY'" if with_key else ""
    turn = {"role": "user", "content": "..."}
    body = json.dumps({"model": str(served.versions[0].name), "messages": [turn]})
    place = f"[{host}]" if ":" in host else host
    note(
        f"curl http://{place}:{port}/v1/chat/completions{key} -H 'Content-Type: application/json' -d '{body}'"
    )


def _require_packages() -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        fix = 'pip install "lora_marketing[serve]"'
        what = "serving needs packages that are not installed"
        raise LoraMarketingError(Problem(what, got=", ".join(missing), fix=fix))
