"""Data sources of networks that exist already. Exactly one thing must answer, as the provider wants it."""

from __future__ import annotations

from typing import Any

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import ec2_arn
from sandbox.handlers.resource import tag_outputs
from sandbox.handlers.vpc_endpoint import VpcEndpoint

_ROUTE_TARGETS = {
    "carrierGatewayId": "CarrierGatewayId",
    "coreNetworkArn": "CoreNetworkArn",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "gatewayId": "GatewayId",
    "localGatewayId": "LocalGatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}


def vpc(clients: Clients, arguments: Properties) -> Properties:
    """Answer `getVpc` by id."""
    ec2 = clients.client("ec2")
    found = _one(ec2.describe_vpcs(VpcIds=[arguments["id"]])["Vpcs"], arguments)

    def switch(name: str) -> bool:
        answer = ec2.describe_vpc_attribute(VpcId=found["VpcId"], Attribute=name)
        return bool(answer[name[0].upper() + name[1:]]["Value"])

    return {
        "id": found["VpcId"],
        "arn": ec2_arn(clients, "vpc", found["VpcId"], found["OwnerId"]),
        "cidrBlock": found["CidrBlock"],
        "default": found["IsDefault"],
        "enableDnsHostnames": switch("enableDnsHostnames"),
        "enableDnsSupport": switch("enableDnsSupport"),
        "ownerId": found["OwnerId"],
        "region": clients.region,
        "state": found["State"],
        "tags": tag_outputs(found.get("Tags"))["tags"],
    }


def subnet(clients: Clients, arguments: Properties) -> Properties:
    """Answer `getSubnet` by id."""
    found = _one(clients.client("ec2").describe_subnets(SubnetIds=[arguments["id"]])["Subnets"], arguments)
    return {
        "id": found["SubnetId"],
        "arn": found["SubnetArn"],
        "assignIpv6AddressOnCreation": found["AssignIpv6AddressOnCreation"],
        "availabilityZone": found["AvailabilityZone"],
        "availabilityZoneId": found["AvailabilityZoneId"],
        "cidrBlock": found["CidrBlock"],
        "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
        "ownerId": found["OwnerId"],
        "region": clients.region,
        "state": found["State"],
        "tags": tag_outputs(found.get("Tags"))["tags"],
        "vpcId": found["VpcId"],
    }


def route_table(clients: Clients, arguments: Properties) -> Properties:
    """Answer `getRouteTable` by the subnet that it is associated with; routes of endpoints and of the VPC are left out.

    As in the provider: a subnet that merely falls back on the main table has none.
    """
    filters = [{"Name": "association.subnet-id", "Values": [arguments["subnetId"]]}]
    found = _one(clients.client("ec2").describe_route_tables(Filters=filters)["RouteTables"], arguments)
    shown = [one for one in found["Routes"] if not str(one.get("GatewayId", "")).startswith(("local", "vpce-"))]
    return {
        "id": found["RouteTableId"],
        "arn": ec2_arn(clients, "route-table", found["RouteTableId"], found["OwnerId"]),
        "ownerId": found["OwnerId"],
        "region": clients.region,
        "routeTableId": found["RouteTableId"],
        "routes": [_route(one) for one in shown],
        "subnetId": arguments["subnetId"],
        "tags": tag_outputs(found.get("Tags"))["tags"],
        "vpcId": found["VpcId"],
    }


def _route(route: Properties) -> Properties:
    return {
        "cidrBlock": route.get("DestinationCidrBlock", ""),
        "ipv6CidrBlock": route.get("DestinationIpv6CidrBlock", ""),
        "destinationPrefixListId": route.get("DestinationPrefixListId", ""),
        "instanceId": "",
        "odbNetworkArn": "",
        "vpcEndpointId": "",
        **{name: route.get(api_name, "") for name, api_name in _ROUTE_TARGETS.items()},
    }


def vpc_endpoint(clients: Clients, arguments: Properties) -> Properties:
    """Answer `getVpcEndpoint` by id."""
    found = VpcEndpoint().read(clients, arguments["id"], {})
    if found is None:
        raise LookupError(f"no VPC endpoint matches {arguments}; one must")
    return {name: value for name, value in found.items() if name != "tagsAll"} | {"region": clients.region}


def _one(found: list[Any], arguments: Properties) -> Any:
    if len(found) != 1:
        raise LookupError(f"{len(found)} match {arguments}; one must")
    return found[0]
