"""A file that is read again when it changes; a bad new version never replaces a good old one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")

log = logging.getLogger("gateway")


class WatchedFile(Generic[Value]):
    """The value of a file, and whether its newest version could be read."""

    def __init__(self, path: Path, read: Callable[[bytes], Value]) -> None:
        """Read it for the first time.

        Raises:
            OSError: it is not there.
            ValueError: it cannot be read.

        """
        self.path = path
        self.failures = 0
        self.stale = False
        """The newest version could not be read, and an older one holds."""
        self._read = read
        self._seen = self._mark()
        self.value = read(path.read_bytes())

    def check(self) -> None:
        """Read it again if it has changed."""
        mark = self._mark()
        if mark == self._seen:
            return
        try:
            self.value = self._read(self.path.read_bytes())
            self.stale = False
        except (OSError, ValueError) as error:
            log.error("%s cannot be read, the last good version holds: %s", self.path.name, error)  # noqa: TRY400 - a trace adds nothing
            self.failures += 1
            self.stale = True
        self._seen = mark

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
