"""Security groups: nothing is open that was not asked for."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.handlers.resource import Resource
from tests.sandbox.handlers.cases import World

GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
WEB = {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/16"], "description": "clients"}
MEMBERS = {"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True}


def _rules(world: World, group_id: str) -> list[dict[str, Any]]:
    found = world.clients.client("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group_id]}]
    )
    return list(found["SecurityGroupRules"])


def _peers(world: World, group_id: str) -> set[tuple[bool, str, str]]:
    return {
        (
            rule["IsEgress"],
            rule["IpProtocol"],
            rule.get("CidrIpv4") or rule.get("ReferencedGroupInfo", {}).get("GroupId", ""),
        )
        for rule in _rules(world, group_id)
    }


def test_a_new_group_lets_nothing_in_or_out(world: World) -> None:
    assert _rules(world, world.group(world.vpc())) == []


def test_a_half_made_group_is_closed(world: World) -> None:
    """Killed before AWS's own rule is taken back: the group would let everything out."""
    inputs = {"name": world.name("nodes"), "vpcId": world.vpc(), "tags": world.tags("nodes")}
    handler = world.registry[GROUP]
    assert isinstance(handler, Resource)
    half = handler.make(world.clients, inputs)
    world.made(handler, half, inputs)
    assert _peers(world, half) == {(True, "-1", "0.0.0.0/0")}

    found = handler.find(world.clients, inputs)
    assert found == half
    handler.update(world.clients, found, {}, inputs)
    assert _rules(world, half) == []


@pytest.mark.parametrize("token", [GROUP, DEFAULT])
def test_own_rules_change_and_rules_that_are_resources_stay(token: str, world: World) -> None:
    vpc_id, handler = world.vpc(), world.registry[token]
    named = {"name": world.name("nodes")} if token == GROUP else {}
    old = {**named, "vpcId": vpc_id, "ingress": [WEB, MEMBERS], "egress": [MEMBERS], "tags": world.tags("nodes")}
    group_id = handler.create(world.clients, old).id
    world.made(handler, group_id, old)
    own = {(False, "tcp", "10.0.0.0/16"), (False, "-1", group_id), (True, "-1", group_id)}
    assert _peers(world, group_id) == own

    world.make(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "ssh",
        securityGroupId=group_id,
        ipProtocol="tcp",
        fromPort=22,
        toPort=22,
        cidrIpv4="10.0.9.0/24",
    )
    new = {**old, "ingress": [WEB]}
    assert handler.diff(old, {**old, "ingress": [MEMBERS, WEB]}).changed == ()
    handler.update(world.clients, group_id, old, new)
    assert _peers(world, group_id) == own - {(False, "-1", group_id)} | {(False, "tcp", "10.0.9.0/24")}


def test_the_default_group_is_emptied(world: World) -> None:
    vpc_id = world.vpc()
    ec2 = world.clients.client("ec2")
    group_id = world.registry["aws:ec2/vpc:Vpc"].read(world.clients, vpc_id, {})["defaultSecurityGroupId"]  # type: ignore[index]  # it is there
    ec2.authorize_security_group_ingress(
        GroupId=group_id, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id}]}]
    )
    assert len(_rules(world, group_id)) == 2

    adopted = world.make(DEFAULT, "default", vpcId=vpc_id)
    assert adopted["id"] == group_id
    assert _rules(world, group_id) == []
    world.registry[DEFAULT].delete(world.clients, group_id, {"vpcId": vpc_id})
    assert ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]


def test_a_rule_changes_its_peer_in_place_but_not_its_kind(world: World) -> None:
    handler = world.registry["aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"]
    rule = {"securityGroupId": "sg-1", "ipProtocol": "tcp", "fromPort": 1, "toPort": 2, "cidrIpv4": "10.0.0.0/8"}
    assert not handler.diff(rule, {**rule, "cidrIpv4": "10.0.0.0/16"}).replace
    group = {name: value for name, value in rule.items() if name != "cidrIpv4"} | {"referencedSecurityGroupId": "sg-2"}
    assert handler.diff(rule, group).replace
