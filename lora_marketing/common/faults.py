"""An exception that belongs to one of many things is kept for that one, and the others go on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType


class KeptFault(AbstractContextManager["KeptFault"]):
    """Keeps the exception that its block raised, as `error`; None if there was none."""

    error: Exception | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None
