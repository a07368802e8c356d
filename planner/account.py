"""What the owner of an AWS account asks, and what is asked of the stack's storage there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from planner.errors import PlanError
from planner.partitions import partition_of
from planner.plan import AccountPlan, StoragePlan
from planner.profile import Profile

LONGEST_ROLE_NAME = 64
"""Characters of a role's name (API CreateRole)."""
LONGEST_ROLE = "-flows"
"""End of the longest of the stack's role names."""
SHOWN_KEY = re.compile(r"(?!(?:\.{1,2}|_index)\Z)[A-Za-z0-9_+=,.@:-]+")
"""Keys of tags that an instance's metadata service shows."""
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


def check_tag_keys(tags: Iterable[str]) -> None:
    """Refuse tags that an instance cannot show to itself: a node with a deadline reads it from its own tags.

    EC2 user guide, "View tags for your EC2 instances using instance metadata": EC2 launches nothing then.

    Raises:
        PlanError: a key has other characters than the metadata service takes.

    """
    if strange := sorted(key for key in tags if not SHOWN_KEY.fullmatch(key)):
        raise PlanError(
            f"[tags]: {', '.join(strange)} cannot be on a node with a deadline",
            hint="Its keys may have letters, digits and -_+=,.@: only, because it reads the deadline from its tags. "
            "Name the tag otherwise, or leave the deadline out.",
            code="tag_not_shown",
        )


def plan_storage() -> StoragePlan:
    """Settle how long the bundle's bucket keeps what is no longer in use."""
    return StoragePlan(old_versions_days=OLD_VERSIONS_DAYS, unfinished_uploads_days=UNFINISHED_UPLOADS_DAYS)
