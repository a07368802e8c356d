"""Whoever may open a tunnel must be known well, and lead it to SSH at a private address, for a while."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from policies.exposure.tunnel import missing_conditions

GOOD: dict[str, Any] = {
    "Effect": "Allow",
    "Action": "ec2-instance-connect:OpenTunnel",
    "Resource": "arn:aws:ec2:us-east-2:123456789012:instance-connect-endpoint/*",
    "Condition": {
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
        "NumericEquals": {"ec2-instance-connect:remotePort": "22"},
        "IpAddress": {"ec2-instance-connect:privateIpAddress": "10.42.0.0/16"},
        "NumericLessThanEquals": {"ec2-instance-connect:maxTunnelDuration": 3600},
    },
}


def changed(operator: str, value: dict[str, Any] | None) -> dict[str, Any]:
    statement = deepcopy(GOOD)
    statement["Condition"].pop(operator)
    if value is not None:
        statement["Condition"][operator] = value
    return statement


def test_a_good_statement_misses_nothing() -> None:
    assert missing_conditions([GOOD]) == ()
    network = {"ec2-instance-connect:privateIpAddress": "10.42.0.0/16", "aws:SourceIp": "203.0.113.0/24"}
    by_network = changed("IpAddress", network)
    del by_network["Condition"]["Bool"]
    assert missing_conditions([by_network]) == ()


@pytest.mark.parametrize(
    ("operator", "value", "told"),
    [
        ("Bool", None, "who asks"),
        ("Bool", {"aws:MultiFactorAuthPresent": "false"}, "who asks"),
        ("NumericEquals", None, "the port"),
        ("NumericEquals", {"ec2-instance-connect:remotePort": ["22", "443"]}, "the port"),
        ("IpAddress", None, "the address"),
        ("IpAddress", {"ec2-instance-connect:privateIpAddress": "0.0.0.0/0"}, "the address"),
        ("NumericLessThanEquals", None, "the end"),
        ("NumericLessThanEquals", {"ec2-instance-connect:maxTunnelDuration": "86400"}, "the end"),
    ],
)
def test_what_is_missing_is_named(operator: str, value: dict[str, Any] | None, told: str) -> None:
    (missing,) = missing_conditions([changed(operator, value)])
    assert missing.startswith(told)


@pytest.mark.parametrize(
    "element", [{"Action": "*"}, {"Action": ["EC2-Instance-Connect:Open*"]}, {"NotAction": "s3:*"}]
)
def test_a_statement_that_grants_it_in_other_words_is_seen(element: dict[str, Any]) -> None:
    assert len(missing_conditions([{"Effect": "Allow", "Resource": "*", **element}])) == 4


def test_other_statements_need_no_conditions() -> None:
    others = [
        {"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"},
        {"Effect": "Deny", "Action": "ec2-instance-connect:OpenTunnel", "Resource": "*"},
    ]
    assert missing_conditions(others) == ()
