"""Whose account the credentials lead to: another one than the plan names is refused, before anything else is asked."""

from __future__ import annotations

import msgspec

from lifecycle.aws.errors import told
from lifecycle.aws.session import AwsSession
from planner.errors import DeployError


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks.

    Attributes:
        account: its number, twelve digits.
        arn: the user or role.

    """

    account: str
    arn: str
    region: str


def check_account(session: AwsSession, account: str) -> Caller:
    """Return who asks.

    Args:
        session: of the region that the plan names.
        account: the number that the plan names; empty for any.

    Raises:
        DeployError: the credentials are of another account, or of none.

    """
    with told("sts:GetCallerIdentity", session.region):
        said = session.sts.get_caller_identity()
    caller = Caller(account=said["Account"], arn=said["Arn"], region=session.region)
    if account and caller.account != account:
        raise DeployError(
            f"these credentials are of account {caller.account} ({caller.arn}), the plan names {account}",
            hint="Set AWS_PROFILE to a profile of the right account, or mend `aws.account` in the profile.",
            code="wrong_account",
        )
    return caller
