"""Telling whoever listens what the engine does, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sandbox.engine.changes import Event, Operation


@contextmanager
def told(listener: Callable[[Event], None], op: Operation, kind: str, name: str) -> Iterator[None]:
    """Tell the listener that an operation begins, and how it ended."""
    started = time.monotonic()
    listener(Event(phase="started", op=op, type=kind, name=name))
    try:
        yield
    except Exception:
        listener(Event(phase="failed", op=op, type=kind, name=name, seconds=time.monotonic() - started))
        raise
    listener(Event(phase="done", op=op, type=kind, name=name, seconds=time.monotonic() - started))
