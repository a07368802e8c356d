"""Ports: chosen free once, and remembered per stack."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Collection, Mapping

import msgspec

from lifecycle import files
from lifecycle.home import StackHome


def remembered(stack: StackHome) -> dict[str, int]:
    """Return the stack's ports by `service.port`; none when it has none yet, or when the file is damaged."""
    try:
        return msgspec.json.decode(stack.ports.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.MsgspecError):
        return {}


def choose(stack: StackHome, wanted: Mapping[str, int], *, anew: Collection[str] = ()) -> dict[str, int]:
    """Return a port for each wanted `service.port`, and remember the choice.

    Those that the stack has stay as they are, but for the ones named in `anew`, which were found taken. New ones are
    the wanted number where it is free, else a free one of the kernel's choice.
    """
    kept = {name: number for name, number in remembered(stack).items() if name in wanted and name not in anew}
    neighbours = (other for other in stack.home.stacks() if other.name != stack.name)
    others = {number for other in neighbours for number in remembered(other).values()}
    chosen: dict[str, int] = {}
    for name, number in wanted.items():
        avoid = {*others, *kept.values(), *chosen.values()}
        chosen[name] = kept[name] if name in kept else _free(number, avoid if name not in anew else {*avoid, number})
    if chosen != remembered(stack):
        files.write(stack.ports, msgspec.json.encode(chosen))
    return chosen


def is_free(number: int) -> bool:
    """Tell whether the port can be bound on loopback now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def _free(number: int, avoid: Collection[int]) -> int:
    if number not in avoid and is_free(number):
        return number
    while True:
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            probe.bind(("127.0.0.1", 0))
            found = int(probe.getsockname()[1])
        if found not in avoid:
            return found
