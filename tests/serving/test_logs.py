"""What a server writes to stderr: JSON lines and nothing else, whoever writes."""

from __future__ import annotations

import json
import subprocess
import sys

SPEAKS = """
import asyncio, gc, logging, threading, warnings
from lora_marketing.serving.logs import write_json_only
write_json_only()

class Broken:
    def __del__(self):
        raise ValueError("in the end")

async def fails():
    raise KeyError("what a client wrote")

async def run():
    asyncio.get_running_loop().create_task(fails())
    await asyncio.sleep(0)
    gc.collect()

def thread():
    raise OSError("in a thread")

logging.getLogger("some.library").error("two\\nlines")
logging.getLogger("some.library").warning("nothing of it")
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
warnings.warn("old")
Broken()
asyncio.run(run())
started = threading.Thread(target=thread)
started.start()
started.join()
raise RuntimeError("at last")
"""


def test_everything_is_a_line_of_json() -> None:
    done = subprocess.run([sys.executable, "-c", SPEAKS], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    events = [line["event"] for line in lines]
    assert "two" in events
    assert "Invalid HTTP request received." in events
    assert "nothing of it" not in events
    errors = {line["event"]: line["error"] for line in lines if "error" in line}
    assert errors["Task exception was never retrieved"] == "KeyError"
    assert errors["an exception could not be raised"] == "ValueError"
    assert errors["an exception ended a thread"] == "OSError"
    assert errors["an exception ended the process"] == "RuntimeError"
    assert "client wrote" not in done.stderr
