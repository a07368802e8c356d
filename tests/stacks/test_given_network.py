"""A company's own network: used as it is when it is private, refused when it is not, and never changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle import sweep
from lifecycle.profiles import load_profile
from planner.errors import DeployError
from planner.profile import AwsSection, Profile
from policies.run import evaluate, refusals
from sandbox.handlers.clients import Boto3Clients
from sandbox.handlers.registry import default_registry
from tests.sandbox.aws.account import Account
from tests.sandbox.handlers.cases import World
from tests.stacks.test_life import provisioner, up

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

INTERFACES = ("kms", "logs", "secretsmanager", "sts")


@dataclass(frozen=True)
class Company:
    """A network that somebody else made."""

    world: World
    vpc_id: str
    subnet_id: str
    table_id: str
    group_id: str
    endpoints: dict[str, str]

    def profile(self, **changed: Any) -> Profile:
        network = {
            "vpc_id": self.vpc_id,
            "subnet_ids": [self.subnet_id],
            "endpoints": self.endpoints,
            "endpoint_group_ids": [self.group_id],
            **changed,
        }
        aws = msgspec.convert({"network": network}, AwsSection)
        return msgspec.structs.replace(load_profile("2xh200"), aws=aws)


@pytest.fixture
def company(clients: Boto3Clients) -> Any:
    world = World(clients, default_registry())
    vpc_id = world.vpc()
    subnet_id, group_id = world.subnet(vpc_id), world.group(vpc_id, "endpoints")
    table_id = str(world.make("aws:ec2/routeTable:RouteTable", "table", vpcId=vpc_id)["id"])
    association = {"routeTableId": table_id, "subnetId": subnet_id}
    world.make("aws:ec2/routeTableAssociation:RouteTableAssociation", "association", tagged=False, **association)

    def endpoint(service: str, **inputs: Any) -> str:
        name = f"com.amazonaws.us-east-2.{service}"
        made = world.make("aws:ec2/vpcEndpoint:VpcEndpoint", service, vpcId=vpc_id, serviceName=name, **inputs)
        return str(made["id"])

    interface = {"subnetIds": [subnet_id], "securityGroupIds": [group_id], "privateDnsEnabled": True}
    endpoints = {one: endpoint(one, vpcEndpointType="Interface", **interface) for one in INTERFACES}
    endpoints["s3"] = endpoint("s3", vpcEndpointType="Gateway", routeTableIds=[table_id])
    yield Company(world, vpc_id, subnet_id, table_id, group_id, endpoints)
    world.clear()


def test_a_private_network_is_used_and_left_as_it_was(
    company: Company, account: Account, clients: Boto3Clients, tmp_path: Path
) -> None:
    made = provisioner(company.profile(), "guest", account, tmp_path)
    preview = made.preview()
    assert refusals(evaluate(made.plan, preview.resources)) == ()
    with up(made) as outputs:
        resources = made.resources()
        assert {one.name for one in resources} == {one.name for one in preview.resources}
        types = {resource.type for resource in resources}
        kinds = ("Vpc", "Subnet", "RouteTable", "RouteTableAssociation", "VpcEndpoint", "DefaultSecurityGroup")
        assert not types & {f"aws:ec2/{kind[0].lower()}{kind[1:]}:{kind}" for kind in kinds}
        assert refusals(evaluate(made.plan, resources)) == ()
        assert (outputs.vpc_id, outputs.private_subnet_ids) == (company.vpc_id, (company.subnet_id,))
        instance = outputs.nodes[0].instance_id
        (group,) = clients.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
        assert group["Instances"][0]["SubnetId"] == company.subnet_id
        rules = {one.name: one.inputs for one in resources if "SecurityGroupEgressRule" in one.type}
        assert rules["groups-node-to-endpoints-0"]["referencedSecurityGroupId"] == company.group_id
        assert rules["groups-node-to-s3"]["prefixListId"].startswith("pl-")
    assert sweep.tagged(clients, "guest") == ()
    for kind, resource_id in (("vpc:Vpc", company.vpc_id), ("subnet:Subnet", company.subnet_id)):
        assert default_registry()[f"aws:ec2/{kind}"].read(clients, resource_id, {}) is not None


def route_out(company: Company) -> None:
    gateway = company.world.make("aws:ec2/internetGateway:InternetGateway", "gateway", vpcId=company.vpc_id)["id"]
    route = {"routeTableId": company.table_id, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway}
    company.world.make("aws:ec2/route:Route", "route", tagged=False, **route)


def public_addresses(company: Company) -> None:
    ec2 = company.world.clients.client("ec2")
    ec2.modify_subnet_attribute(SubnetId=company.subnet_id, MapPublicIpOnLaunch={"Value": True})


def no_host_names(company: Company) -> None:
    ec2 = company.world.clients.client("ec2")
    ec2.modify_vpc_attribute(VpcId=company.vpc_id, EnableDnsHostnames={"Value": False})


def no_route_to_s3(company: Company) -> None:
    ec2 = company.world.clients.client("ec2")
    ec2.modify_vpc_endpoint(VpcEndpointId=company.endpoints["s3"], RemoveRouteTableIds=[company.table_id])


def no_private_name(company: Company) -> None:
    ec2 = company.world.clients.client("ec2")
    ec2.modify_vpc_endpoint(VpcEndpointId=company.endpoints["kms"], PrivateDnsEnabled=False)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (route_out, "leads to the internet through igw-"),
        (public_addresses, "gives its machines public addresses"),
        (no_host_names, "DNS host names"),
        (no_route_to_s3, "has no route to vpce-"),
        (no_private_name, "private DNS is off"),
    ],
)
def test_a_network_that_is_not_private_is_refused_before_a_node_is_made(
    spoil: Callable[[Company], None], message: str, company: Company, account: Account, tmp_path: Path
) -> None:
    spoil(company)
    made = provisioner(company.profile(), "refused", account, tmp_path)
    try:
        with pytest.raises(DeployError, match=message) as refusal:
            made.up()
        assert refusal.value.code == "given_network"
        assert not [one for one in made.resources() if one.type == "aws:ec2/instance:Instance"]
    finally:
        made.destroy()


def foreign_group(_company: Company) -> dict[str, Any]:
    return {"endpoint_group_ids": ["sg-0123456789abcdef0"]}


def another_vpc(company: Company) -> dict[str, Any]:
    return {"vpc_id": company.world.vpc()}


def exchanged_endpoints(company: Company) -> dict[str, Any]:
    kms, sts = company.endpoints["kms"], company.endpoints["sts"]
    return {"endpoints": {**company.endpoints, "kms": sts, "sts": kms}}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (foreign_group, "none of the groups"),
        (another_vpc, "is not in vpc-"),
        (exchanged_endpoints, "is an endpoint of"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    changed: Callable[[Company], dict[str, Any]], message: str, company: Company, account: Account, tmp_path: Path
) -> None:
    made = provisioner(company.profile(**changed(company)), "mixed", account, tmp_path)
    try:
        with pytest.raises(DeployError, match=message):
            made.up()
    finally:
        made.destroy()
