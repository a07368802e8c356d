"""Whose account this is: what ARNs are made of."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi_aws as aws


@dataclass(frozen=True)
class Account:
    """The account that the program runs in."""

    id: str
    partition: str
    """`aws`, `aws-cn`, `aws-us-gov`: never assumed."""
    dns_suffix: str
    """End of the names of its services, and of the principals by which some of them act."""
    region: str


def current_account(region: str) -> Account:
    """Ask the account who it is."""
    partition = aws.get_partition()
    return Account(
        id=aws.get_caller_identity().account_id,
        partition=partition.partition,
        dns_suffix=partition.dns_suffix,
        region=region,
    )
