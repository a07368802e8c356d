"""Regions and their partitions, and what is called otherwise there."""

from __future__ import annotations

import json
from importlib.resources import files

import boto3.session
import pytest

from planner.deadline import plan_alarm
from planner.errors import PlanError
from planner.partitions import endpoint_service, partition_of
from planner.profile import LifetimeSection

KNOWN = ("aws", "aws-cn", "aws-us-gov")
SAID = json.loads((files("botocore") / "data" / "partitions.json").read_text())["partitions"]
REGIONS = [
    (region, said["id"], said["outputs"]["dnsSuffix"])
    for said in SAID
    if said["id"] in KNOWN
    for region in said["regions"]
    if not region.endswith("-global")
]
CHINESE = {"ec2", "ecr.api", "ecr.dkr", "monitoring", "sts"}
"""Services whose interface endpoints have a prefix in China (DescribeVpcEndpointServices)."""


@pytest.mark.parametrize(("region", "name", "suffix"), REGIONS)
def test_partition_of(region: str, name: str, suffix: str) -> None:
    assert (partition_of(region).name, partition_of(region).dns_suffix) == (name, suffix)


@pytest.mark.parametrize("region", ["us-east-2", "us-gov-west-1", "cn-north-1", "cn-northwest-1"])
@pytest.mark.parametrize("service", ["kms", "logs", "secretsmanager", "ssm", *sorted(CHINESE)])
def test_interface_endpoints_have_the_names_of_their_region(region: str, service: str) -> None:
    prefix = "cn." if region.startswith("cn-") and service in CHINESE else ""
    assert endpoint_service(service, region) == f"{prefix}com.amazonaws.{region}.{service}"
    assert endpoint_service("s3", region, gateway=True) == f"com.amazonaws.{region}.s3"


@pytest.mark.parametrize("partition", KNOWN)
def test_budgets_are_where_the_sdk_knows_them(partition: str) -> None:
    there = boto3.session.Session().get_available_regions("budgets", partition, allow_non_regional=True)
    region = next(region for region, name, _ in REGIONS if name == partition)
    assert partition_of(region).budgets == bool(there)


def test_where_there_are_no_budgets_nobody_can_be_told_of_costs() -> None:
    section = LifetimeSection(alarm_emails=("operators@example.com",))
    with pytest.raises(PlanError, match="AWS Budgets is not in aws-us-gov"):
        plan_alarm(section, None, "us-gov-west-1")
    assert plan_alarm(LifetimeSection(), None, "us-gov-west-1") is None
