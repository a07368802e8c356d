"""Regions and their partitions."""

from __future__ import annotations

import pytest

from planner.partitions import partition_of


@pytest.mark.parametrize(
    ("region", "name", "suffix"),
    [
        ("us-east-2", "aws", "amazonaws.com"),
        ("eu-central-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_partition_of(region: str, name: str, suffix: str) -> None:
    assert (partition_of(region).name, partition_of(region).dns_suffix) == (name, suffix)
