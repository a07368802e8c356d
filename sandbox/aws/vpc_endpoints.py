"""VPC endpoints, truer than moto's: real service names, private DNS only where it works, interfaces of their own.

An interface endpoint that is deleted keeps its interfaces for a while, and with them its subnets and groups.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.ec2.models.vpcs import AWS_ENDPOINT_SERVICES, COVERED_ENDPOINT_SERVICES, VPCEndPoint

from sandbox.aws.call import Call, Operation
from sandbox.aws.errors import AwsError
from sandbox.aws.filters import select
from sandbox.aws.region import SETTLES_IN, Region
from sandbox.aws.wire import Response

_ID = re.compile(r"<vpcEndpointId>(vpce-[0-9a-f]+)</vpcEndpointId>")
_SERVICES = {*AWS_ENDPOINT_SERVICES, *COVERED_ENDPOINT_SERVICES}


@dataclass
class Deletions:
    """Endpoints that are going: id -> when that was asked."""

    asked_at: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class _PrefixList:
    """Addresses of a service, as filters see them."""

    id: str
    name: str
    cidrs: tuple[str, ...]

    def facts(self) -> dict[str, str]:
        return {"prefix-list-id": self.id, "prefix-list-name": self.name}


def settle(region: Region) -> None:
    """Let go of the endpoints whose deletion is through."""
    asked_at = region.part(Deletions).asked_at
    for endpoint_id, when in list(asked_at.items()):
        if region.now() >= when + SETTLES_IN:
            endpoint = region.ec2.vpc_end_points[endpoint_id]
            # A table that was deleted meanwhile took its route along; moto would look for it in vain.
            endpoint.route_table_ids = [one for one in endpoint.route_table_ids if one in region.ec2.route_tables]
            region.ec2.delete_vpc_endpoints([endpoint_id])
            del region.ec2.vpc_end_points[endpoint_id], asked_at[endpoint_id]
            region.forget_tags(endpoint_id)


def _is_interface(endpoint: VPCEndPoint) -> bool:
    return endpoint.vpc_endpoint_type == "Interface"


def _check_private_dns(region: Region, vpc_id: str) -> None:
    vpc = region.ec2.get_vpc(vpc_id)
    if not (vpc.enable_dns_support and vpc.enable_dns_hostnames):
        raise AwsError(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {vpc_id}",
        )


def _check_groups(region: Region, vpc_id: str, group_ids: list[str]) -> None:
    for group_id in group_ids:
        group = region.ec2.get_security_group_from_id(group_id)
        if group is None or group.vpc_id != vpc_id:
            raise AwsError("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist in '{vpc_id}'")


def _interface(region: Region, endpoint: VPCEndPoint, subnet_id: str) -> str:
    interface = region.new_interface(
        subnet_id,
        group_ids=endpoint.security_group_ids,
        description=f"VPC Endpoint Interface {endpoint.id}",
    )
    interface.status = "in-use"
    interface.requester_managed = True
    interface.interface_type = "vpc_endpoint"
    return interface.id


def _match_interfaces(region: Region, endpoint: VPCEndPoint) -> None:
    """Give an interface endpoint one interface in each of its subnets, with its security groups."""
    ec2 = region.ec2
    subnets = list(endpoint.subnet_ids or [])
    kept = {}
    for interface in [ec2.enis[one] for one in endpoint.network_interface_ids]:
        if interface.requester_managed and interface.subnet.id in subnets:
            kept[interface.subnet.id] = interface.id
            ec2.modify_network_interface_attribute(interface.id, endpoint.security_group_ids)
        else:
            region.drop_interface(interface.id)
    endpoint.network_interface_ids = [kept.get(one) or _interface(region, endpoint, one) for one in subnets]


def _match_routes(region: Region, endpoint: VPCEndPoint) -> None:
    """Give exactly the route tables of a gateway endpoint a route to it."""
    prefix_list = endpoint.destination_prefix_list_id
    if not prefix_list:
        return
    for table in region.ec2.route_tables.values():
        has = any(endpoint.id in {route.vpc_endpoint_id, route.gateway_id} for route in table.routes)
        wants = table.id in endpoint.route_table_ids
        if wants and not has:
            region.ec2.create_route(table.id, None, gateway_id=endpoint.id, destination_prefix_list_id=prefix_list)
        elif has and not wants:
            region.ec2.delete_route(table.id, "", destination_prefix_list_id=prefix_list)


def _match(region: Region, endpoint: VPCEndPoint) -> None:
    if _is_interface(endpoint):
        _match_interfaces(region, endpoint)
    else:
        _match_routes(region, endpoint)


def _create(call: Call) -> object:
    region, asked = call.region, call.parameters
    prefix, service = f"com.amazonaws.{region.name}.", asked.get("ServiceName", "")
    if not service.startswith(prefix) or service.removeprefix(prefix) not in _SERVICES:
        raise AwsError("InvalidServiceName", f"The Vpc Endpoint Service '{service}' does not exist")
    kind = asked.get("VpcEndpointType", "Gateway")
    if kind == "Interface":
        _check_groups(region, asked["VpcId"], asked.get("SecurityGroupIds", []))
        if asked.get("PrivateDnsEnabled", True):
            _check_private_dns(region, asked["VpcId"])
    response = call.forward({**asked, "VpcEndpointType": kind})
    found = _ID.search(response.text)
    if response.status != 200 or found is None:
        return response
    endpoint = region.ec2.get_vpc_end_point(found[1])
    if _is_interface(endpoint) and not endpoint.security_group_ids:
        default = region.ec2.get_default_security_group(endpoint.vpc_id)
        endpoint.security_group_ids = [default.id] if default else []
    _match(region, endpoint)
    return {"VpcEndpoint": endpoint, "ClientToken": asked.get("ClientToken")}


def _modify(call: Call) -> object:
    region, asked = call.region, call.parameters
    endpoint = region.ec2.get_vpc_end_point(asked["VpcEndpointId"])
    _check_groups(region, endpoint.vpc_id, asked.get("AddSecurityGroupIds", []))
    if asked.get("PrivateDnsEnabled"):
        _check_private_dns(region, endpoint.vpc_id)
    response: Response = call.forward()
    if response.status == 200:
        endpoint.private_dns_enabled = asked.get("PrivateDnsEnabled", endpoint.private_dns_enabled)
        _match(region, endpoint)
    return response


def _delete(call: Call) -> object:
    region = call.region
    failures: list[dict[str, Any]] = []
    for endpoint_id in call.parameters["VpcEndpointIds"]:
        endpoint = region.ec2.vpc_end_points.get(endpoint_id)
        if endpoint is None:
            message = f"The Vpc Endpoint Id '{endpoint_id}' does not exist"
            error = {"Code": "InvalidVpcEndpoint.NotFound", "Message": message}
            failures.append({"ResourceId": endpoint_id, "Error": error})
        else:
            endpoint.state = "deleting"
            region.part(Deletions).asked_at.setdefault(endpoint_id, region.now())
    return {"Unsuccessful": failures}


def _prefix_lists(call: Call) -> object:
    """Return AWS's own prefix lists, with the addresses that moto keeps but does not show here."""
    asked = call.parameters
    seen = []
    for one in call.region.ec2.describe_managed_prefix_lists(prefix_list_ids=asked.get("PrefixListIds")):
        name = one.prefix_list_name or ""
        cidrs = tuple(entry["Cidr"] for version in one.entries.values() for entry in version)
        if name.startswith("com.amazonaws."):
            seen.append((_PrefixList(one.id, name, cidrs), call.region.tags(one.id)))
    chosen = select(seen, asked.get("Filters"))
    return {
        "PrefixLists": [
            {"PrefixListId": one.id, "PrefixListName": one.name, "Cidrs": list(one.cidrs)} for one, _ in chosen
        ]
    }


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ec2", "CreateVpcEndpoint"): _create,
    ("ec2", "DescribePrefixLists"): _prefix_lists,
    ("ec2", "ModifyVpcEndpoint"): _modify,
    ("ec2", "DeleteVpcEndpoints"): _delete,
}
