"""Reading, from an answer on its way to the client, which model gave it and how many tokens it took."""

from __future__ import annotations

import json
from typing import Any

MAX_KEPT = 2**20
"""Bytes of an unstreamed answer, or of one event, that are kept to be read; a longer one is passed on unread."""


class UsageReader:
    """Looks at the bytes that pass; never changes or delays them."""

    def __init__(self, *, streamed: bool) -> None:
        self.model = ""
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._tail = b""
        self._streamed = streamed
        self._kept = b""

    def feed(self, chunk: bytes) -> None:
        """Look at a piece of the body."""
        self._tail = (self._tail + chunk[-2:])[-2:]
        if len(self._kept) + len(chunk) > MAX_KEPT:
            self._kept = b""
            return
        self._kept += chunk
        if self._streamed:
            *events, self._kept = self._kept.split(b"\n\n")
            for event in events:
                self._read_event(event)

    @property
    def between_events(self) -> bool:
        """Whether what has passed so far is a number of whole events."""
        return self._streamed and self._tail == b"\n\n"

    def end(self) -> None:
        """Say that the body is complete."""
        if not self._streamed:
            self._read(self._kept)

    def _read_event(self, event: bytes) -> None:
        # Most events need not be parsed: the model is in the first, the usage in the last.
        if event.startswith(b"data: {") and (not self.model or b'"usage":{' in event.replace(b" ", b"")):
            self._read(event[6:])

    def _read(self, text: bytes) -> None:
        try:
            document: Any = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(document, dict):
            return
        if isinstance(document.get("model"), str):
            self.model = document["model"]
        usage = document.get("usage")
        if isinstance(usage, dict):
            self.prompt_tokens = _count(usage.get("prompt_tokens"))
            self.completion_tokens = _count(usage.get("completion_tokens"))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
