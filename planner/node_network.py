"""What a node in a private network may reach: the network's own services, and nothing else."""

from __future__ import annotations

import msgspec

LINK_LOCAL = "169.254.0.0/16"
"""EC2's own: resolver (.169.253), time (.169.123) and instance metadata (.169.254). Source: EC2 user guide."""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A port that a node reaches, and where. `protocol`: tcp or udp."""

    name: str
    protocol: str
    port: int
    networks: tuple[str, ...]


def node_reaches(network_cidrs: tuple[str, ...], storage_cidrs: tuple[str, ...]) -> tuple[Reached, ...]:
    """Return what a node's firewall lets out.

    Args:
        network_cidrs: the VPC's ranges: its resolver and the interface endpoints.
        storage_cidrs: ranges of S3 in the region, behind the gateway endpoint.

    """
    resolver = (LINK_LOCAL, *network_cidrs)
    return (
        Reached(name="DNS", protocol="udp", port=53, networks=resolver),
        Reached(name="DNS", protocol="tcp", port=53, networks=resolver),
        Reached(name="time", protocol="udp", port=123, networks=(LINK_LOCAL,)),
        Reached(name="instance metadata", protocol="tcp", port=80, networks=(LINK_LOCAL,)),
        Reached(name="endpoints of AWS", protocol="tcp", port=443, networks=(*network_cidrs, *storage_cidrs)),
    )
