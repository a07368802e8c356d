"""Data sources."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.handlers.base import Properties
from sandbox.handlers.clients import Boto3Clients
from sandbox.handlers.invokes import INVOKES, invoke
from tests.sandbox.handlers.cases import IMAGE, World
from tests.sandbox.handlers.provider import result_names

P5EN = {"name": "instance-type", "values": ["p5en.48xlarge"]}
ARGUMENTS: dict[str, Properties] = {
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {
        "filters": [P5EN],
        "locationType": "availability-zone",
    },
    "aws:ec2/getPrefixList:getPrefixList": {"name": "com.amazonaws.us-east-2.s3"},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {"state": "available"},
    "aws:index/getCallerIdentity:getCallerIdentity": {},
    "aws:index/getPartition:getPartition": {},
    "aws:index/getRegion:getRegion": {},
    "aws:ssm/getParameter:getParameter": {"name": IMAGE},
}
_EXISTING = ("Instance", "Instances", "ManagedPrefixList", "RouteTable", "Subnet", "Vpc", "VpcEndpoint")
OF_A_NETWORK = {f"aws:ec2/get{kind}:get{kind}" for kind in _EXISTING}
"""Data sources that need something to be there."""
SHOWS: dict[str, Properties] = {
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {"instanceTypes": ["p5en.48xlarge"] * 3},
    "aws:ec2/getPrefixList:getPrefixList": {"name": "com.amazonaws.us-east-2.s3"},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {"names": ["us-east-2a", "us-east-2b", "us-east-2c"]},
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": "123456789012"},
    "aws:index/getPartition:getPartition": {"dnsSuffix": "amazonaws.com"},
    "aws:index/getRegion:getRegion": {"region": "us-east-2", "endpoint": "ec2.us-east-2.amazonaws.com"},
    "aws:ssm/getParameter:getParameter": {"name": IMAGE, "type": "String"},
}


def test_every_data_source_is_tried() -> None:
    assert {*ARGUMENTS, *OF_A_NETWORK} == set(INVOKES)


@pytest.mark.parametrize("token", sorted(ARGUMENTS))
def test_answer(token: str, clients: Boto3Clients) -> None:
    answer = invoke(clients, token, ARGUMENTS[token])
    assert answer.items() >= SHOWS[token].items()
    assert answer["id"]
    assert answer.keys() <= result_names(token)


def test_a_network_that_exists(world: World) -> None:
    def answer(kind: str, **arguments: str) -> Properties:
        token = f"aws:ec2/get{kind}:get{kind}"
        found = invoke(world.clients, token, arguments)
        assert found.keys() <= result_names(token)
        return found

    vpc_id = world.vpc()
    subnet_id = world.subnet(vpc_id)
    found = answer("Vpc", id=vpc_id)
    assert (found["cidrBlock"], found["enableDnsHostnames"], found["enableDnsSupport"]) == ("10.0.0.0/16", True, True)
    found = answer("Subnet", id=subnet_id)
    assert (found["vpcId"], found["availabilityZone"], found["mapPublicIpOnLaunch"]) == (vpc_id, "us-east-2a", False)
    with pytest.raises(LookupError, match="one must"):  # the main table is no table of its own
        answer("RouteTable", subnetId=subnet_id)

    table = world.make("aws:ec2/routeTable:RouteTable", "table", vpcId=vpc_id)["id"]
    association = {"routeTableId": table, "subnetId": subnet_id}
    world.make("aws:ec2/routeTableAssociation:RouteTableAssociation", "association", tagged=False, **association)
    assert answer("RouteTable", subnetId=subnet_id)["routes"] == []
    gateway = world.make("aws:ec2/internetGateway:InternetGateway", "gateway", vpcId=vpc_id)["id"]
    route = {"routeTableId": table, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway}
    world.make("aws:ec2/route:Route", "route", tagged=False, **route)
    (shown,) = answer("RouteTable", subnetId=subnet_id)["routes"]
    assert (shown["cidrBlock"], shown["gatewayId"]) == ("0.0.0.0/0", gateway)

    made: dict[str, Any] = {"vpcId": vpc_id, "serviceName": "com.amazonaws.us-east-2.s3", "routeTableIds": [table]}
    endpoint = world.make("aws:ec2/vpcEndpoint:VpcEndpoint", "s3", vpcEndpointType="Gateway", **made)
    found = answer("VpcEndpoint", id=endpoint["id"])
    assert (found["routeTableIds"], found["prefixListId"]) == ([table], endpoint["prefixListId"])
    with pytest.raises(LookupError, match="one must"):
        answer("VpcEndpoint", id="vpce-0123456789abcdef0")


def test_a_prefix_list_of_the_customers(clients: Boto3Clients) -> None:
    ec2, token = clients.client("ec2"), "aws:ec2/getManagedPrefixList:getManagedPrefixList"
    entries = [{"Cidr": "10.20.0.0/16", "Description": "office"}, {"Cidr": "10.21.0.0/16"}]
    made = ec2.create_managed_prefix_list(
        PrefixListName="offices", AddressFamily="IPv4", MaxEntries=5, Entries=entries
    )["PrefixList"]
    found = invoke(clients, token, {"id": made["PrefixListId"]})
    assert found.keys() <= result_names(token)
    assert (found["name"], [entry["cidr"] for entry in found["entries"]]) == (
        "offices",
        ["10.20.0.0/16", "10.21.0.0/16"],
    )
    ec2.delete_managed_prefix_list(PrefixListId=made["PrefixListId"])
    with pytest.raises(LookupError, match="one must"):
        invoke(clients, token, {"id": "pl-0123456789abcdef0"})


def test_the_image_that_the_parameter_names_exists(clients: Boto3Clients) -> None:
    image = invoke(clients, "aws:ssm/getParameter:getParameter", {"name": IMAGE})["value"]
    images = clients.client("ec2").describe_images(ImageIds=[image])["Images"]
    assert images[0]["Name"].startswith("Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04)")


def test_zones_can_be_left_out(clients: Boto3Clients) -> None:
    arguments = {"excludeNames": ["us-east-2a"]}
    answer = invoke(clients, "aws:index/getAvailabilityZones:getAvailabilityZones", arguments)
    assert answer["names"] == ["us-east-2b", "us-east-2c"]


def test_an_ambiguous_prefix_list_is_an_error(clients: Boto3Clients) -> None:
    with pytest.raises(LookupError, match="one must"):
        invoke(clients, "aws:ec2/getPrefixList:getPrefixList", {})


def test_an_unknown_data_source_is_an_error(clients: Boto3Clients) -> None:
    with pytest.raises(LookupError, match="aws:ec2/getAmi:getAmi"):
        invoke(clients, "aws:ec2/getAmi:getAmi", {})


def test_instances_that_something_else_launched(world: World) -> None:
    handler, subnet_id = world.registry["aws:ec2/instance:Instance"], world.subnet(world.vpc())
    inputs = {"ami": world.image(), "instanceType": "g6e.xlarge", "subnetId": subnet_id, "tags": world.tags("node")}
    made = handler.create(world.clients, inputs)
    world.made(handler, made.id, inputs)
    by_tag = [{"name": f"tag:{key}", "values": [value]} for key, value in world.tags("node").items()]
    plural, singular = "aws:ec2/getInstances:getInstances", "aws:ec2/getInstance:getInstance"
    found = invoke(world.clients, plural, {"filters": by_tag, "instanceStateNames": ["pending", "running"]})
    assert (found["ids"], found["privateIps"]) == ([made.id], [made.outputs["privateIp"]])
    assert found.keys() <= result_names(plural)
    assert invoke(world.clients, plural, {"filters": by_tag, "instanceStateNames": ["stopped"]})["ids"] == []
    one = invoke(world.clients, singular, {"instanceId": made.id})
    assert one.keys() <= result_names(singular)
    assert (one["privateIp"], one["availabilityZone"], one["subnetId"]) == (
        made.outputs["privateIp"],
        "us-east-2a",
        subnet_id,
    )
