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
    region: str


def current_account(region: str) -> Account:
    """Ask the account who it is."""
    return Account(
        id=aws.get_caller_identity().account_id,
        partition=aws.get_partition().partition,
        region=region,
    )
