"""Processes that have the libraries, and in which nothing has run.

Importing the libraries takes eight seconds, and a fork of a test process that has trained cannot train:
autograd's threads are not in it. So one fork is taken before the first test, and forks itself when asked.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NoReturn

FORK = multiprocessing.get_context("fork")
MOST_SECONDS = 120.0


class Forks:
    """Make it where the libraries are imported and nothing has been computed yet."""

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns where there are threads; pytest-xdist's waits for messages, and holds no lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._server = os.fork()
        if not self._server:
            self._pipe.close()
            _serve(theirs)
        theirs.close()

    def run(self, work: Callable[..., object], *arguments: object) -> int:
        """Call `work` in a new process; returns its exit code, which is -9 if it was killed."""
        self._pipe.send((work, arguments))
        code: int | None = self._pipe.recv()
        assert code is not None, "the child hung"
        return code

    def close(self) -> None:
        self._pipe.close()
        os.waitpid(self._server, 0)


def _serve(pipe: Connection) -> NoReturn:
    """Fork for every call that comes, until nobody is left to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            work, arguments = pipe.recv()
        except EOFError:
            os._exit(0)
        child = FORK.Process(target=work, args=arguments)
        child.start()
        child.join(MOST_SECONDS)
        pipe.send(child.exitcode)
        child.kill()
