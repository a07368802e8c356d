"""Placement groups."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.aws.network import Network, code_of


def test_life(network: Network) -> None:
    ec2, name = network.ec2, network.name
    made = ec2.create_placement_group(
        GroupName=name, Strategy="partition", PartitionCount=3, TagSpecifications=network.tagged("placement-group")
    )["PlacementGroup"]
    assert made["GroupArn"] == f"arn:aws:ec2:us-east-2:123456789012:placement-group/{name}"
    assert (made["State"], made["Strategy"], made["PartitionCount"]) == ("available", "partition", 3)

    by_tag = [{"Name": "tag:cloister:stack", "Values": [name]}]
    assert ec2.describe_placement_groups(Filters=by_tag)["PlacementGroups"] == [made]
    assert ec2.describe_placement_groups(GroupIds=[made["GroupId"]])["PlacementGroups"] == [made]
    ec2.create_tags(Resources=[made["GroupId"]], Tags=[{"Key": "colour", "Value": "blue"}])
    again = ec2.describe_placement_groups(GroupNames=[name])["PlacementGroups"][0]
    assert {"Key": "colour", "Value": "blue"} in again["Tags"]

    ec2.delete_placement_group(GroupName=name)
    assert ec2.describe_placement_groups(Filters=by_tag)["PlacementGroups"] == []


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("describe_placement_groups", {"GroupNames": ["nobody"]}, "InvalidPlacementGroup.Unknown"),
        ("describe_placement_groups", {"GroupIds": ["pg-0123456789abcdef0"]}, "InvalidPlacementGroup.Unknown"),
        ("delete_placement_group", {"GroupName": "nobody"}, "InvalidPlacementGroup.Unknown"),
        ("create_placement_group", {"GroupName": "x", "Strategy": "near"}, "InvalidParameterValue"),
        ("create_placement_group", {"Strategy": "cluster"}, "MissingParameter"),
    ],
)
def test_refusals(network: Network, call: str, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refusal:
        getattr(network.ec2, call)(**arguments)
    assert code_of(refusal.value) == code


def test_names_are_unique(network: Network) -> None:
    network.ec2.create_placement_group(GroupName=network.name, Strategy="cluster")
    with pytest.raises(ClientError) as refusal:
        network.ec2.create_placement_group(GroupName=network.name, Strategy="spread")
    assert code_of(refusal.value) == "InvalidPlacementGroup.Duplicate"
    network.ec2.delete_placement_group(GroupName=network.name)
