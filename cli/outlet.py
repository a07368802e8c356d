"""Standard output whose reader may leave before the end: `deploy policy list | head`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TextIO


class Outlet:
    """Drops what nobody reads any more, without a word; the command goes on, and ends with its own exit code.

    Whoever stops reading a refusal gets the code of a refusal: a check whose output is cut short passes no more than
    one that is read to the end.

    Attributes:
        left: the reader has gone.

    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.left = False

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        with self._until_it_leaves():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand over what was written."""
        with self._until_it_leaves():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Be the stream in everything else."""
        return getattr(self._stream, name)

    @contextmanager
    def _until_it_leaves(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.left = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # also for what Python itself flushes at the end
            os.close(nowhere)
