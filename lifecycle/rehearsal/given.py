"""What a profile names of its owner's account, made in the emulated one: the program finds a network like that one."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from itertools import cycle
from typing import Any

import msgspec

from planner.plan import Plan
from sandbox.handlers.base import Clients

_CIDR = "10.20.0.0/16"
_SUBNET_BITS = 8
_GATEWAY_SERVICES = {"s3", "dynamodb"}
"""Services whose endpoints are routes; all others' are interfaces."""


def with_given(plan: Plan, clients: Clients) -> Plan:
    """Make the network that a plan is given; return the plan with the ids that it got."""
    return renamed(plan, make_given(plan, clients))


def make_given(plan: Plan, clients: Clients) -> dict[str, str]:
    """Make the network that a plan is given, private as it has to be; return id in the plan -> id in the account.

    Nothing of it carries a stack's tag: it is there before the stack, and has to be there after it.
    """
    given = plan.network.given
    if given is None:
        return {}
    ec2 = clients.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=_CIDR)["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ids = {given.vpc_id: vpc}
    cidrs = ip_network(_CIDR).subnets(new_prefix=16 + _SUBNET_BITS)
    for name, cidr, zone in zip(given.subnet_ids, cidrs, cycle(_zones(plan, ec2)), strict=False):
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=str(cidr), AvailabilityZone=zone)["Subnet"]["SubnetId"]
        ec2.associate_route_table(RouteTableId=table, SubnetId=made)
        ids[name] = made
    for number, name in enumerate(given.endpoint_group_ids):
        group = ec2.create_security_group(GroupName=f"endpoints-{number}", Description="endpoints", VpcId=vpc)
        ids[name] = group["GroupId"]
    for service, name in given.endpoints.items():
        asked: dict[str, Any] = {"VpcId": vpc, "ServiceName": f"com.amazonaws.{plan.network.region}.{service}"}
        if service in _GATEWAY_SERVICES:
            asked |= {"VpcEndpointType": "Gateway", "RouteTableIds": [table]}
        else:
            groups = [ids[group] for group in given.endpoint_group_ids]
            subnets = [ids[subnet] for subnet in given.subnet_ids]
            asked |= {"VpcEndpointType": "Interface", "PrivateDnsEnabled": True}
            asked |= {"SubnetIds": subnets, "SecurityGroupIds": groups}
        ids[name] = ec2.create_vpc_endpoint(**asked)["VpcEndpoint"]["VpcEndpointId"]
    return ids


def _zones(plan: Plan, ec2: Any) -> list[str]:
    """Return the zones that have the nodes' type."""
    wanted = [{"Name": "instance-type", "Values": sorted({node.instance_type for node in plan.nodes})}]
    found = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=wanted)
    return sorted({one["Location"] for one in found["InstanceTypeOfferings"]})


def renamed(plan: Plan, ids: Mapping[str, str]) -> Plan:
    """Return the plan with other ids, wherever it has them."""

    def other(value: Any) -> Any:
        if isinstance(value, dict):
            return {other(key): other(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [other(item) for item in value]
        return ids.get(value, value) if isinstance(value, str) else value

    return msgspec.convert(other(msgspec.to_builtins(plan)), Plan)
