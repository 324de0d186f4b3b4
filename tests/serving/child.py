"""A server process with an engine of words: `python child.py REGISTRY KEYS PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

from lora_marketing.cli.quiet import quiet_upstream


def main() -> int:
    quiet_upstream()
    from lora_marketing.serving.server import bound_socket, make_server
    from tests.serving.making import FakeEngine, service_of

    root, keys, port = sys.argv[1:]
    service = service_of(Path(root), FakeEngine(pace=0.02), Path(keys))
    make_server(service, grace=10).run(sockets=[bound_socket("127.0.0.1", int(port))])
    return int(service.engine_failed)


if __name__ == "__main__":
    sys.exit(main())
