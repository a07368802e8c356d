"""A network that a company gives: what must hold of it before anything is put there."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from planner.errors import PlanError
from planner.networks import is_private
from planner.partitions import endpoint_service
from planner.plan import Plan

Known = str | None
"""None: not known yet, where there is no account to ask."""


class GivenVpc(msgspec.Struct, frozen=True, kw_only=True):
    """A VPC as the account describes it."""

    id: str
    cidr: Known
    dns_support: bool | None
    dns_hostnames: bool | None


class GivenRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One route: to where, and through what."""

    destination: str
    target: str


class GivenSubnet(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet as the account describes it, with the route table that is its own."""

    id: str
    vpc_id: Known
    zone: Known
    public_addresses: bool | None
    ipv6_addresses: bool | None
    route_table_id: Known
    routes: tuple[GivenRoute, ...] = ()


class GivenEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A VPC endpoint as the account describes it."""

    service: str
    id: str
    vpc_id: Known
    service_name: Known
    kind: Known
    state: Known
    private_dns: bool | None
    route_table_ids: tuple[str, ...] | None
    group_ids: tuple[str, ...] | None


class GivenFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was read.

    Attributes:
        zones: availability zones that offer each instance type of the plan; None when not known yet.

    """

    vpc: GivenVpc
    subnets: tuple[GivenSubnet, ...]
    endpoints: tuple[GivenEndpoint, ...]
    zones: dict[str, tuple[str, ...]] | None


def check(plan: Plan, facts: GivenFacts) -> None:
    """Refuse a network that is not what a stack of its own would have made.

    Raises:
        PlanError: with everything that does not hold.

    """
    faults = (*_vpc(facts.vpc), *_subnets(plan, facts), *_endpoints(plan, facts))
    if faults:
        raise PlanError(
            f"the network given under [aws.network] cannot be used: {'; '.join(faults)}",
            hint="Nothing was changed. Have this mended by whoever owns the network, or leave [aws.network] out: then "
            "the stack makes a private network of its own.",
            code="given_network",
        )


def _vpc(vpc: GivenVpc) -> Iterator[str]:
    if vpc.cidr is not None and not is_private(vpc.cidr):
        yield f"{vpc.id} has addresses that are not private ({vpc.cidr})"
    if vpc.dns_support is False or vpc.dns_hostnames is False:
        yield f"{vpc.id} needs DNS support and DNS host names for the private names of its endpoints"


def _subnets(plan: Plan, facts: GivenFacts) -> Iterator[str]:
    types = {node.subnet: node.instance_type for node in plan.nodes}
    for subnet in facts.subnets:
        if subnet.vpc_id not in (None, facts.vpc.id):
            yield f"{subnet.id} is not in {facts.vpc.id} but in {subnet.vpc_id}"
        if subnet.public_addresses or subnet.ipv6_addresses:
            yield f"{subnet.id} gives its machines public addresses"
        yield from (f"{subnet.id}: {fault}" for route in subnet.routes for fault in _route(route))
        wanted = types.get(subnet.id)
        if wanted and facts.zones is not None and subnet.zone not in facts.zones.get(wanted, ()):
            offered = ", ".join(facts.zones.get(wanted, ())) or "none of the region"
            yield f"{subnet.id} is in {subnet.zone}, which does not offer {wanted} (zones that do: {offered})"


def _route(route: GivenRoute) -> Iterator[str]:
    if route.target.startswith(("igw-", "eigw-", "nat-", "cagw-")):
        yield f"a route to {route.destination} leads to the internet through {route.target}"
    elif route.destination and not route.destination.startswith("pl-") and not is_private(route.destination):
        yield f"a route to {route.destination}, which is not private, leads through {route.target}"


def _endpoints(plan: Plan, facts: GivenFacts) -> Iterator[str]:
    given = plan.network.given
    groups = set(given.endpoint_group_ids) if given else set()
    for endpoint in facts.endpoints:
        gateway, name = endpoint.service in plan.network.gateway_endpoints, f"{endpoint.id} ({endpoint.service})"
        if endpoint.vpc_id not in (None, facts.vpc.id):
            yield f"{name} is not in {facts.vpc.id} but in {endpoint.vpc_id}"
        wanted = endpoint_service(endpoint.service, plan.network.region, gateway=gateway)
        if endpoint.service_name not in (None, wanted):
            yield f"{name} is an endpoint of {endpoint.service_name}, not of {wanted}"
        if endpoint.state not in (None, "available"):
            yield f"{name} is {endpoint.state}, not available"
        if endpoint.kind not in (None, "Gateway" if gateway else "Interface"):
            yield f"{name} is of the kind {endpoint.kind}"
        elif gateway:
            yield from _reached(name, endpoint, facts)
        else:
            yield from _answers(name, endpoint, groups)


def _reached(name: str, endpoint: GivenEndpoint, facts: GivenFacts) -> Iterator[str]:
    for subnet in facts.subnets:
        if endpoint.route_table_ids is not None and subnet.route_table_id not in endpoint.route_table_ids:
            yield f"{subnet.id} has no route to {name}"


def _answers(name: str, endpoint: GivenEndpoint, groups: set[str]) -> Iterator[str]:
    if endpoint.private_dns is False:
        yield f"{name} does not answer to the service's own name (private DNS is off)"
    if endpoint.group_ids is not None and not groups & set(endpoint.group_ids):
        yield f"{name} has none of the groups that `endpoint_group_ids` names"
