"""Whose account this is: what ARNs are made of."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from planner.plan import Plan


@dataclass(frozen=True)
class Account:
    """The account that the program runs in."""

    id: str
    partition: str
    """`aws`, `aws-cn`, `aws-us-gov`: never assumed."""
    dns_suffix: str
    """End of the names of its services, and of the principals by which some of them act."""
    region: str


def current_account(plan: Plan) -> Account:
    """Ask the account who it is.

    Raises:
        RunError: it is another one than the plan names, whoever runs the program.

    """
    partition, number = aws.get_partition(), aws.get_caller_identity().account_id
    if plan.account.number and number != plan.account.number:
        raise pulumi.RunError(f"these credentials are of account {number}, the plan names {plan.account.number}")
    return Account(
        id=number, partition=partition.partition, dns_suffix=partition.dns_suffix, region=plan.network.region
    )
