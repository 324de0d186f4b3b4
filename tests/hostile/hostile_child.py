"""A server process with a tiny base and a real engine: `python hostile_child.py BASE REGISTRY KEYS PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

from lora_marketing.cli.quiet import quiet_upstream


def main() -> None:
    quiet_upstream()
    from lora_marketing.engine.base import load_base
    from lora_marketing.engine.engine import Engine
    from lora_marketing.serving.logs import write_json_only
    from lora_marketing.serving.server import bound_socket, make_server
    from tests.engine.making import section
    from tests.serving.making import service_of

    write_json_only()
    base, root, keys, port = sys.argv[1:]
    engine = Engine(load_base(section(Path(base))), max_rows=16)
    service = service_of(Path(root), engine, Path(keys), real_guards=True)
    service.start_at_once = True
    make_server(service, grace=3).run(sockets=[bound_socket("127.0.0.1", int(port))])


if __name__ == "__main__":
    main()
