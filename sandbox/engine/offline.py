"""What data sources answer at preview, when there is no account to ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from planner.partitions import partition_of
from sandbox.handlers.invokes import partition_answer

EMULATED_ACCOUNT = "123456789012"
"""The account of the emulation, known beforehand."""
DECIDED_AT_APPLY = "decided-at-apply"

_ONLY_THE_ACCOUNT_KNOWS = (
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings",
    "aws:ec2/getInstances:getInstances",
    "aws:ec2/getManagedPrefixList:getManagedPrefixList",
    "aws:ec2/getRouteTable:getRouteTable",
    "aws:ec2/getSubnet:getSubnet",
    "aws:ec2/getVpc:getVpc",
)
"""Data sources that say nothing beforehand."""


def offline_answers(
    region: str, account: str = EMULATED_ACCOUNT
) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    """Return what is known without asking, by token.

    The SDK wants text where text is declared: what only the account knows is a word that says so.
    """
    return {
        **dict.fromkeys(_ONLY_THE_ACCOUNT_KNOWS, lambda arguments: {"id": arguments.get("id", "")}),
        "aws:ec2/getVpcEndpoint:getVpcEndpoint": lambda arguments: {
            "id": arguments["id"],
            "prefixListId": DECIDED_AT_APPLY,
        },
        "aws:index/getCallerIdentity:getCallerIdentity": lambda _: {
            "accountId": account,
            "arn": f"arn:{partition_of(region).name}:sts::{account}:assumed-role/preview/preview",
            "id": account,
            "userId": "preview",
        },
        "aws:index/getPartition:getPartition": lambda _: partition_answer(region),
        "aws:index/getRegion:getRegion": lambda _: {"id": region, "name": region, "region": region},
        "aws:ssm/getParameter:getParameter": lambda arguments: {
            "id": arguments["name"],
            "name": arguments["name"],
            "arn": "",
            "type": "String",
            "region": region,
            "insecureValue": "",
            "version": 0,
            "value": DECIDED_AT_APPLY,
        },
    }
