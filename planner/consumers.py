"""Ways in for consumers beyond the stack's own network: joined networks, and an endpoint service."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator

from planner.errors import PlanError
from planner.networks import is_private
from planner.partitions import partition_of
from planner.plan import ConsumersPlan, Decision, JoinedNetworkPlan, PrivateLinkPlan
from planner.profile import Profile

LONGEST_BALANCER_NAME = 32
"""Characters (API CreateLoadBalancer)."""


def plan_consumers(profile: Profile, stack: str) -> ConsumersPlan:
    """Settle who is joined and who may connect.

    Raises:
        PlanError: a network is given, is not private, or overlaps another; a principal is of another partition.

    """
    joined = tuple(_joined(profile))
    if joined and profile.aws.network:
        raise PlanError(
            "`aws.transit_gateway` and `aws.peering` join the stack's own network, and `aws.network` gives one",
            hint="Leave them out: whoever owns the given network joins it.",
        )
    _check_ranges(profile, joined)
    return ConsumersPlan(joined=joined, private_link=_private_link(profile, stack))


def _joined(profile: Profile) -> Iterator[JoinedNetworkPlan]:
    if gateway := profile.aws.transit_gateway:
        yield JoinedNetworkPlan(kind="transit-gateway", id=gateway.id, cidrs=gateway.cidrs)
    for peer in profile.aws.peering:
        yield JoinedNetworkPlan(kind="peering", id=peer.vpc_id, cidrs=(peer.cidr,))


def _check_ranges(profile: Profile, joined: tuple[JoinedNetworkPlan, ...]) -> None:
    """Refuse ranges that no route can lead to, or to which two would.

    Raises:
        PlanError: with the first that there is.

    """
    taken = {profile.network.vpc_cidr: "the stack's own network"}
    for network in joined:
        for cidr in network.cidrs:
            _check_range(cidr, network.id)
            for other, whose in taken.items():
                # A transit gateway's range may be wider than the VPC's: the VPC's own routes go first.
                wider = network.kind == "transit-gateway" and _holds(cidr, other)
                if ipaddress.ip_network(cidr).overlaps(ipaddress.ip_network(other)) and not wider:
                    raise PlanError(
                        f"{cidr}, to be reached through {network.id}, overlaps {other} of {whose}",
                        hint="Choose ranges that do not overlap, for example another `network.vpc_cidr`.",
                    )
            taken[cidr] = network.id


def _check_range(cidr: str, whose: str) -> None:
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError as error:
        raise PlanError(f"`aws`, {whose}: {error}", hint="Write a network as 10.20.0.0/16.") from None
    if network.version != 4 or not is_private(cidr):
        raise PlanError(f"`aws`, {whose}: {cidr} is no private IPv4 network", hint="Name private ranges only.")


def _holds(outer: str, inner: str) -> bool:
    wide, narrow = ipaddress.IPv4Network(outer), ipaddress.IPv4Network(inner)
    return wide != narrow and narrow.subnet_of(wide)


def _private_link(profile: Profile, stack: str) -> PrivateLinkPlan | None:
    if profile.aws.private_link is None:
        return None
    partition = partition_of(profile.aws.region).name
    principals = profile.aws.private_link.allowed_principals
    if strange := [arn for arn in principals if arn.split(":")[1] != partition]:
        raise PlanError(
            f"`aws.private_link`: {strange[0]} is not of {profile.aws.region}'s partition, {partition}",
            hint=f"Its ARN begins with arn:{partition}:iam there.",
        )
    return PrivateLinkPlan(allowed_principals=principals, balancer_name=balancer_name(stack))


def balancer_name(stack: str) -> str:
    """Return the load balancer's name: the stack's, or as much of it as there is room for, and a hash."""
    name = f"cloister-{stack}"
    if len(name) <= LONGEST_BALANCER_NAME:
        return name
    digest = hashlib.sha256(stack.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_BALANCER_NAME - len(digest) - 1]}-{digest}"


def consumer_decisions(consumers: ConsumersPlan) -> tuple[Decision, ...]:
    """Say which ways in there are beside the network's own."""
    told = [
        Decision(
            what="joined network",
            choice=f"{one.id} ({', '.join(one.cidrs)})",
            why="named in the profile; the gateway's port is open to the networks in `[network]` alone",
        )
        for one in consumers.joined
    ]
    if consumers.private_link:
        principals = ", ".join(consumers.private_link.allowed_principals)
        why = "they may ask to connect, and each connection is accepted by hand"
        told.append(Decision(what="endpoint service", choice=principals, why=why))
    return tuple(told)
