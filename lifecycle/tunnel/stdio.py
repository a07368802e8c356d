"""A tunnel on standard input and output: OpenSSH's `ProxyCommand`."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from lifecycle.access import NodeAccess
from lifecycle.tunnel.stream import carry


def tunnel(access: NodeAccess, node: str, public_key: str = "") -> None:
    """Carry standard input and output to a node's SSH port until either side ends.

    Args:
        access: of the stack.
        node: its name.
        public_key: let in for a minute before, where given.

    Raises:
        DeployError: no tunnel came about, or it broke.

    """
    with _ended_in_order(), contextlib.closing(access.reach(public_key=public_key).dial(access.node(node))) as stream:
        carry(stream, lambda size: os.read(0, size), _write)


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """Turn what OpenSSH sends its proxy at the end into an end in order: the endpoint is told."""

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
