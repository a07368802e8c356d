"""What exists in EC2 and can carry tags: the ground of every sweep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sandbox.aws.capacity_blocks import Blocks
from sandbox.aws.capacity_reservations import Reservations
from sandbox.aws.connect_endpoints import ConnectEndpoints
from sandbox.aws.placement_groups import PlacementGroups
from sandbox.aws.region import Region


@dataclass(frozen=True)
class Item:
    """One taggable resource.

    Attributes:
        kind: EC2's resource type, as in `TagSpecifications`.
        id: what tags are kept under.
        arn: its ARN.

    """

    kind: str
    id: str
    arn: str


def _moto_ids(region: Region) -> Iterator[tuple[str, str]]:
    ec2 = region.ec2
    groups = [group for by_id in ec2.groups.values() for group in by_id.values()]
    collections: dict[str, Any] = {
        "vpc": ec2.vpcs.values(),
        "subnet": chain.from_iterable(by_id.values() for by_id in ec2.subnets.values()),
        "route-table": ec2.route_tables.values(),
        "network-acl": ec2.network_acls.values(),
        "internet-gateway": ec2.internet_gateways.values(),
        "egress-only-internet-gateway": ec2.egress_only_internet_gateways.values(),
        "natgateway": ec2.nat_gateways.values(),
        "elastic-ip": ec2.addresses,
        "security-group": groups,
        "security-group-rule": chain.from_iterable(chain(one.ingress_rules, one.egress_rules) for one in groups),
        "network-interface": ec2.enis.values(),
        "vpc-endpoint": ec2.vpc_end_points.values(),
        "vpc-endpoint-service": ec2.configurations.values(),
        "vpc-flow-log": ec2.flow_logs.values(),
        "vpc-peering-connection": [one for one in ec2.vpc_pcxs.values() if one.status["Code"] != "deleted"],
        "transit-gateway-attachment": [
            one for one in ec2.transit_gateway_attachments.values() if one.state != "deleted"
        ],
        "instance": ec2.all_instances(),
        "volume": ec2.volumes.values(),
        "snapshot": ec2.snapshots.values(),
        "image": ec2.amis.values(),
        "launch-template": ec2.launch_templates.values(),
        "key-pair": ec2.key_pairs.values(),
        "dhcp-options": ec2.dhcp_options_sets.values(),
        "prefix-list": ec2.managed_prefix_lists.values(),
    }
    for kind, resources in collections.items():
        yield from ((kind, resource.id) for resource in resources if resource.id)


def _layer_ids(region: Region) -> Iterator[tuple[str, str]]:
    yield from (("instance-connect-endpoint", one) for one in region.part(ConnectEndpoints).by_id)
    yield from (("capacity-reservation", one) for one in region.part(Reservations).by_id)
    yield from (("capacity-block", one) for one in region.part(Blocks).by_id)


def items(region: Region) -> Iterator[Item]:
    """Return everything that exists, terminated instances included (AWS shows those for a while, too)."""
    for kind, resource_id in chain(_moto_ids(region), _layer_ids(region)):
        yield Item(kind, resource_id, region.arn(kind, resource_id))
    for group in region.part(PlacementGroups).by_name.values():
        yield Item("placement-group", group.id, region.arn("placement-group", group.name))
