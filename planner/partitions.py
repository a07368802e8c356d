"""AWS's partitions: regions that share accounts, and begin their ARNs alike."""

from __future__ import annotations

import msgspec


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """One of AWS's worlds.

    Attributes:
        name: second part of its ARNs.
        dns_suffix: end of its services' names.

    """

    name: str
    dns_suffix: str


_PUBLIC = Partition(name="aws", dns_suffix="amazonaws.com")
_BY_REGION = {
    "cn-": Partition(name="aws-cn", dns_suffix="amazonaws.com.cn"),
    "us-gov-": Partition(name="aws-us-gov", dns_suffix="amazonaws.com"),
}
"""By the beginning of a region's name (botocore, `partitions.json`)."""


def partition_of(region: str) -> Partition:
    """Return the partition that a region lies in."""
    return next((partition for start, partition in _BY_REGION.items() if region.startswith(start)), _PUBLIC)
