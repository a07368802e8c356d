"""What an administrator's IAM policy says about the way to the nodes: the endpoint is on the internet, guarded by IAM.

Every statement is for what carries the stack's tag, and names the conditions under which a tunnel may be opened:
a second factor or a named network, SSH's port, the nodes' addresses, the longest time.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import msgspec

from planner.errors import PlanError
from planner.partitions import partition_of
from planner.tags import STACK_TAG

SSH_PORT = 22
LONGEST_TUNNEL_S = 3600
"""Seconds for which AWS lets a tunnel be open (EC2 user guide, EC2 Instance Connect Endpoint)."""
SECOND_FACTOR = "aws:MultiFactorAuthPresent"
SOURCE = "aws:SourceIp"


class TunnelScope(msgspec.Struct, frozen=True, kw_only=True):
    """What tunnels are for, and who may open them.

    Attributes:
        region: where the stack is.
        account: its number, twelve digits.
        stack: whose tag its endpoint and its nodes carry.
        node_networks: where their private addresses lie: the subnets, or single addresses as /32.
        user: the system user that keys are let in for.
        require_mfa: only those who signed in with a second factor. Sessions of IAM Identity Center and of other
            federations carry no word of it, although they asked for one: for those, name networks instead.
        from_networks: only those who come from these public networks; from anywhere when empty.
        duration_s: longest time that a tunnel may be open, in seconds.

    """

    region: str
    account: str
    stack: str
    node_networks: tuple[str, ...]
    user: str
    require_mfa: bool = True
    from_networks: tuple[str, ...] = ()
    duration_s: int = LONGEST_TUNNEL_S


def login_user(ami_parameter: str) -> str:
    """Return the user that an image's SSH takes keys for, by the SSM parameter that names the image."""
    return "ubuntu" if "ubuntu" in ami_parameter else "ec2-user"


def tunnel_statements(scope: TunnelScope) -> tuple[dict[str, Any], ...]:
    """Return the statements that let an administrator reach the nodes, and nothing else.

    Condition keys: Service Authorization Reference, Amazon EC2 Instance Connect and Amazon EC2.

    Raises:
        PlanError: nothing but a password would guard the way, or a value is out of range.

    """
    _check(scope)
    prefix = f"arn:{partition_of(scope.region).name}:ec2:{scope.region}:{scope.account}"
    who, own = _who(scope), {"StringEquals": {f"aws:ResourceTag/{STACK_TAG}": scope.stack}}
    return (
        {
            "Sid": "OpenTunnelToTheNodes",
            "Effect": "Allow",
            "Action": "ec2-instance-connect:OpenTunnel",
            "Resource": f"{prefix}:instance-connect-endpoint/*",
            "Condition": _merged(
                who,
                own,
                {
                    "NumericEquals": {"ec2-instance-connect:remotePort": str(SSH_PORT)},
                    "NumericLessThanEquals": {"ec2-instance-connect:maxTunnelDuration": str(scope.duration_s)},
                    "IpAddress": {"ec2-instance-connect:privateIpAddress": list(scope.node_networks)},
                },
            ),
        },
        {
            "Sid": "LetAKeyInForAMinute",
            "Effect": "Allow",
            "Action": "ec2-instance-connect:SendSSHPublicKey",
            "Resource": f"{prefix}:instance/*",
            "Condition": _merged(who, own, {"StringEquals": {"ec2:osuser": scope.user}}),
        },
        {
            "Sid": "ReadHostKeysFromTheConsole",
            "Effect": "Allow",
            "Action": "ec2:GetConsoleOutput",
            "Resource": f"{prefix}:instance/*",
            "Condition": _merged(who, own),
        },
        {
            # AWS knows no narrower resource for it.
            "Sid": "FindTheEndpoint",
            "Effect": "Allow",
            "Action": "ec2:DescribeInstanceConnectEndpoints",
            "Resource": "*",
            "Condition": _merged(who, {"StringEquals": {"aws:RequestedRegion": scope.region}}),
        },
    )


def _who(scope: TunnelScope) -> dict[str, dict[str, Any]]:
    """Return the conditions on whoever asks."""
    conditions: dict[str, dict[str, Any]] = {}
    if scope.require_mfa:
        # Not `BoolIfExists`: long-term keys carry no such word, and would pass.
        conditions["Bool"] = {SECOND_FACTOR: "true"}
    if scope.from_networks:
        conditions["IpAddress"] = {SOURCE: list(scope.from_networks)}
    return conditions


def _merged(*conditions: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return conditions that must all hold."""
    together: dict[str, dict[str, Any]] = {}
    for each in conditions:
        for operator, keys in each.items():
            together[operator] = {**together.get(operator, {}), **keys}
    return together


def _check(scope: TunnelScope) -> None:
    if not scope.require_mfa and not scope.from_networks:
        raise PlanError(
            "a tunnel would be open to whoever holds the credentials, from anywhere",
            hint="Ask for a second factor, or name the networks that administrators come from.",
        )
    if not 1 <= scope.duration_s <= LONGEST_TUNNEL_S:
        raise PlanError(f"a tunnel lasts 1 to {LONGEST_TUNNEL_S} seconds, not {scope.duration_s}")
    if not scope.node_networks:
        raise PlanError("the policy is for nodes, and says not where they are", hint="Name the subnets' networks.")
    for text in (*scope.from_networks, *scope.node_networks):
        if _is_everything(text):
            raise PlanError(f"{text} is every address there is", hint="Name the networks that are meant.")


def _is_everything(text: str) -> bool:
    try:
        network = ip_network(text)
    except ValueError:
        raise PlanError(f"{text!r} is no network", hint="Write it as 203.0.113.0/24.") from None
    return network.prefixlen == 0
