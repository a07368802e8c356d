"""Which networks are private: an allow-list, so that everything else counts as the internet."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

Network = IPv4Network | IPv6Network

PRIVATE: tuple[Network, ...] = tuple(
    ip_network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""RFC 1918, and RFC 4193's unique local addresses. Shared address space (RFC 6598) belongs to carriers, not to us."""


def parse(cidr: Any) -> Network | None:
    """Return the network that a CIDR names; None when it names none."""
    if not isinstance(cidr, str):
        return None
    try:
        return ip_network(cidr, strict=False)
    except ValueError:
        return None


def within(cidr: Any, networks: tuple[Network, ...]) -> bool:
    """Tell whether a CIDR lies wholly inside one of the networks; text that is no CIDR lies in none."""
    inner = parse(cidr)
    return inner is not None and any(_inside(inner, outer) for outer in networks)


def is_private(cidr: Any) -> bool:
    """Tell whether a CIDR lies wholly inside one private range."""
    return within(cidr, PRIVATE)


def _inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False
