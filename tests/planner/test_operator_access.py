"""The policy of those who may reach the nodes: every condition is there, and nothing goes without."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from planner.errors import PlanError
from planner.operator_access import TunnelScope, login_user, tunnel_statements
from policies.exposure.tunnel import missing_conditions

SCOPE = TunnelScope(
    region="us-east-2",
    account="123456789012",
    stack="team-a",
    node_networks=("10.0.1.0/24",),
    user="ubuntu",
    from_networks=("203.0.113.0/24",),
)


def by_action(scope: TunnelScope = SCOPE) -> dict[str, dict[str, Any]]:
    return {statement["Action"]: statement for statement in tunnel_statements(scope)}


def test_a_tunnel_may_be_opened_to_the_nodes_ssh_alone() -> None:
    assert by_action()["ec2-instance-connect:OpenTunnel"] == {
        "Sid": "OpenTunnelToTheNodes",
        "Effect": "Allow",
        "Action": "ec2-instance-connect:OpenTunnel",
        "Resource": "arn:aws:ec2:us-east-2:123456789012:instance-connect-endpoint/*",
        "Condition": {
            "Bool": {"aws:MultiFactorAuthPresent": "true"},
            "IpAddress": {
                "aws:SourceIp": ["203.0.113.0/24"],
                "ec2-instance-connect:privateIpAddress": ["10.0.1.0/24"],
            },
            "NumericEquals": {"ec2-instance-connect:remotePort": "22"},
            "NumericLessThanEquals": {"ec2-instance-connect:maxTunnelDuration": "3600"},
            "StringEquals": {"aws:ResourceTag/cloister:stack": "team-a"},
        },
    }


def test_keys_are_let_in_for_one_user_of_the_nodes() -> None:
    statement = by_action()["ec2-instance-connect:SendSSHPublicKey"]
    assert statement["Condition"]["StringEquals"] == {
        "ec2:osuser": "ubuntu",
        "aws:ResourceTag/cloister:stack": "team-a",
    }
    assert statement["Resource"] == "arn:aws:ec2:us-east-2:123456789012:instance/*"


def test_only_what_aws_cannot_narrow_is_for_every_resource() -> None:
    wide = [statement["Action"] for statement in tunnel_statements(SCOPE) if statement["Resource"] == "*"]
    assert wide == ["ec2:DescribeInstanceConnectEndpoints"]


@pytest.mark.parametrize(
    ("mfa", "networks", "operators"),
    [
        (True, (), {"Bool"}),
        (False, ("203.0.113.0/24",), {"IpAddress"}),
        (True, ("203.0.113.0/24",), {"Bool", "IpAddress"}),
    ],
)
def test_who_asks_is_a_condition_of_every_statement(mfa: bool, networks: tuple[str, ...], operators: set[str]) -> None:
    for statement in tunnel_statements(replace(SCOPE, require_mfa=mfa, from_networks=networks)):
        named = {key for keys in statement["Condition"].values() for key in keys}
        assert ("aws:MultiFactorAuthPresent" in named) is ("Bool" in operators)
        assert ("aws:SourceIp" in named) is ("IpAddress" in operators)


def test_arns_are_those_of_the_partition() -> None:
    statement = by_action(replace(SCOPE, region="us-gov-west-1"))["ec2-instance-connect:OpenTunnel"]
    assert statement["Resource"].startswith("arn:aws-us-gov:ec2:us-gov-west-1:")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"require_mfa": False, "from_networks": ()}, "from anywhere"),
        ({"duration_s": 3601}, "3600"),
        ({"duration_s": 0}, "3600"),
        ({"node_networks": ()}, "where they are"),
        ({"from_networks": ("0.0.0.0/0",)}, "every address"),
        ({"node_networks": ("::/0",)}, "every address"),
        ({"from_networks": ("office",)}, "no network"),
    ],
)
def test_a_policy_that_leaves_the_way_open_is_not_written(change: dict[str, Any], why: str) -> None:
    with pytest.raises(PlanError, match=why):
        tunnel_statements(replace(SCOPE, **change))


@pytest.mark.parametrize("networks", [(), ("203.0.113.0/24",)])
def test_the_exposure_proof_misses_no_condition(networks: tuple[str, ...]) -> None:
    scope = replace(SCOPE, require_mfa=not networks, from_networks=networks)
    assert missing_conditions(tunnel_statements(scope)) == ()


@pytest.mark.parametrize(
    ("image", "user"),
    [
        ("/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id", "ubuntu"),
        ("/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id", "ec2-user"),
    ],
)
def test_the_user_is_the_images(image: str, user: str) -> None:
    assert login_user(image) == user
