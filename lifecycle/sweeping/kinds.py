"""Every kind that a stack makes, in the order in which they can be deleted."""

from __future__ import annotations

from lifecycle.sweeping.compute import COMPUTE, KEPT_FOR_COMPUTE
from lifecycle.sweeping.deadlines import DEADLINES
from lifecycle.sweeping.identity import IDENTITY
from lifecycle.sweeping.load_balancers import LOAD_BALANCERS
from lifecycle.sweeping.network import ENTRANCES, INTERFACES, NETWORKS
from lifecycle.sweeping.records import Kind
from lifecycle.sweeping.secrecy import SECRECY
from lifecycle.sweeping.storage import NAMES, STORAGE
from lifecycle.sweeping.tagged import other

_EC2_TYPES = frozenset(
    {
        "capacity-block",
        "capacity-reservation",
        "elastic-ip",
        "image",
        "instance",
        "instance-connect-endpoint",
        "launch-template",
        "network-interface",
        "placement-group",
        "route-table",
        "security-group",
        "snapshot",
        "spot-instances-request",
        "subnet",
        "transit-gateway-attachment",
        "volume",
        "vpc",
        "vpc-endpoint",
        "vpc-endpoint-service",
        "vpc-flow-log",
        "vpc-peering-connection",
    }
)
"""Resource types of EC2's DescribeTags that have kinds of their own."""

KINDS: tuple[Kind, ...] = (
    *DEADLINES,
    *COMPUTE,
    *ENTRANCES,
    *LOAD_BALANCERS,
    *INTERFACES,
    *KEPT_FOR_COMPUTE,
    *NAMES,
    *NETWORKS,
    *IDENTITY,
    *STORAGE,
    *SECRECY,
    other(_EC2_TYPES),
)
