"""Every port that listens is a port in the plan, bound where the plan says."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

import psutil

from lifecycle.probes.base import Check, Subject


def probe(subject: Subject, pids: Iterable[int]) -> Iterator[Check]:
    """Compare what the stack's processes listen on with the plan."""
    listening = _listening(pids)
    planned = {port.number: (service, port) for service in subject.plan.services for port in service.ports}
    stray = [f"{address}:{number}" for address, number in listening if number not in planned]
    yield Check(
        id="ports.planned",
        ok=not stray,
        detail=f"not in the plan: {', '.join(stray)}" if stray else f"{len(listening)} listening, all in the plan",
    )
    # In the sandbox the published port is on loopback as well: nothing of a laptop is shown to a network.
    open_to_all = [
        f"{address}:{number}" for address, number in listening if not ipaddress.ip_address(address).is_loopback
    ]
    yield Check(
        id="ports.loopback",
        ok=not open_to_all,
        detail=f"bound beyond loopback: {', '.join(open_to_all)}" if open_to_all else "all bound to loopback",
    )
    numbers = {number for _, number in listening}
    silent = [
        f"{service.name}.{port.name} ({port.number})"
        for service, port in planned.values()
        if port.number not in numbers and not service.optional
    ]
    yield Check(
        id="ports.answering",
        ok=not silent,
        detail=f"planned but silent: {', '.join(silent)}" if silent else "every planned port listens",
    )


def _listening(pids: Iterable[int]) -> list[tuple[str, int]]:
    """Return (address, port) of every TCP socket that the processes listen on, and every bound UDP socket."""
    found = set()
    for pid in pids:
        try:
            connections = psutil.Process(pid).net_connections(kind="inet")
        except psutil.Error:
            continue  # it has ended, or is another user's
        for connection in connections:
            listens = connection.status == psutil.CONN_LISTEN or connection.type.name == "SOCK_DGRAM"
            if listens and connection.laddr:
                found.add((connection.laddr.ip, connection.laddr.port))
    return sorted(found)
