"""`connect`: the endpoint of a private stack, on a port of this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from lifecycle.access import NodeAccess
from lifecycle.hosts.kept import KeptHosts, login_of
from lifecycle.hosts.ssh import connect as log_in
from lifecycle.hosts.units import host_named
from lifecycle.stack import Stack
from lifecycle.tunnel.forwarding import RENEW_AFTER_S, Forwarding, listen
from planner.progress import Progress

LOOPBACK = "127.0.0.1"


class ConnectReport(msgspec.Struct, frozen=True, kw_only=True):
    """`connect`: printed once the port leads to the endpoint, which it does until Ctrl-C.

    Attributes:
        url: base URL, without `/v1`.
        resolve: what `curl --resolve` takes, where the certificate holds no loopback address; else empty.
        ca_file: the authority that clients trust; empty where the certificate is a public authority's.

    """

    stack: str
    node: str
    port: int
    url: str
    resolve: str
    ca_file: str


def connect(
    stack: Stack,
    access: NodeAccess,
    port: int,
    progress: Progress,
    *,
    ready: Callable[[ConnectReport], None],
    name: str = "",
    until: threading.Event | None = None,
) -> None:
    """Open a local port to the endpoint of a node, and keep it open over the ends of tunnels until Ctrl-C.

    Args:
        stack: whose endpoint.
        access: its nodes.
        port: of this machine; 0 takes a free one.
        progress: is told of tunnels that end and begin.
        ready: is given where the endpoint is.
        name: of the node; the first when empty.
        until: ends it.

    Raises:
        DeployError: the port is taken, or no tunnel is to be had.

    """
    host = access.node(name)
    to = (access.private_address(host), stack.plan.network.gateway_port)
    with listen(port) as listener, access.login((host,)) as login:
        report = _report(stack, host.name, listener.getsockname()[1])
        forwarding = Forwarding(listener, lambda: log_in((host,), login), to, progress, renew_after_s=RENEW_AFTER_S)
        forwarding.run(lambda: ready(report), until or threading.Event())


def connect_host(
    stack: Stack, kept: KeptHosts, port: int, progress: Progress, *, ready: Callable[[ConnectReport], None], name: str
) -> None:
    """Do the same for a host of one's own, through its jump hosts.

    Args:
        stack: whose endpoint.
        kept: its hosts.
        port: of this machine; 0 takes a free one.
        progress: is told of connections that end and begin.
        ready: is given where the endpoint is.
        name: of the host; the first when empty.

    Raises:
        DeployError: the port is taken, the host is not reached, or there is none of that name.

    """
    host, login = host_named(kept, name), login_of(stack.home, kept.key)
    way = kept.inventory.way_to(host)
    planned = next(one for one in stack.plan.hosts if one.name == host.name)
    to = (planned.address, stack.plan.network.gateway_port)
    with listen(port) as listener:
        report = _report(stack, host.name, listener.getsockname()[1])
        forwarding = Forwarding(listener, lambda: log_in(way, login), to, progress, renew_after_s=RENEW_AFTER_S)
        forwarding.run(lambda: ready(report), threading.Event())


def _report(stack: Stack, node: str, port: int) -> ConnectReport:
    tls = stack.plan.tls
    name = tls.name_at(LOOPBACK)
    return ConnectReport(
        stack=stack.plan.stack,
        node=node,
        port=port,
        url=f"https://{name}:{port}",
        resolve="" if name == LOOPBACK else f"{name}:{port}:{LOOPBACK}",
        ca_file=stack.ca_file if Path(stack.ca_file).is_file() else "",
    )
