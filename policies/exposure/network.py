"""A network as far as reaching into it goes; the same records for what is planned and for what an account has."""

from __future__ import annotations

from typing import Literal

import msgspec

from policies.readers import is_loopback


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the records; plain data."""


class Route(Record, frozen=True, kw_only=True):
    """One route of a table; local routes are left out."""

    destination: str
    """CIDR, or id of a prefix list."""
    target: str
    """Id of what it leads to."""


class Subnet(Record, frozen=True, kw_only=True):
    """A subnet, with the routes of its table and the entries of its ACL."""

    id: str
    name: str
    cidr: str = ""
    """Empty where it is not known."""
    routes: tuple[Route, ...] = ()
    public_addresses: bool = False
    """It gives its cards public IPv4 addresses, or addresses of IPv6, which are all public."""
    acl: tuple[AclEntry, ...] | None = None
    """None: the default, which lets everything pass."""


class AclEntry(Record, frozen=True, kw_only=True):
    """One inbound entry of a network ACL; the first that fits decides."""

    number: int
    allow: bool
    protocol: str
    """`-1` for all."""
    first: int
    last: int
    cidr: str


class Rule(Record, frozen=True, kw_only=True):
    """One rule of a security group: who, over what."""

    inbound: bool
    protocol: str
    """`tcp`, `udp`, ...; `-1` for all."""
    first: int
    """First port; -1 with `last` for all."""
    last: int
    peer: str
    """CIDR, id of a group, or id of a prefix list."""
    owner: str = ""
    """Name of the rule, where it has one."""


class Group(Record, frozen=True, kw_only=True):
    """A security group."""

    id: str
    name: str
    rules: tuple[Rule, ...] = ()


class Card(Record, frozen=True, kw_only=True):
    """A network interface: of a node, an endpoint, a load balancer, or the SSH entrance."""

    id: str
    name: str
    kind: Literal["node", "endpoint", "entrance", "balancer", "other"]
    subnet: str
    """Its id."""
    groups: tuple[str, ...]
    """Their ids."""
    public_addresses: tuple[str, ...] = ()
    """Elastic and other public addresses, and those of IPv6."""


class Gateway(Record, frozen=True, kw_only=True):
    """Something through which packets leave or enter the network."""

    id: str
    kind: Literal["internet", "nat", "egress-only", "carrier", "peering", "transit", "vpn", "unknown"]
    networks: tuple[str, ...] = ()
    """CIDRs behind it; none where nobody can tell."""


class Entrance(Record, frozen=True, kw_only=True):
    """An EC2 Instance Connect Endpoint."""

    id: str
    groups: tuple[str, ...]


class Balancer(Record, frozen=True, kw_only=True):
    """A load balancer."""

    id: str
    name: str
    internet_facing: bool


class Service(Record, frozen=True, kw_only=True):
    """A PrivateLink endpoint service: a way in from other VPCs, and other accounts."""

    id: str
    acceptance_required: bool
    principals: tuple[str, ...]
    """ARNs that may ask for an endpoint; none where nobody beyond the own account may."""


class Listener(Record, frozen=True, kw_only=True):
    """A port on which a program listens, as its file or its command line says."""

    service: str
    port: int
    address: str
    """`127.0.0.1`; empty for every address, and where nobody says."""
    said_by: str
    """File, or command line."""
    allowed: tuple[str, ...] | None = None
    """Networks whose packets systemd lets through to it; None for all."""

    @property
    def beyond(self) -> bool:
        """Packets from other machines reach it."""
        return not is_loopback(f"{self.address}:{self.port}")


class Machine(Record, frozen=True, kw_only=True):
    """A machine that no account knows: a host of one's own, or the one that a sandbox runs on."""

    name: str
    listeners: tuple[Listener, ...]


class Network(Record, frozen=True, kw_only=True):
    """Everything that decides who can reach what.

    Attributes:
        named: CIDRs of the clients that the plan names.
        named_lists: ids of the prefix lists of clients that it names.
        port: the gateway's, which they may reach.
        prefix_lists: id -> CIDRs; one that is not here cannot be judged.
        passages: ids of the routes' harmless targets: gateway endpoints.
        own_groups: ids of the groups that are the stack's own; a rule may name no other.
        listeners: what listens on each node.
        machines: beside the nodes.
        unknown: what could not be looked at.

    """

    named: tuple[str, ...]
    named_lists: tuple[str, ...] = ()
    port: int
    subnets: tuple[Subnet, ...] = ()
    groups: tuple[Group, ...] = ()
    cards: tuple[Card, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    entrances: tuple[Entrance, ...] = ()
    balancers: tuple[Balancer, ...] = ()
    services: tuple[Service, ...] = ()
    prefix_lists: dict[str, tuple[str, ...]] = {}
    passages: tuple[str, ...] = ()
    own_groups: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    machines: tuple[Machine, ...] = ()
    unknown: tuple[str, ...] = ()
