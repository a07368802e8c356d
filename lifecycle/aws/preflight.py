"""Before anything is made: whether the account has room for the nodes, where and when they are wanted."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from lifecycle.aws import capacity
from lifecycle.aws.errors import told
from lifecycle.aws.quotas import QuotaUse, check_offered, check_quota
from lifecycle.aws.session import AwsSession
from planner.capacity import Drain, Held, check_held, drain
from planner.errors import DeployError
from planner.plan import NodePlan, Plan
from planner.tags import STACK_TAG


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What the account has for the nodes that are still to be launched.

    Attributes:
        nodes: their names; none when all of them run.
        zones: where they are wanted, each of which offers the machine.
        quota: null where no limit is known to apply, as with reserved capacity.
        held: the reservation or Capacity Block; null for other capacity.
        drain: how nodes in a Capacity Block are left before AWS takes them; null for other capacity.

    """

    nodes: tuple[str, ...]
    zones: tuple[str, ...]
    quota: QuotaUse | None = None
    held: Held | None = None
    drain: Drain | None = None


def room_for(session: AwsSession, plan: Plan, *, launched: Collection[str], now: datetime) -> Room:
    """Ask for offerings, quotas and reserved capacity, and refuse what could not be launched.

    Args:
        session: of the plan's region and account.
        plan: what is wanted.
        launched: names of nodes that run already.
        now: the present moment.

    Raises:
        DeployError: a zone does not offer the machine, a quota is too low, or the reserved capacity does not fit.

    """
    nodes = tuple(node for node in plan.nodes if node.name not in launched)
    if not nodes:
        return Room(nodes=(), zones=())
    if plan.network.given:
        check_entrances(session, plan.network.given.vpc_id, plan.stack)
    zones = _zones(session, plan, nodes)
    wanted = tuple(zones[node.subnet] for node in nodes)
    check_offered(session, nodes[0].instance_type, tuple(sorted(set(wanted))))
    held = None
    if nodes[0].reservation_id:
        held = capacity.describe(session, nodes[0].reservation_id)
        check_held(held, nodes, wanted, now)
    ends = held.end if held and held.kind == "capacity-block" else None
    return Room(
        nodes=tuple(node.name for node in nodes),
        zones=tuple(sorted(set(wanted))),
        quota=check_quota(session, nodes),
        held=held,
        drain=drain(ends, plan.gateway.request_timeout_s) if ends else None,
    )


def check_entrances(session: AwsSession, vpc_id: str, stack: str) -> None:
    """Refuse a given network that has an EC2 Instance Connect Endpoint already: AWS lets a VPC have one.

    EC2 user guide, "Quotas for EC2 Instance Connect Endpoint".

    Raises:
        DeployError: there is one, and it is not the stack's.

    """
    with told("ec2:DescribeInstanceConnectEndpoints", session.region):
        pages = session.ec2.get_paginator("describe_instance_connect_endpoints").paginate(
            Filters=[{"Name": "vpc-id", "Values": [vpc_id]}]
        )
        found = [one for page in pages for one in page["InstanceConnectEndpoints"]]
    others = [
        one["InstanceConnectEndpointId"]
        for one in found
        if one.get("State") != "delete-complete" and {"Key": STACK_TAG, "Value": stack} not in one.get("Tags", [])
    ]
    if others:
        raise DeployError(
            f"{vpc_id} has an EC2 Instance Connect Endpoint already: {', '.join(others)}; AWS lets a VPC have one",
            hint="Nothing was created. Delete it if nobody needs it, or give another VPC in `aws.network`.",
            code="entrance_taken",
        )


def _zones(session: AwsSession, plan: Plan, nodes: tuple[NodePlan, ...]) -> dict[str, str]:
    """Return the zone of each subnet by its name: the plan says it, but of a given network only the account does."""
    if plan.network.given is None:
        return {subnet.name: subnet.zone for subnet in plan.network.subnets}
    wanted = sorted({node.subnet for node in nodes})
    with told("ec2:DescribeSubnets", session.region):
        found = session.ec2.describe_subnets(SubnetIds=wanted)["Subnets"]
    return {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in found}
