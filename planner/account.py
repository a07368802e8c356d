"""What the owner of an AWS account asks, and what is asked of the stack's storage there."""

from __future__ import annotations

from planner.errors import PlanError
from planner.partitions import partition_of
from planner.plan import AccountPlan, StoragePlan
from planner.profile import Profile

LONGEST_ROLE_NAME = 64
"""Characters of a role's name (API CreateRole)."""
LONGEST_ROLE = "-flows"
"""End of the longest of the stack's role names."""
OLD_VERSIONS_DAYS = 30
UNFINISHED_UPLOADS_DAYS = 7


def plan_account(profile: Profile, stack: str, number: str = "") -> AccountPlan:
    """Settle whose account it is, and what roles and tags must be like.

    Args:
        profile: may name the account.
        stack: part of names.
        number: of the account that the credentials lead to; empty where there is none.

    Raises:
        PlanError: it is another account, a mandatory tag is not set, a name becomes too long, or the boundary is of
            another partition.

    """
    asked, partition = profile.aws, partition_of(profile.aws.region).name
    if number and asked.account and number != asked.account:
        raise PlanError(
            f"`aws.account`: the profile is for account {asked.account}, the stack is in {number}",
            hint="Set AWS_PROFILE to a profile of the right account, or mend `aws.account` in the profile.",
            code="wrong_account",
        )
    missing = [key for key in asked.mandatory_tags if not profile.tags.get(key)]
    if missing:
        raise PlanError(
            f"`aws.mandatory_tags`: no value for {', '.join(missing)}",
            hint=f'Add it under [tags], for example `"{missing[0]}" = "..."`.',
        )
    longest = f"{asked.role_name_prefix}{stack}{LONGEST_ROLE}"
    if len(longest) > LONGEST_ROLE_NAME:
        raise PlanError(
            f"`aws.role_name_prefix`: {longest} is longer than the {LONGEST_ROLE_NAME} characters of a role",
            hint="Shorten the prefix, or choose a shorter name for the stack.",
        )
    if asked.permission_boundary and asked.permission_boundary.split(":")[1] != partition:
        raise PlanError(
            f"`aws.permission_boundary`: {asked.permission_boundary} is not of {asked.region}'s partition, {partition}",
            hint=f"Its ARN begins with arn:{partition}:iam there.",
        )
    return AccountPlan(
        permission_boundary=asked.permission_boundary, role_name_prefix=asked.role_name_prefix, number=number
    )


def plan_storage() -> StoragePlan:
    """Settle how long the bundle's bucket keeps what is no longer in use."""
    return StoragePlan(old_versions_days=OLD_VERSIONS_DAYS, unfinished_uploads_days=UNFINISHED_UPLOADS_DAYS)
