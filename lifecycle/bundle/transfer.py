"""A bundle to a host over SSH: only what is missing, checked there, going on where an interrupted run stopped."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lifecycle.bundle.folder import read_manifest
from lifecycle.bundle.host_side import Missing, Side, Way, no_room
from lifecycle.bundle.meter import Meter, gigabytes, in_parallel
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.openssh import write_config
from lifecycle.hosts.ssh import Login
from planner.bundle import MANIFEST, bundle_id, decode
from planner.progress import Progress

RESERVE = 64 * 2**20
"""Bytes that stay free on the host's disk."""
MOST_CONNECTIONS = 4
"""One ciphers some hundred megabytes per second on a processor of its own, at each end."""
WORTH_A_CONNECTION = 256 * 2**20
"""Bytes for which another connection pays."""


class TransferReport(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that lies on a host, whole.

    Attributes:
        bundle: its id.
        size: bytes of all files.
        sent: bytes that were sent now.
        seconds: how long it took.

    """

    host: str
    bundle: str
    size: int
    sent: int
    seconds: float


def transfer(
    inventory: Inventory,
    host: Host,
    login: Login,
    folder: Path,
    progress: Progress,
    *,
    connections: int = 0,
    stop: threading.Event | None = None,
) -> TransferReport:
    """Bring a bundle to a host whose key is pinned; it lies in `/opt/cloister/bundles/ID` then, and is not in use yet.

    Args:
        inventory: the hosts, jump hosts among them.
        host: where to.
        login: pinned keys, and our own.
        folder: the bundle, sealed.
        progress: told about bytes.
        connections: how many at once; 0 for as many as pay.
        stop: ends it when set, with those to other hosts.

    Raises:
        BundleError: the folder is no bundle, or a file is not as its manifest says.
        HostFullError: the host's disk is full; what arrived stays.
        UnreachableError, CommandStuckError: there is no connection, or it broke; the same call goes on.

    """
    raw = read_manifest(folder)
    size = decode(raw, str(folder / MANIFEST)).size
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cl-") as made:
        way = Way(write_config(Path(made), inventory, login), host, login.sudo, bundle_id(raw))
        sent = _bring(way, folder, raw, progress, connections=connections, stop=stop)
    return TransferReport(
        host=host.name,
        bundle=way.bundle,
        size=size,
        sent=sent,
        seconds=time.monotonic() - began,
    )


def _bring(
    way: Way, folder: Path, raw: bytes, progress: Progress, *, connections: int, stop: threading.Event | None
) -> int:
    """Send what is missing, and return how many bytes that was."""
    with way.connected() as side:
        with progress.step(f"{way.host.name}: what is there of bundle {way.bundle[:12]}"):
            there = side.ask("begin", manifest=raw.decode())
        if there.whole:
            return 0
        right = set(there.right)
        files = decode(raw, MANIFEST).files
        missing = [(file, there.begun.get(file.path, 0)) for file in files if file.path not in right]
        total = sum(file.size - offset for file, offset in missing)
        if total + RESERVE > there.free:
            raise no_room(way.host, f"{gigabytes(total)} are missing, and it has {gigabytes(there.free)} left")
        with progress.step(f"{way.host.name}: {gigabytes(total)} of {len(missing)} files"):
            meter = Meter(progress, total, "sent", stop)
            _send(way, side, folder, _shares(missing, connections or _connections(total)), meter)
        with progress.step(f"{way.host.name}: the bundle's own place"):
            side.ask("finish")
        return total


def _send(way: Way, first: Side, folder: Path, shares: Sequence[Sequence[Missing]], meter: Meter) -> None:
    """Send shares side by side: one over the connection that there is, each other one over its own."""

    def send(number: int) -> None:
        with contextlib.nullcontext(first) if number == 0 else way.connected() as side:
            side.send(folder, shares[number], meter.advance)

    in_parallel(send, range(len(shares)), max(1, len(shares)), meter)


def _connections(total: int) -> int:
    """Return how many connections pay: no more than there is data and there are processors for."""
    return max(1, min(MOST_CONNECTIONS, (os.cpu_count() or 1) // 2, total // WORTH_A_CONNECTION))


def _shares(missing: Sequence[Missing], count: int) -> list[list[Missing]]:
    """Divide files among connections, about evenly by bytes: the largest first, each to the lightest share."""
    shares: list[list[Missing]] = [[] for _ in range(count)]
    loads = [0] * count
    for file, offset in sorted(missing, key=lambda one: -one[0].size):
        lightest = loads.index(min(loads))
        shares[lightest].append((file, offset))
        loads[lightest] += file.size - offset
    return [share for share in shares if share]
