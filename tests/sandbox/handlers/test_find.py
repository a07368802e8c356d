"""What an interrupted creation left behind is found, and nothing else is."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from sandbox.handlers.base import Properties
from sandbox.handlers.resource import Resource
from sandbox.handlers.waiting import code_of
from tests.sandbox.handlers.cases import TRUST, World

NAMED: dict[str, Properties] = {
    "aws:cloudwatch/logGroup:LogGroup": {"name": "/taken"},
    "aws:ec2/launchTemplate:LaunchTemplate": {"name": "taken", "instanceType": "p5en.48xlarge"},
    "aws:ec2/placementGroup:PlacementGroup": {"name": "taken", "strategy": "cluster"},
    "aws:iam/instanceProfile:InstanceProfile": {"name": "taken"},
    "aws:iam/role:Role": {"name": "taken", "assumeRolePolicy": TRUST},
    "aws:secretsmanager/secret:Secret": {"name": "taken", "recoveryWindowInDays": 0},
}


@pytest.mark.parametrize("token", sorted(NAMED))
def test_a_name_that_another_stack_took_is_not_ours(token: str, world: World) -> None:
    theirs = {**NAMED[token], "tags": {**world.tags("it"), "cloister:stack": "another"}}
    handler = world.registry[token]
    made = handler.create(world.clients, theirs)
    world.made(handler, made.id, theirs)

    ours = {**NAMED[token], "tags": world.tags("it")}
    assert handler.find(world.clients, ours) is None
    with pytest.raises(ClientError) as refusal:
        handler.create(world.clients, ours)
    assert any(word in code_of(refusal.value) for word in ("Exist", "Duplicate"))


def test_without_both_tags_nothing_is_found(world: World) -> None:
    world.make("aws:ec2/vpc:Vpc", "it", cidrBlock="10.0.0.0/16")
    handler = world.registry["aws:ec2/vpc:Vpc"]
    for tags in (None, {}, {"cloister:stack": world.stack}, {"cloister:resource": "it"}):
        assert handler.find(world.clients, {"cidrBlock": "10.0.0.0/16", "tags": tags}) is None


def test_the_one_that_is_being_replaced_is_not_found(world: World) -> None:
    old = world.make("aws:ec2/vpc:Vpc", "it", cidrBlock="10.0.0.0/16")
    handler = world.registry["aws:ec2/vpc:Vpc"]
    new = {"cidrBlock": "10.1.0.0/16", "tags": world.tags("it")}
    assert handler.find(world.clients, new) is None
    made = handler.create(world.clients, new)
    world.made(handler, made.id, new)
    assert handler.find(world.clients, new) == made.id != old["id"]


def test_a_half_made_vpc_is_made_whole(world: World) -> None:
    """Killed between the two calls that make a VPC: its names would not resolve."""
    handler = world.registry["aws:ec2/vpc:Vpc"]
    assert isinstance(handler, Resource)
    inputs = {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "tags": world.tags("it")}
    half = handler.make(world.clients, inputs)
    world.made(handler, half, inputs)

    found = handler.find(world.clients, inputs)
    assert found == half
    assert handler.update(world.clients, found, {}, inputs)["enableDnsHostnames"] is True


def test_a_terminated_instance_is_gone(world: World) -> None:
    vpc_id = world.vpc()
    handler = world.registry["aws:ec2/instance:Instance"]
    inputs = {
        "ami": world.image(),
        "instanceType": "g6e.xlarge",
        "subnetId": world.subnet(vpc_id),
        "tags": world.tags("node"),
    }
    made = handler.create(world.clients, inputs)
    world.made(handler, made.id, inputs)
    ec2 = world.clients.client("ec2")
    ec2.terminate_instances(InstanceIds=[made.id])

    assert ec2.describe_instances(InstanceIds=[made.id])["Reservations"]  # AWS shows it for a while
    assert handler.read(world.clients, made.id, inputs) is None
    assert handler.find(world.clients, inputs) is None


def test_a_nat_gateway_of_another_is_not_found(world: World) -> None:
    """moto does not filter these by tags: whoever trusts it takes another's."""
    vpc_id = world.vpc()
    world.make("aws:ec2/internetGateway:InternetGateway", "gateway", vpcId=vpc_id)
    address = world.make("aws:ec2/eip:Eip", "address", domain="vpc")
    where = {"subnetId": world.subnet(vpc_id), "allocationId": address["id"]}
    world.make("aws:ec2/natGateway:NatGateway", "theirs", **where)
    ours = {**where, "tags": world.tags("ours")}
    assert world.registry["aws:ec2/natGateway:NatGateway"].find(world.clients, ours) is None


def test_an_instance_of_an_older_template_is_not_found(world: World) -> None:
    """It carries the same tags: it is the one that is being replaced."""
    handler = world.registry["aws:ec2/instance:Instance"]
    template = world.make(
        "aws:ec2/launchTemplate:LaunchTemplate",
        "template",
        name=world.name("template"),
        imageId=world.image(),
        instanceType="g6e.xlarge",
        networkInterfaces=[{"deviceIndex": 0, "subnetId": world.subnet(world.vpc())}],
    )
    inputs = {"launchTemplate": {"id": template["id"], "version": 1}, "tags": world.tags("node")}
    made = handler.create(world.clients, inputs)
    world.made(handler, made.id, inputs)
    assert handler.find(world.clients, inputs) == made.id
    for other in ({"id": template["id"], "version": "2"}, {"id": "lt-0123456789abcdef0", "version": "1"}):
        assert handler.find(world.clients, {**inputs, "launchTemplate": other}) is None
