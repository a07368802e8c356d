"""`iam-policy` for a profile."""

from __future__ import annotations

from lifecycle.exposure.verb import resources_of
from lifecycle.operator_policy.document import IamPolicyReport, operator_policy
from planner.errors import UsageError
from planner.plan import Plan
from planner.profile import Profile
from planner.progress import Progress


def policy_of(plan: Plan, profile: Profile, account: str, progress: Progress) -> IamPolicyReport:
    """Return what the operator of a plan needs to be allowed.

    Args:
        plan: made from the profile.
        profile: names the account, if it does.
        account: number of the account; empty for the profile's.
        progress: told what takes a moment.

    Raises:
        UsageError: nobody says which account.

    """
    number = account or profile.aws.account
    if not (len(number) == 12 and number.isdecimal()):
        raise UsageError(
            f"{number!r} is no number of an account" if number else "which account? --account NUMBER is missing",
            hint="Twelve digits: `aws sts get-caller-identity` shows them. Or set `aws.account` in the profile.",
            code="no_account_number",
        )
    with progress.step("resources, imagined"):
        types = {resource.type for resource in resources_of(plan)}
    return operator_policy(plan, number, types)
