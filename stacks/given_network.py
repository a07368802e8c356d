"""A company's own network: read and checked, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from planner.given_network import (
    GivenEndpoint,
    GivenFacts,
    GivenRoute,
    GivenSubnet,
    GivenVpc,
    check,
)
from planner.plan import GivenNetworkPlan, Plan


class GivenNetwork:
    """VPC, subnets and endpoints that exist already. No resource is made, so this is no component.

    Raises:
        PlanError: something of it would make the stack less private than a network of its own, or unusable.

    """

    vpc_id: pulumi.Output[str]
    subnet_ids: dict[str, pulumi.Output[str]]
    """By the subnet's name in the plan, which is its id."""
    s3_prefix_list_id: pulumi.Output[str]

    def __init__(self, plan: Plan, given: GivenNetworkPlan) -> None:
        endpoints = {service: aws.ec2.get_vpc_endpoint(id=id_) for service, id_ in given.endpoints.items()}
        check(
            plan,
            GivenFacts(
                vpc=_vpc(given.vpc_id),
                subnets=tuple(_subnet(subnet_id) for subnet_id in given.subnet_ids),
                endpoints=tuple(
                    _endpoint(service, given.endpoints[service], found) for service, found in endpoints.items()
                ),
                zones=_zones(plan),
            ),
        )
        self.vpc_id = pulumi.Output.from_input(given.vpc_id)
        self.subnet_ids = {subnet_id: pulumi.Output.from_input(subnet_id) for subnet_id in given.subnet_ids}
        self.s3_prefix_list_id = pulumi.Output.from_input(endpoints["s3"].prefix_list_id)


def _vpc(vpc_id: str) -> GivenVpc:
    found = aws.ec2.get_vpc(id=vpc_id)
    return GivenVpc(
        id=vpc_id,
        cidr=found.cidr_block,
        dns_support=found.enable_dns_support,
        dns_hostnames=found.enable_dns_hostnames,
    )


def _subnet(subnet_id: str) -> GivenSubnet:
    found, table = aws.ec2.get_subnet(id=subnet_id), aws.ec2.get_route_table(subnet_id=subnet_id)
    return GivenSubnet(
        id=subnet_id,
        vpc_id=found.vpc_id,
        zone=found.availability_zone,
        public_addresses=found.map_public_ip_on_launch,
        ipv6_addresses=found.assign_ipv6_address_on_creation,
        route_table_id=table.route_table_id,
        routes=tuple(_route(route) for route in table.routes or ()),
    )


_TARGETS = (
    "gateway_id",
    "nat_gateway_id",
    "egress_only_gateway_id",
    "carrier_gateway_id",
    "transit_gateway_id",
    "vpc_peering_connection_id",
    "vpc_endpoint_id",
    "network_interface_id",
    "local_gateway_id",
    "core_network_arn",
    "instance_id",
    "odb_network_arn",
)
_DESTINATIONS = ("cidr_block", "ipv6_cidr_block", "destination_prefix_list_id")


def _route(route: Any) -> GivenRoute:
    def first(names: tuple[str, ...]) -> str:
        return next((str(value) for name in names if (value := getattr(route, name, None))), "")

    return GivenRoute(destination=first(_DESTINATIONS), target=first(_TARGETS))


def _endpoint(service: str, endpoint_id: str, found: aws.ec2.GetVpcEndpointResult) -> GivenEndpoint:
    return GivenEndpoint(
        service=service,
        id=endpoint_id,
        vpc_id=found.vpc_id,
        service_name=found.service_name,
        kind=found.vpc_endpoint_type,
        state=found.state,
        private_dns=found.private_dns_enabled,
        route_table_ids=_known(found.route_table_ids),
        group_ids=_known(found.security_group_ids),
    )


def _known(values: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return a list as it is; None where nobody could be asked, which the SDK's types do not foresee."""
    return None if values is None else tuple(values)


def _zones(plan: Plan) -> dict[str, tuple[str, ...]] | None:
    """Return the zones that offer each of the plan's instance types; None while nobody can be asked."""
    zones = {}
    for wanted in sorted({node.instance_type for node in plan.nodes}):
        filters: Any = [{"name": "instance-type", "values": [wanted]}]
        found = aws.ec2.get_instance_type_offerings(location_type="availability-zone", filters=filters)
        known = _known(found.locations)
        if known is None:
            return None
        zones[wanted] = tuple(sorted(known))
    return zones
